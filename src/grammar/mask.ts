/** Masks of one automaton over one vocabulary, each computed once per state. */
import { REJECT } from './automaton.ts';
import type { Automaton } from './automaton.ts';
import type { Slice, TokenTrie, Vocabulary } from './trie.ts';

/** A mask in short: a slice of the vocabulary and some tokens more, or all its bits where those are many. */
interface StateMask {
  readonly slice: Slice | null;
  readonly tokens: Int32Array | null;
  readonly bits: Int32Array | null;
}

const MAX_CACHED_BYTES = 64 << 20;

export class MaskCache {
  readonly #automaton: Automaton;
  readonly #vocabulary: Vocabulary;
  #generation = -1;
  readonly #masks = new Map<number, StateMask>();
  #cachedBytes = 0;
  readonly #path: Int32Array;
  #found = new Int32Array(1024);

  constructor(automaton: Automaton, vocabulary: Vocabulary) {
    this.#automaton = automaton;
    this.#vocabulary = vocabulary;
    this.#path = new Int32Array(vocabulary.trie.maxDepth + 1);
  }

  /** Sets the bits of the tokens that may come in `state`, and of no others; end-of-text tokens are the caller's. */
  fill(state: number, mask: Int32Array): void {
    const { slice, tokens, bits } = this.#of(state);
    const words = this.#vocabulary.maskLength;
    if (bits !== null) mask.set(bits);
    else if (slice !== null) mask.set(slice.mask);
    else mask.fill(0, 0, words);
    if (mask.length > words) mask.fill(0, words);
    if (tokens !== null) for (let i = 0; i < tokens.length; i++) mask[tokens[i] >> 5] |= 1 << (tokens[i] & 31);
  }

  #of(state: number): StateMask {
    if (this.#generation !== this.#automaton.generation || this.#cachedBytes > MAX_CACHED_BYTES) {
      this.#masks.clear();
      this.#cachedBytes = 0;
      this.#generation = this.#automaton.generation;
    }
    let mask = this.#masks.get(state);
    if (mask === undefined) {
      mask = this.#compute(state);
      this.#masks.set(state, mask);
      this.#cachedBytes += 64 + (mask.tokens?.byteLength ?? 0) + (mask.bits?.byteLength ?? 0);
    }
    return mask;
  }

  #compute(state: number): StateMask {
    const free = this.#automaton.freeChars(state);
    const slice = this.#vocabulary.slices.find(({ chars }) => chars <= free) ?? null;
    const count = this.#walk(slice === null ? this.#vocabulary.trie : slice.others, state);
    const found = this.#found.subarray(0, count);
    if (count * 32 <= this.#vocabulary.size) return { slice, tokens: this.#withTwins(found), bits: null };
    const bits = this.#vocabulary.newMask();
    if (slice !== null) bits.set(slice.mask);
    for (let i = 0; i < count; i++) this.#vocabulary.allow(bits, found[i]);
    return { slice: null, tokens: null, bits };
  }

  /** The trie holds one token of those that are spelled alike. */
  #withTwins(tokens: Int32Array): Int32Array {
    const { twins } = this.#vocabulary;
    if (twins.size === 0) return tokens.slice();
    return Int32Array.from(Array.from(tokens).flatMap((token) => [token, ...(twins.get(token) ?? [])]));
  }

  /** Collects the trie's tokens that the automaton takes from `state`; returns how many there are. */
  #walk({ bytes, depths, ends, tokens }: TokenTrie, state: number): number {
    const automaton = this.#automaton;
    const path = this.#path;
    const nodes = bytes.length;
    let { transitions } = automaton;
    let found = this.#found;
    let count = 0;
    path[0] = state;
    for (let node = 0; node < nodes; ) {
      const depth = depths[node];
      const at = (path[depth] << 8) | bytes[node];
      let next = transitions[at];
      if (next < REJECT) {
        next = automaton.step(path[depth], bytes[node]);
        transitions = automaton.transitions;
      }
      if (next === REJECT) {
        node = ends[node];
        continue;
      }
      path[depth + 1] = next;
      const token = tokens[node];
      if (token >= 0) {
        if (count === found.length) {
          this.#found = new Int32Array(2 * count);
          this.#found.set(found);
          found = this.#found;
        }
        found[count++] = token;
      }
      node++;
    }
    return count;
  }
}
