/** Sets of strings, closed under intersection and complement: a regular language (or words) with length bounds in code points. */
import { ALL_TEXTS, DEAD, complementDfa, intersectDfa, lengthDfa, longestLengths, matchesDfa, numStates, shortestLengths, wordsDfa } from './dfa.ts';
import type { Dfa } from './dfa.ts';
import { BudgetError } from './error.ts';

export interface StringSet {
  /** Exactly these; then the rest says nothing. */
  readonly words: readonly string[] | null;
  /** Null: every text. */
  readonly dfa: Dfa | null;
  readonly min: number;
  readonly max: number;
}

export const ANY_STRING: StringSet = { words: null, dfa: null, min: 0, max: Infinity };

export const wordSet = (words: readonly string[]): StringSet => ({ words: [...new Set(words)], dfa: null, min: 0, max: Infinity });

export const isAnyString = ({ words, dfa, min, max }: StringSet): boolean => words === null && dfa === null && min === 0 && max === Infinity;

let count = 0;
const ids = new WeakMap<Dfa, number>();

function idOf(dfa: Dfa | null): number {
  if (dfa === null) return 0;
  let id = ids.get(dfa);
  if (id === undefined) ids.set(dfa, (id = ++count));
  return id;
}

/** Equal keys mean equal sets. */
export const keyOfStrings = ({ words, dfa, min, max }: StringSet): string => (words === null ? `${idOf(dfa)},${min},${max}` : JSON.stringify(words));

export function codePoints(text: string): number {
  let length = 0;
  for (const _ of text) length++;
  return length;
}

export function hasString({ words, dfa, min, max }: StringSet, text: string): boolean {
  if (words !== null) return words.includes(text);
  const length = codePoints(text);
  return length >= min && length <= max && (dfa === null || matchesDfa(dfa, text));
}

const intersections = new WeakMap<Dfa, WeakMap<Dfa, Dfa | 'none'>>();

function intersectCached(a: Dfa, b: Dfa): Dfa | null {
  let row = intersections.get(a);
  if (row === undefined) intersections.set(a, (row = new WeakMap()));
  let both = row.get(b);
  if (both === undefined) row.set(b, (both = intersectDfa(a, b) ?? 'none'));
  return both === 'none' ? null : both;
}

/** Null where nothing is in both. */
export function intersectStrings(a: StringSet, b: StringSet): StringSet | null {
  if (isAnyString(a)) return b;
  if (isAnyString(b)) return a;
  if (a.words !== null || b.words !== null) {
    const [few, other] = a.words !== null ? [a.words, b] : [b.words as readonly string[], a];
    const members = other.words === null ? null : new Set(other.words);
    const words = few.filter((word) => (members === null ? hasString(other, word) : members.has(word)));
    return words.length === 0 ? null : wordSet(words);
  }
  const min = Math.max(a.min, b.min);
  const max = Math.min(a.max, b.max);
  let dfa = a.dfa ?? b.dfa;
  if (a.dfa !== null && b.dfa !== null && a.dfa !== b.dfa) {
    dfa = intersectCached(a.dfa, b.dfa);
    if (dfa === null) return null;
  }
  return withLengths(dfa, min, max);
}

/** Null where no such text exists. */
export function withLengths(dfa: Dfa | null, min: number, max: number): StringSet | null {
  if (min > max) return null;
  if (dfa !== null && !new Lengths(dfa, min, max).live(0, 0)) return null;
  return { words: null, dfa, min, max };
}

/** Every string that is not in the set. */
export function complementStrings(set: StringSet): StringSet[] {
  const parts: (StringSet | null)[] = [];
  if (set.words !== null || set.dfa !== null) {
    const outside = complementDfa(set.words === null ? set.dfa : wordsDfa(set.words));
    parts.push(outside === null ? null : { ...ANY_STRING, dfa: outside });
  }
  if (set.min > 0) parts.push({ ...ANY_STRING, max: set.min - 1 });
  if (set.max < Infinity) parts.push({ ...ANY_STRING, min: set.max + 1 });
  return parts.filter((part) => part !== null);
}

/** The set as one automaton without length bounds; null where it is empty. */
export function dfaOfStrings({ words, dfa, min, max }: StringSet): Dfa | null {
  if (words !== null) return wordsDfa(words);
  const language = dfa ?? ALL_TEXTS;
  if (min === 0 && max === Infinity) return language;
  const lengths = lengthDfa(min, max);
  return lengths === null ? null : intersectDfa(language, lengths);
}

const MAX_REACH_CELLS = 4_000_000;

/** Can a text that has come to `state` after `length` characters still end within the bounds? */
export class Lengths {
  readonly #min: number;
  readonly #max: number;
  readonly #longest: Float64Array | null;
  readonly #shortest: Int32Array | null;
  /** state · (max + 1) + k: can accept after exactly k more. */
  readonly #reach: Uint8Array | null;

  constructor(dfa: Dfa, min: number, max: number) {
    this.#min = min;
    this.#max = max;
    const both = min > 0 && max < Infinity;
    this.#longest = min > 0 && !both ? longestLengths(dfa) : null;
    this.#shortest = max < Infinity && !both ? shortestLengths(dfa) : null;
    this.#reach = both ? exactLengths(dfa, max) : null;
  }

  live(state: number, length: number): boolean {
    if (this.#reach !== null) {
      const from = state * (this.#max + 1);
      for (let k = Math.max(0, this.#min - length); k <= this.#max - length; k++) if (this.#reach[from + k] === 1) return true;
      return false;
    }
    if (this.#longest !== null) return this.#longest[state] >= this.#min - length;
    return this.#shortest === null || this.#shortest[state] <= this.#max - length;
  }
}

function exactLengths(dfa: Dfa, max: number): Uint8Array {
  const states = numStates(dfa);
  const width = max + 1;
  if (states * width > MAX_REACH_CELLS) throw new BudgetError('the pattern together with its length bounds is too large');
  const reach = new Uint8Array(states * width);
  for (let state = 0; state < states; state++) reach[state * width] = dfa.accepting[state];
  for (let k = 1; k <= max; k++) {
    for (let state = 0; state < states; state++) {
      for (let letter = 0; letter < dfa.numClasses; letter++) {
        const target = dfa.next[state * dfa.numClasses + letter];
        if (target === DEAD || reach[target * width + k - 1] === 0) continue;
        reach[state * width + k] = 1;
        break;
      }
    }
  }
  return reach;
}
