/** Masks of one automaton over one vocabulary, each computed once per state. */
import { REJECT } from './automaton.ts';
import type { Automaton } from './automaton.ts';
import { Slices, Walker } from './slices.ts';
import type { TokenTrie, Vocabulary } from './trie.ts';

/** A mask in short: one that states share and some tokens more, or all its bits where those are many. */
interface StateMask {
  readonly base: Int32Array | null;
  readonly tokens: Int32Array | null;
}

/** What all grammars over a vocabulary share. */
export class MaskTools {
  readonly walker: Walker;
  readonly slices: Slices;

  constructor(vocabulary: Vocabulary) {
    this.walker = new Walker(vocabulary.trie.maxDepth);
    this.slices = new Slices(vocabulary, this.walker);
  }
}

const MAX_CACHED_BYTES = 16 << 20;

export class MaskCache {
  readonly #automaton: Automaton;
  readonly #vocabulary: Vocabulary;
  readonly #tools: MaskTools;
  #generation = -1;
  readonly #masks = new Map<number, StateMask>();
  #cachedBytes = 0;

  constructor(automaton: Automaton, vocabulary: Vocabulary, tools: MaskTools) {
    this.#automaton = automaton;
    this.#vocabulary = vocabulary;
    this.#tools = tools;
  }

  /** Sets the bits of the tokens that may come in `state`, and of no others; end-of-text tokens are the caller's. */
  fill(state: number, mask: Int32Array): void {
    const { base, tokens } = this.#of(state);
    if (base !== null) mask.set(base);
    else mask.fill(0);
    if (mask.length > this.#vocabulary.maskLength) mask.fill(0, this.#vocabulary.maskLength);
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
    }
    return mask;
  }

  #compute(state: number): StateMask {
    const { trie, plain, others } = this.#vocabulary;
    const { slices } = this.#tools;
    const { texts, rest } = this.#automaton.texts(state);
    const shared = texts.find(({ text }) => !text.quoted && text.name !== null);
    if (shared !== undefined) {
      const slice = slices.named(shared);
      return this.#join([slice.mask], [[slice.others, state]]);
    }
    if (texts.length === 0 || texts.some(({ text }) => !text.quoted)) return this.#join([], [[trie, state]]);
    // Plain tokens stay within strings, so beside these strings only the rest has any more of them.
    return this.#join(texts.map((place) => slices.within(place)), rest === REJECT ? [[others, state]] : [[others, state], [plain, rest]]);
  }

  /** The masks, and what walking the tries finds. */
  #join(masks: readonly Int32Array[], walks: readonly (readonly [TokenTrie, number])[]): StateMask {
    const vocabulary = this.#vocabulary;
    const { walker } = this.#tools;
    let base = masks.length === 1 ? masks[0] : null;
    let own: Int32Array | null = null;
    if (masks.length > 1) {
      base = own = masks[0].slice();
      for (const mask of masks) for (let i = 0; i < own.length; i++) own[i] |= mask[i];
    }
    let tokens: Int32Array | null = null;
    for (const [trie, state] of walks) {
      const count = walker.walk(trie, this.#automaton, state);
      const found = walker.tokens.subarray(0, count);
      const more = (tokens?.length ?? 0) + count;
      if (own === null && more * 32 <= vocabulary.size) {
        tokens = this.#withTwins(found, tokens);
        continue;
      }
      if (own === null) own = base = base?.slice() ?? vocabulary.newMask();
      for (const token of tokens ?? []) vocabulary.allow(own, token);
      for (const token of found) vocabulary.allow(own, token);
      tokens = null;
    }
    this.#cachedBytes += 64 + (own?.byteLength ?? 0) + (tokens?.byteLength ?? 0);
    return { base, tokens };
  }

  /** The trie holds one token of those that are spelled alike. */
  #withTwins(tokens: Int32Array, before: Int32Array | null): Int32Array {
    const { twins } = this.#vocabulary;
    if (before === null && twins.size === 0) return tokens.slice();
    return Int32Array.from([...(before ?? []), ...(twins.size === 0 ? tokens : Array.from(tokens).flatMap((token) => [token, ...(twins.get(token) ?? [])]))]);
  }
}
