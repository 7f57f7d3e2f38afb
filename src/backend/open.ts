/** Chooses and opens a backend. */
import type { Backend } from './backend.ts';
import { BackendError } from './backend.ts';
import { NativeBackend, findLibrary } from './native.ts';
import { ReferenceBackend } from './reference.ts';

export type BackendName = 'auto' | 'reference' | 'cpu' | 'cuda';

/** `auto`: the kernels where they are built. TETRAD_THREADS and TETRAD_CPU_PATH stand in for what is left open. */
export function openBackend(name: BackendName, threads: number): Backend {
  if (name === 'reference') return new ReferenceBackend();
  const device = name === 'cuda' ? 'cuda' : 'cpu';
  const library = findLibrary(device);
  if (library === null) {
    if (name === 'auto') return new ReferenceBackend();
    throw new BackendError(`the ${device} kernels are not built: run 'node kernels/build.mjs', or choose the reference backend`);
  }
  const path = device === 'cpu' ? process.env.TETRAD_CPU_PATH : undefined;
  return new NativeBackend({ name: device, library, threads: threads || threadsFromEnvironment(), path });
}

function threadsFromEnvironment(): number {
  const text = process.env.TETRAD_THREADS ?? '0';
  const threads = Number(text);
  if (!Number.isInteger(threads) || threads < 0) throw new BackendError(`TETRAD_THREADS is '${text}'; it must be a whole number, 0 for all cores`);
  return threads;
}
