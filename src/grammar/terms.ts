/** Terms: conjunctions of subschemas (atoms), each as it stands or negated. Equal conjunctions are one number. */
import { spend } from './error.ts';
import { FALSE, TRUE } from './shapes.ts';
import type { Conjunction, Term } from './shapes.ts';

/** Node · 2, plus 1 where negated. */
export type Atom = number;

export const atomOf = (node: number, negated: boolean): Atom => 2 * node + (negated ? 1 : 0);

export class Terms implements Conjunction {
  readonly tracksEvaluated: boolean;
  readonly #atoms: (readonly Atom[])[] = [[], []];
  readonly #index = new Map<string, Term>([['', TRUE]]);
  readonly #pairs = new Map<number, Term>();

  constructor(tracksEvaluated: boolean) {
    this.tracksEvaluated = tracksEvaluated;
  }

  get size(): number {
    return this.#atoms.length;
  }

  atoms(term: Term): readonly Atom[] {
    return this.#atoms[term];
  }

  of(atom: Atom): Term {
    return this.#intern([atom]);
  }

  and(a: Term, b: Term): Term {
    if (a === b || b === TRUE) return a;
    if (a === TRUE) return b;
    if (a === FALSE || b === FALSE) return FALSE;
    const key = Math.min(a, b) * 2 ** 26 + Math.max(a, b);
    let both = this.#pairs.get(key);
    if (both === undefined) {
      both = this.#intern([...new Set([...this.#atoms[a], ...this.#atoms[b]])].sort((x, y) => x - y));
      this.#pairs.set(key, both);
    }
    return both;
  }

  #intern(atoms: readonly Atom[]): Term {
    spend(1 + atoms.length);
    for (let i = 0; i + 1 < atoms.length; i++) if (atoms[i + 1] === atoms[i] + 1 && atoms[i] % 2 === 0) return FALSE;
    const key = atoms.join();
    let term = this.#index.get(key);
    if (term === undefined) {
      term = this.#atoms.push(atoms) - 1;
      this.#index.set(key, term);
    }
    return term;
  }
}
