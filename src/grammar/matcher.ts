/** Follows one output through a grammar: which tokens may come next, which must, and has it come to an end. */
import { AmbiguityError, Automaton, REJECT } from './automaton.ts';
import { BudgetError, GrammarError } from './error.ts';
import type { Grammar } from './grammar.ts';
import { MaskCache, MaskTools, type Forced } from './mask.ts';
import { specialBytes, unmarked } from './trie.ts';
import type { Vocabulary } from './trie.ts';

/** Bytes that are forced are looked for so far ahead. */
const MAX_FORCED_BYTES = 256;
/** Text before the forced bytes that a tokenizer is shown. */
const MAX_BEFORE_TOKENS = 16;

/** Of the automaton for one question, so that no text holds up others for long. */
const MAX_WORK = 2_000_000;

const utf8 = new TextEncoder();
const automata = new WeakMap<Grammar, Automaton>();
const caches = new WeakMap<Automaton, WeakMap<Vocabulary, MaskCache>>();
const tools = new WeakMap<Vocabulary, MaskTools>();

/** Matchers of one grammar share its automaton, those of one vocabulary too its masks. Throws GrammarError where a special token is unknown. */
export function createMatcher(grammar: Grammar, vocabulary: Vocabulary): GrammarMatcher {
  let automaton = automata.get(grammar);
  if (automaton === undefined) automata.set(grammar, (automaton = new Automaton(grammar)));
  let byVocabulary = caches.get(automaton);
  if (byVocabulary === undefined) caches.set(automaton, (byVocabulary = new WeakMap()));
  let masks = byVocabulary.get(vocabulary);
  if (masks === undefined) {
    checkSpecials(grammar, vocabulary);
    byVocabulary.set(vocabulary, (masks = new MaskCache(automaton, vocabulary, toolsOf(vocabulary))));
  }
  return new GrammarMatcher(automaton, vocabulary, masks);
}

function toolsOf(vocabulary: Vocabulary): MaskTools {
  let shared = tools.get(vocabulary);
  if (shared === undefined) tools.set(vocabulary, (shared = new MaskTools(vocabulary)));
  return shared;
}

function checkSpecials({ lexemes }: Grammar, vocabulary: Vocabulary): void {
  for (const lexeme of lexemes) {
    if (lexeme.kind === 'special' && !vocabulary.has(specialBytes(utf8.encode(lexeme.token)))) throw new GrammarError('special', '', `${JSON.stringify(lexeme.token)} is not a special token of the vocabulary, or it ends the text`);
  }
}

export class GrammarMatcher {
  readonly #automaton: Automaton;
  readonly #vocabulary: Vocabulary;
  readonly #masks: MaskCache;
  #generation: number;
  /** Accepted tokens, and the state before each and after the last. */
  readonly #tokens: number[] = [];
  readonly #states: number[];
  #scratch: Int32Array | null = null;
  #ended = false;
  #error: Error | null = null;

  constructor(automaton: Automaton, vocabulary: Vocabulary, masks: MaskCache) {
    this.#automaton = automaton;
    this.#vocabulary = vocabulary;
    this.#masks = masks;
    this.#generation = automaton.generation;
    this.#states = [automaton.start];
  }

  /** Why nothing can be accepted any more, where that is the grammar's fault. */
  get error(): Error | null {
    return this.#error;
  }

  /** The text so far is complete. */
  get isAccepting(): boolean {
    return this.#error === null && this.#automaton.isAccepting(this.#state());
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  /** Sets the bits of the tokens that may come next and clears the others: bit i of word w is token 32·w + i. */
  fillMask(mask: Int32Array): void {
    const done = this.#guard(() => {
      if (this.#ended) mask.fill(0);
      else this.#masks.fill(this.#state(), mask);
      return true;
    });
    if (done === null) mask.fill(0);
    if (done === null || this.#ended || this.isAccepting) this.#allowEnd(mask);
  }

  /** Ends of text outside the vocabulary's range have no bit. */
  #allowEnd(mask: Int32Array): void {
    for (const token of this.#vocabulary.eosTokenIds) if (token >> 5 < mask.length) mask[token >> 5] |= 1 << (token & 31);
  }

  /** False where the token is not allowed; nothing changes then. */
  accept(token: number): boolean {
    if (this.#ended || this.#error !== null) return false;
    if (this.#vocabulary.eosTokenIds.includes(token)) {
      if (!this.isAccepting) return false;
      this.#tokens.push(token);
      this.#states.push(this.#state());
      return (this.#ended = true);
    }
    const bytes = this.#vocabulary.bytesOf(token);
    if (bytes === null) return false;
    const next = this.#guard(() => this.#run(this.#state(), bytes));
    if (next === null || next === REJECT) return false;
    this.#tokens.push(token);
    this.#states.push(next);
    return true;
  }

  /** Takes back the last tokens, and what failed after them. */
  rollback(count: number): void {
    if (count > this.#tokens.length) throw new RangeError(`rollback of ${count} tokens; ${this.#tokens.length} were accepted`);
    this.#tokens.length -= count;
    this.#states.length -= count;
    if (count > 0) this.#ended = false;
    this.#error = null;
  }

  clone(): GrammarMatcher {
    const copy = new GrammarMatcher(this.#automaton, this.#vocabulary, this.#masks);
    copy.#tokens.push(...this.#tokens);
    copy.#states.splice(0, 1, ...this.#states);
    copy.#generation = this.#generation;
    copy.#ended = this.#ended;
    copy.#error = this.#error;
    return copy;
  }

  /** There is one way on, whatever tokens spell it. */
  get isForced(): boolean {
    return !this.#ended && (this.#guard(() => this.#forcedBytes().bytes.length > 0) ?? false);
  }

  /**
   * Tokens that must come next. The grammar forces bytes; which tokens spell them is the tokenizer's affair, so it is asked, with the
   * text before. Where the text could go on in a way that changes the last tokens, those are left to the model.
   */
  forcedTokens(): readonly number[] {
    if (this.#ended || this.#error !== null) return [];
    const forced = this.#guard(() => this.#forcedBytes());
    if (forced === null) return [];
    if (forced.bytes.length === 0) return forced.complete ? this.#vocabulary.eosTokenIds.slice(0, 1) : [];
    const tokens = this.#spell(forced.bytes);
    if (forced.complete && lengthOf(tokens, this.#vocabulary) === forced.bytes.length) return [...tokens, ...this.#vocabulary.eosTokenIds.slice(0, 1)];
    return forced.complete ? tokens : (this.#guard(() => this.#stable(tokens, forced.bytes)) ?? []);
  }

  /** The only bytes that can follow; complete where the text must end after them. */
  #forcedBytes(): Forced {
    return this.#masks.forced(this.#state(), (state) => this.#findForced(state));
  }

  #findForced(from: number): Forced {
    const bytes: number[] = [];
    let state = from;
    while (bytes.length < MAX_FORCED_BYTES) {
      if (this.#automaton.isAccepting(state)) {
        return { bytes: Uint8Array.from(bytes), complete: !this.#automaton.hasNext(state) };
      }
      const byte = this.#automaton.onlyByte(state);
      if (byte === null) break;
      bytes.push(byte);
      state = this.#automaton.step(state, byte);
    }
    return { bytes: Uint8Array.from(bytes), complete: false };
  }

  /** As the tokenizer spells the bytes after the text so far; empty where it would join them with that. */
  #spell(bytes: Uint8Array): number[] {
    const shown = this.#tokens.slice(-MAX_BEFORE_TOKENS).flatMap((token) => Array.from(this.#vocabulary.bytesOf(token) ?? []));
    const before = shown.slice(shown.findIndex((byte) => byte >> 6 !== 2));
    const all = Uint8Array.from([...before, ...bytes]);
    const whole = wholeLength(all);
    const text = decode(unmarked(all.subarray(0, whole)));
    const encoded = text === null ? null : this.#vocabulary.encode(text);
    if (encoded === null) return [];
    // From the end on: what the tokenizer adds or reads otherwise at the beginning is of no account.
    let at = whole;
    let first = encoded.length;
    while (at > before.length && first > 0) {
      const spelled = this.#vocabulary.bytesOf(encoded[--first]);
      if (spelled === null || !endsWith(all.subarray(0, at), spelled)) return [];
      at -= spelled.length;
    }
    const isRead = first === 0 ? before.length === 0 : encoded[first - 1] === this.#tokens.at(-1);
    return at === before.length && isRead ? encoded.slice(first) : [];
  }

  /** The tokens up to the first from which on a longer one may come. */
  #stable(tokens: readonly number[], bytes: Uint8Array): readonly number[] {
    let state = this.#state();
    let at = 0;
    for (let i = 0; i < tokens.length; i++) {
      const longer = this.#vocabulary.longer(bytes.subarray(at));
      if (longer.length > 0) {
        const mask = (this.#scratch ??= this.#vocabulary.newMask());
        this.#masks.fill(state, mask);
        if (longer.some((token) => token >= 0 && ((mask[token >> 5] >> (token & 31)) & 1) === 1)) return tokens.slice(0, i);
      }
      const spelled = this.#vocabulary.bytesOf(tokens[i]) ?? new Uint8Array(0);
      state = this.#run(state, spelled);
      at += spelled.length;
    }
    return tokens;
  }

  #state(): number {
    if (this.#generation !== this.#automaton.generation) this.#replay();
    return this.#states[this.#states.length - 1];
  }

  /** After the automaton started afresh: its states have new numbers. */
  #replay(): void {
    this.#generation = this.#automaton.generation;
    this.#states.splice(0, this.#states.length, this.#automaton.start);
    for (const token of this.#tokens) {
      const bytes = this.#vocabulary.bytesOf(token);
      const state = this.#states[this.#states.length - 1];
      this.#states.push(bytes === null ? state : this.#run(state, bytes));
    }
  }

  #run(from: number, bytes: Uint8Array): number {
    let state = from;
    for (let i = 0; i < bytes.length && state !== REJECT; i++) state = this.#automaton.step(state, bytes[i]);
    return state;
  }

  /** An ambiguity or a pattern that grows too large makes an error of this matcher, and nothing is allowed but to end. */
  #guard<T>(work: () => T): T | null {
    if (this.#error !== null) return null;
    try {
      this.#automaton.trim();
      this.#automaton.workLeft = MAX_WORK;
      return work();
    } catch (error) {
      if (!(error instanceof AmbiguityError || error instanceof BudgetError)) throw error;
      this.#error = error;
      return null;
    } finally {
      this.#automaton.workLeft = Infinity;
    }
  }
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Null where the bytes are no text. */
function decode(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

/** Without a character at the end whose last bytes are missing. */
function wholeLength(bytes: Uint8Array): number {
  let start = bytes.length - 1;
  while (start >= 0 && bytes[start] >> 6 === 2) start--;
  const lead = bytes[start] ?? 0;
  const needed = lead >= 0xf0 && lead < 0xf8 ? 4 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xc0 && lead < 0xe0 ? 2 : 1;
  return start + needed > bytes.length ? start : bytes.length;
}

const lengthOf = (tokens: readonly number[], vocabulary: Vocabulary): number => tokens.reduce((sum, token) => sum + (vocabulary.bytesOf(token)?.length ?? 0), 0);

function endsWith(bytes: Uint8Array, end: Uint8Array): boolean {
  const from = bytes.length - end.length;
  return from >= 0 && end.every((byte, i) => bytes[from + i] === byte);
}
