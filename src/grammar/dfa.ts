/** Deterministic automata over code points, trimmed: from every state some accepting one can be reached. Start is state 0. */
import { MAX_CODE_POINT } from './charset.ts';
import type { CharSet } from './charset.ts';
import { BudgetError, spend } from './error.ts';

export interface Dfa {
  /** First code points of the segments that the alphabet falls into, ascending from 0. */
  readonly bounds: Int32Array;
  /** Class of each segment. */
  readonly classOf: Int32Array;
  readonly numClasses: number;
  /** state · numClasses + class → state, or −1. */
  readonly next: Int32Array;
  readonly accepting: Uint8Array;
}

const MAX_STATES = 20_000;
const MAX_CELLS = 4_000_000;
const MAX_UNIVERSAL = 100;
export const DEAD = -1;

export const numStates = (dfa: Dfa): number => dfa.accepting.length;

export function segmentOf({ bounds }: Dfa, char: number): number {
  let low = 0;
  let high = bounds.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (bounds[middle] <= char) low = middle;
    else high = middle - 1;
  }
  return low;
}

export const stepDfa = (dfa: Dfa, state: number, char: number): number => dfa.next[state * dfa.numClasses + dfa.classOf[segmentOf(dfa, char)]];

export function matchesDfa(dfa: Dfa | null, text: string): boolean {
  if (dfa === null) return false;
  let state = 0;
  for (const char of text) {
    state = stepDfa(dfa, state, char.codePointAt(0) as number);
    if (state === DEAD) return false;
  }
  return dfa.accepting[state] === 1;
}

interface Alphabet {
  readonly bounds: Int32Array;
  readonly classOf: Int32Array;
  readonly numClasses: number;
  /** One code point of each class. */
  readonly samples: readonly number[];
}

/** Segments by `starts`, classes by equal `signature` of a segment's first code point. */
function alphabet(starts: Iterable<number>, signature: (char: number) => string): Alphabet {
  const bounds = Int32Array.from([...new Set(starts)].filter((start) => start <= MAX_CODE_POINT)).sort();
  const classes = new Map<string, number>();
  const samples: number[] = [];
  const classOf = bounds.map((char) => {
    const key = signature(char);
    let index = classes.get(key);
    if (index === undefined) {
      index = samples.length;
      classes.set(key, index);
      samples.push(char);
    }
    return index;
  });
  return { bounds, classOf, numClasses: samples.length, samples };
}

function alphabetOfSets(sets: readonly CharSet[]): Alphabet {
  const distinct = [...new Map(sets.map((set) => [set.join(), set])).values()];
  const members = new Map<number, number[]>([[0, []]]);
  for (const set of distinct) for (let i = 0; i < set.length; i++) members.set(i % 2 === 0 ? set[i] : set[i] + 1, []);
  const starts = [...members.keys()].sort((a, b) => a - b);
  const indexOf = new Map(starts.map((start, i) => [start, i]));
  distinct.forEach((set, id) => {
    for (let i = 0; i < set.length; i += 2) {
      const last = indexOf.get(set[i + 1] + 1) as number;
      for (let at = indexOf.get(set[i]) as number; at < last; at++) members.get(starts[at])?.push(id);
    }
  });
  return alphabet(starts, (char) => (members.get(char) as number[]).join());
}

export interface SubsetSource {
  readonly start: readonly number[];
  /** `first`: the state is the start, before any character. */
  readonly accepts: (states: readonly number[], first: boolean) => boolean;
  readonly step: (states: readonly number[], char: number) => readonly number[];
}

/** Subset construction over the characters that `sets` tell apart. */
export function buildDfa(sets: readonly CharSet[], source: SubsetSource): Dfa | null {
  const letters = alphabetOfSets(sets);
  const keyOf = (states: readonly number[], first: boolean): string => `${first ? '^' : ''}${states.join()}`;
  return explore(letters, { states: source.start, first: true }, {
    key: ({ states, first }) => keyOf(states, first),
    accepting: ({ states, first }) => source.accepts(states, first),
    next: ({ states }, sample) => {
      spend(states.length >> 2);
      const target = source.step(states, sample);
      return target.length === 0 ? null : { states: target, first: false };
    },
  });
}

interface StateSource<S> {
  readonly key: (state: S) => string | number;
  readonly accepting: (state: S) => boolean;
  readonly next: (state: S, sample: number, letter: number) => S | null;
}

function explore<S>(letters: Alphabet, start: S, source: StateSource<S>): Dfa | null {
  const states: S[] = [start];
  const indexOf = new Map<string | number, number>([[source.key(start), 0]]);
  const next: number[] = [];
  for (let i = 0; i < states.length; i++) {
    spend(letters.numClasses);
    for (let letter = 0; letter < letters.numClasses; letter++) {
      const target = source.next(states[i], letters.samples[letter], letter);
      if (target === null) {
        next.push(DEAD);
        continue;
      }
      const key = source.key(target);
      let index = indexOf.get(key);
      if (index === undefined) {
        index = states.length;
        if (index >= MAX_STATES || next.length > MAX_CELLS) throw new BudgetError('the pattern needs too many states');
        indexOf.set(key, index);
        states.push(target);
      }
      next.push(index);
    }
  }
  return trim(letters, Int32Array.from(next), Uint8Array.from(states, (state) => (source.accepting(state) ? 1 : 0)));
}

/** Drops the states from which nothing is accepted; null where that is the start. */
function trim({ bounds, classOf, numClasses }: Alphabet, next: Int32Array, accepting: Uint8Array): Dfa | null {
  const live = reachAccepting(next, accepting, numClasses);
  if (live[0] < 0) return null;
  const renamed = new Int32Array(accepting.length).fill(DEAD);
  let count = 0;
  for (let state = 0; state < accepting.length; state++) if (live[state] >= 0) renamed[state] = count++;
  const kept = new Int32Array(count * numClasses);
  const keptAccepting = new Uint8Array(count);
  for (let state = 0; state < accepting.length; state++) {
    const index = renamed[state];
    if (index < 0) continue;
    keptAccepting[index] = accepting[state];
    for (let letter = 0; letter < numClasses; letter++) {
      const target = next[state * numClasses + letter];
      kept[index * numClasses + letter] = target < 0 ? DEAD : renamed[target];
    }
  }
  return { bounds, classOf, numClasses, next: kept, accepting: keptAccepting };
}

/** Fewest characters from each state to an accepting one; −1 where there is none. */
function reachAccepting(next: Int32Array, accepting: Uint8Array, width: number): Int32Array {
  const count = accepting.length;
  const incoming: number[][] = Array.from({ length: count }, () => []);
  for (let i = 0; i < next.length; i++) if (next[i] >= 0) incoming[next[i]].push(Math.floor(i / width));
  const distance = new Int32Array(count).fill(-1);
  const queue: number[] = [];
  for (let state = 0; state < count; state++) {
    if (accepting[state] === 1) {
      distance[state] = 0;
      queue.push(state);
    }
  }
  for (const state of queue) {
    for (const from of incoming[state]) {
      if (distance[from] >= 0) continue;
      distance[from] = distance[state] + 1;
      queue.push(from);
    }
  }
  return distance;
}

export const shortestLengths = (dfa: Dfa): Int32Array => reachAccepting(dfa.next, dfa.accepting, dfa.numClasses);

/** Most characters from each state to an accepting one; Infinity where there is no most. */
export function longestLengths(dfa: Dfa): Float64Array {
  const count = numStates(dfa);
  const longest = new Float64Array(count).fill(-1);
  const open = new Uint8Array(count);
  const stack: { state: number; letter: number }[] = [];
  for (let root = 0; root < count; root++) {
    if (longest[root] >= 0) continue;
    stack.push({ state: root, letter: 0 });
    open[root] = 1;
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.letter === dfa.numClasses) {
        let best = 0;
        for (let letter = 0; letter < dfa.numClasses; letter++) {
          const target = dfa.next[top.state * dfa.numClasses + letter];
          if (target >= 0) best = Math.max(best, open[target] === 1 ? Infinity : longest[target] + 1);
        }
        longest[top.state] = best;
        open[top.state] = 0;
        stack.pop();
        continue;
      }
      const target = dfa.next[top.state * dfa.numClasses + top.letter++];
      if (target >= 0 && longest[target] < 0 && open[target] === 0) {
        open[target] = 1;
        stack.push({ state: target, letter: 0 });
      }
    }
  }
  return longest;
}

/** Whatever comes, the state stays. */
export function isAbsorbing({ next, numClasses }: Dfa, state: number): boolean {
  for (let i = state * numClasses; i < (state + 1) * numClasses; i++) if (next[i] !== state) return false;
  return true;
}

/** Whatever comes, the text can still be completed. False also where that takes long to tell. */
export function isUniversal(dfa: Dfa, state: number): boolean {
  const seen = new Set([state]);
  for (const from of seen) {
    if (seen.size > MAX_UNIVERSAL) return false;
    for (let i = from * dfa.numClasses; i < (from + 1) * dfa.numClasses; i++) {
      if (dfa.next[i] < 0) return false;
      seen.add(dfa.next[i]);
    }
  }
  return true;
}

function product(a: Dfa, b: Dfa, accepting: (inA: boolean, inB: boolean) => boolean, needsBoth: boolean): Dfa | null {
  const pairOf = (char: number): [number, number] => [a.classOf[segmentOf(a, char)], b.classOf[segmentOf(b, char)]];
  const letters = alphabet([...a.bounds, ...b.bounds], (char) => pairOf(char).join());
  const pairs = letters.samples.map(pairOf);
  const width = numStates(b) + 1;
  const at = (dfa: Dfa, state: number, letter: number): number => (state < 0 ? DEAD : dfa.next[state * dfa.numClasses + letter]);
  return explore<readonly [number, number]>(letters, [0, 0], {
    key: ([x, y]) => (x + 1) * width + y + 1,
    accepting: ([x, y]) => accepting(x >= 0 && a.accepting[x] === 1, y >= 0 && b.accepting[y] === 1),
    next: ([x, y], _, letter) => {
      const nextX = at(a, x, pairs[letter][0]);
      const nextY = at(b, y, pairs[letter][1]);
      return (needsBoth ? nextX < 0 || nextY < 0 : nextX < 0 && nextY < 0) ? null : [nextX, nextY];
    },
  });
}

export const intersectDfa = (a: Dfa, b: Dfa): Dfa | null => product(a, b, (inA, inB) => inA && inB, true);
export const uniteDfa = (a: Dfa, b: Dfa): Dfa | null => product(a, b, (inA, inB) => inA || inB, false);
export const subtractDfa = (a: Dfa, b: Dfa): Dfa | null => product(a, b, (inA, inB) => inA && !inB, false);

export const ALL_TEXTS: Dfa = { bounds: Int32Array.of(0), classOf: Int32Array.of(0), numClasses: 1, next: Int32Array.of(0), accepting: Uint8Array.of(1) };

export const complementDfa = (dfa: Dfa | null): Dfa | null => (dfa === null ? ALL_TEXTS : subtractDfa(ALL_TEXTS, dfa));

/** Texts of `min` to `max` code points. */
export function lengthDfa(min: number, max: number): Dfa | null {
  const last = max === Infinity ? min : max;
  if (max < min) return null;
  if (last >= MAX_STATES) throw new BudgetError(`a length of ${last} is too large here`);
  return {
    bounds: Int32Array.of(0),
    classOf: Int32Array.of(0),
    numClasses: 1,
    next: Int32Array.from({ length: last + 1 }, (_, n) => (n < last ? n + 1 : max === Infinity ? n : DEAD)),
    accepting: Uint8Array.from({ length: last + 1 }, (_, n) => (n >= min ? 1 : 0)),
  };
}

/** All texts of `min` to `max` characters that the automaton takes; null where there are more than `limit`. */
export function listWords(dfa: Dfa, min: number, max: number, limit: number): string[] | null {
  const words: string[] = [];
  let level: { state: number; text: string }[] = [{ state: 0, text: '' }];
  for (let length = 0; length <= max && level.length > 0; length++) {
    const next: typeof level = [];
    for (const { state, text } of level) {
      if (length >= min && dfa.accepting[state] === 1) words.push(text);
      for (let i = 0; i < dfa.bounds.length; i++) {
        const target = dfa.next[state * dfa.numClasses + dfa.classOf[i]];
        if (target === DEAD) continue;
        const end = dfa.bounds[i + 1] ?? MAX_CODE_POINT + 1;
        if (end - dfa.bounds[i] > limit) return null;
        for (let char = dfa.bounds[i]; char < end; char++) next.push({ state: target, text: text + String.fromCodePoint(char) });
      }
      // Without length bounds every state leads to some word, so these are as many.
      if (words.length + next.length > 4 * limit) return null;
    }
    level = next;
  }
  return words.length > limit ? null : words;
}

/** Texts that contain none of `words`, each of which has a character at least (Aho and Corasick's automaton); null: every text. */
export function textWithout(words: readonly string[]): Dfa | null {
  if (words.length === 0) return null;
  const { trie, ends } = trieOf(words);
  const letters = alphabetOfSets([...new Set(trie.flatMap((edges) => [...edges.keys()]))].map((char) => [char, char]));
  const width = letters.numClasses;
  if (trie.length * width > MAX_CELLS) throw new BudgetError('too many strings to leave out');
  const next = new Int32Array(trie.length * width).fill(DEAD);
  // Breadth first: a node's fallback, the longest proper suffix of it in the trie, is complete before the node is.
  const queue: { node: number; fallback: number }[] = [{ node: 0, fallback: 0 }];
  for (const { node, fallback } of queue) {
    if (ends.has(fallback)) ends.add(node);
    letters.samples.forEach((char, letter) => {
      const child = trie[node].get(char);
      const otherwise = node === 0 ? 0 : next[fallback * width + letter];
      if (child !== undefined) queue.push({ node: child, fallback: otherwise });
      next[node * width + letter] = child ?? otherwise;
    });
  }
  return trim(letters, next.map((target) => (ends.has(target) ? DEAD : target)), new Uint8Array(trie.length).fill(1));
}

/** Exactly these texts. */
export function wordsDfa(words: readonly string[]): Dfa | null {
  if (words.length === 0) return null;
  const { trie, ends } = trieOf(words);
  const letters = alphabetOfSets([...new Set(trie.flatMap((edges) => [...edges.keys()]))].map((char) => [char, char]));
  if (trie.length * letters.numClasses > MAX_CELLS) throw new BudgetError('too many strings to reason about');
  const next = trie.flatMap((edges) => letters.samples.map((char) => edges.get(char) ?? DEAD));
  return { bounds: letters.bounds, classOf: letters.classOf, numClasses: letters.numClasses, next: Int32Array.from(next), accepting: Uint8Array.from(trie, (_, state) => (ends.has(state) ? 1 : 0)) };
}

function trieOf(words: readonly string[]): { trie: Map<number, number>[]; ends: Set<number> } {
  const trie: Map<number, number>[] = [new Map()];
  const ends = new Set<number>();
  for (const word of words) {
    let state = 0;
    for (const char of word) {
      const codePoint = char.codePointAt(0) as number;
      let target = trie[state].get(codePoint);
      if (target === undefined) {
        target = trie.length;
        if (target >= MAX_STATES) throw new BudgetError('too many strings to reason about');
        trie.push(new Map());
        trie[state].set(codePoint, target);
      }
      state = target;
    }
    ends.add(state);
  }
  return { trie, ends };
}
