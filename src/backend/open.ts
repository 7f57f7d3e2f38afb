/** Chooses and opens a backend. */
import type { Backend } from './backend.ts';
import { ReferenceBackend } from './reference.ts';

export type BackendName = 'auto' | 'reference' | 'cpu' | 'cuda';

export function openBackend(name: BackendName, threads: number): Backend {
  void threads;
  void name;
  return new ReferenceBackend();
}
