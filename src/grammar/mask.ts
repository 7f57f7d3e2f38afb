/** Masks of one automaton over one vocabulary, each computed once per state. */
import { REJECT } from './automaton.ts';
import type { Automaton } from './automaton.ts';
import type { TextPlace } from './lexeme.ts';
import { Slices, Walker } from './slices.ts';
import type { TokenTrie, Vocabulary } from './trie.ts';

/** A mask in short: one that states share and some tokens more, or all its bits where those are many. */
interface StateMask {
  readonly base: Int32Array | null;
  readonly tokens: Int32Array | null;
}

/** The only bytes that can follow a state; complete where the text must end after them. */
export interface Forced {
  readonly bytes: Uint8Array;
  readonly complete: boolean;
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
  readonly #forced = new Map<number, Forced>();
  readonly #told = new Map<string, Int32Array>();
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

  /** Found once per state. */
  forced(state: number, find: (state: number) => Forced): Forced {
    this.#trim();
    let forced = this.#forced.get(state);
    if (forced === undefined) {
      forced = find(state);
      this.#forced.set(state, forced);
      this.#cachedBytes += 64 + forced.bytes.length;
    }
    return forced;
  }

  #trim(): void {
    if (this.#generation === this.#automaton.generation && this.#cachedBytes <= MAX_CACHED_BYTES) return;
    this.#masks.clear();
    this.#forced.clear();
    this.#told.clear();
    this.#cachedBytes = 0;
    this.#generation = this.#automaton.generation;
  }

  #of(state: number): StateMask {
    this.#trim();
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
    const { texts, alone, rest } = this.#automaton.texts(state);
    const shared = texts.find(({ text }) => !text.quoted && text.name !== null);
    if (shared !== undefined) {
      const slice = slices.named(shared.text, shared.at);
      return this.#join([slice.mask], [this.#walk(slice.others, state)]);
    }
    if (texts.length === 0 || texts.some(({ text }) => !text.quoted)) return this.#join([], [this.#walk(trie, state)]);
    // What is read in these strings and what is read otherwise add up; plain tokens stay within strings.
    const masks = texts.map((place) => slices.within(place));
    const told = rest === REJECT ? this.#toldEndings(state, texts) : null;
    if (told !== null) return this.#join(masks, [told]);
    if (texts.every((place) => place.text.isSteady(place, trie.maxDepth))) return this.#join(masks, [this.#endings(alone), ...(rest === REJECT ? [] : [this.#walk(trie, rest)])]);
    return this.#join(masks, [this.#walk(others, state), ...(rest === REJECT ? [] : [this.#walk(plain, rest)])]);
  }

  #walk(trie: TokenTrie, state: number): Int32Array {
    const { walker } = this.#tools;
    return walker.tokens.slice(0, walker.walk(trie, this.#automaton, state));
  }

  /**
   * Every character of a text that is told makes a state of its own; what can follow the text is the same for all of them, but where
   * it would be one that is ruled out. Null where that has to be found the long way.
   */
  #toldEndings(state: number, [place, ...others]: readonly TextPlace[]): Int32Array | null {
    if (others.length > 0 || place.text.dfa !== null || !place.text.isSteady({ ...place, isExcepting: false }, Infinity)) return null;
    const key = this.#automaton.keyOfTold(state);
    const endings = key === null ? null : (this.#told.get(key) ?? (place.isExcepting ? null : this.#endings(state)));
    if (key === null || endings === null) return null;
    this.#told.set(key, endings);
    return place.isExcepting ? endings.filter((token) => place.text.canPass(place.state, this.#vocabulary.bytesOf(token) as Uint8Array)) : endings;
  }

  #endings(state: number): Int32Array {
    const { trie, tokens } = this.#vocabulary.endings;
    const lists = Array.from(this.#walk(trie, state), (ending) => tokens[ending]);
    const all = new Int32Array(lists.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const list of lists) {
      all.set(list, at);
      at += list.length;
    }
    return all;
  }

  /** The union of masks and of tokens as they stand in the trie. */
  #join(masks: readonly Int32Array[], found: readonly Int32Array[]): StateMask {
    const vocabulary = this.#vocabulary;
    const count = found.reduce((sum, { length }) => sum + length, 0);
    if (masks.length < 2 && count * 32 <= vocabulary.size) {
      const tokens = this.#withTwins(found);
      this.#cachedBytes += 64 + tokens.byteLength;
      return { base: masks[0] ?? null, tokens };
    }
    const base = masks[0]?.slice() ?? vocabulary.newMask();
    for (const mask of masks.slice(1)) for (let i = 0; i < base.length; i++) base[i] |= mask[i];
    for (const tokens of found) for (let i = 0; i < tokens.length; i++) vocabulary.allow(base, tokens[i]);
    this.#cachedBytes += 64 + base.byteLength;
    return { base, tokens: null };
  }

  /** The trie holds one token of those that are spelled alike. */
  #withTwins(found: readonly Int32Array[]): Int32Array {
    const { twins } = this.#vocabulary;
    if (found.length === 1 && twins.size === 0) return found[0];
    return Int32Array.from(found.flatMap((tokens) => Array.from(tokens).flatMap((token) => [token, ...(twins.get(token) ?? [])])));
  }
}
