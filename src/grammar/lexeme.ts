/** What is read byte by byte: specifications (plain values, so that a grammar can cross threads) and the automata that run them. */
import { ALL_TEXTS, isAbsorbing, stepDfa, subtractDfa, wordsDfa } from './dfa.ts';
import type { Dfa } from './dfa.ts';
import { NUMBER_LETTERS, tableDfa } from './numbers.ts';
import type { NumberTable } from './numbers.ts';
import { Lengths, codePoints, withLengths } from './strings.ts';
import { specialBytes } from './trie.ts';

export type LexemeSpec =
  /** One of these texts, as they stand. */
  | { readonly kind: 'words'; readonly words: readonly string[] }
  /** A special token, by its content. */
  | { readonly kind: 'special'; readonly token: string }
  /** A text of the language, between quotes and escaped as JSON wants it, or bare. */
  | {
      readonly kind: 'text';
      readonly quoted: boolean;
      readonly dfa: Dfa | null;
      readonly min: number;
      readonly max: number;
      readonly except: readonly string[];
      /** Of a language that many grammars share and that takes nearly every token anywhere; equal names mean equal automata. */
      readonly name?: string;
    }
  | { readonly kind: 'number'; readonly table: NumberTable }
  /** JSON values, with what was read at hand. */
  | { readonly kind: 'told'; readonly base: LexemeSpec };

export const STOP = -1;

/** A deterministic automaton over bytes, made as it is walked; every state it has can still be completed. */
export interface Lexeme {
  readonly start: number;
  /** STOP where the byte can't come here. */
  step(state: number, byte: number): number;
  accepts(state: number): boolean;
  /** No byte can follow. */
  isLast(state: number): boolean;
  /** Bytes that may come: others surely can't. */
  bytes(state: number): ByteSet;
  /** Null unless the state is at the border of two characters of a text. */
  place(state: number): TextPlace | null;
}

/** Bit b of word b >> 5. */
export type ByteSet = Int32Array;

function byteSet(...ranges: readonly (readonly [number, number])[]): ByteSet {
  const set = new Int32Array(8);
  for (const [low, high] of ranges) for (let byte = low; byte <= high; byte++) set[byte >> 5] |= 1 << (byte & 31);
  return set;
}

export interface TextPlace {
  readonly text: TextLexeme;
  readonly state: number;
  /** State of the pattern, and characters so far. */
  readonly at: number;
  readonly length: number;
  /** A text that must not come to be in full has been read so far. */
  readonly isExcepting: boolean;
}

export function openLexeme(spec: LexemeSpec): Lexeme {
  if (spec.kind === 'words') return new WordsLexeme(spec.words.map((word) => utf8.encode(word)));
  if (spec.kind === 'special') return new WordsLexeme([specialBytes(utf8.encode(spec.token))]);
  if (spec.kind === 'told') return new ToldLexeme(openLexeme(spec.base));
  return spec.kind === 'text' ? new TextLexeme(spec) : new NumberLexeme(spec.table);
}

/** The lexeme's values without those `used`, as JSON.stringify writes them; null where none are left. */
export function withoutValues(spec: LexemeSpec, used: readonly string[]): LexemeSpec | null {
  if (spec.kind === 'words') {
    const words = spec.words.filter((word) => !used.includes(word));
    return words.length === 0 ? null : { kind: 'words', words };
  }
  if (spec.kind === 'number') return withoutValues({ kind: 'text', quoted: false, dfa: tableDfa(spec.table), min: 0, max: Infinity, except: [] }, used);
  if (spec.kind !== 'text') return null;
  const texts = used.filter((value) => value.startsWith('"') === spec.quoted).map((value) => (spec.quoted ? (JSON.parse(value) as string) : value));
  if (texts.length === 0) return spec;
  const { dfa, min, max } = spec;
  if (dfa === null && max === Infinity) return { ...spec, except: [...spec.except, ...texts.filter((text) => codePoints(text) >= min)] };
  const left = subtractDfa(dfa ?? ALL_TEXTS, wordsDfa(texts) as Dfa);
  return left === null || withLengths(left, min, max) === null ? null : { ...spec, dfa: left };
}

const utf8 = new TextEncoder();

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

/** A state is a run of the sorted words that share their first bytes. */
class WordsLexeme implements Lexeme {
  readonly start = 0;
  readonly #words: readonly Uint8Array[];
  readonly #low = [0];
  readonly #high: number[];
  readonly #depth = [0];
  readonly #next: Map<number, number>[] = [new Map()];

  constructor(words: readonly Uint8Array[]) {
    this.#words = words.toSorted(compareBytes);
    this.#high = [words.length];
  }

  step(state: number, byte: number): number {
    const known = this.#next[state].get(byte);
    if (known !== undefined) return known;
    const depth = this.#depth[state];
    const low = this.#bound(this.#low[state], this.#high[state], depth, byte);
    const end = this.#bound(low, this.#high[state], depth, byte + 1);
    if (end === low) return STOP;
    const target = this.#low.length;
    this.#low.push(low);
    this.#high.push(end);
    this.#depth.push(depth + 1);
    this.#next.push(new Map());
    this.#next[state].set(byte, target);
    return target;
  }

  /** The first word of a run that has at least `byte` at `depth`; a word that ends there comes before all that go on. */
  #bound(low: number, high: number, depth: number, byte: number): number {
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#words[middle][depth] ?? -1) < byte) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  accepts(state: number): boolean {
    return this.#words[this.#low[state]].length === this.#depth[state];
  }

  isLast(state: number): boolean {
    return this.#words[this.#high[state] - 1].length === this.#depth[state];
  }

  bytes(state: number): ByteSet {
    const depth = this.#depth[state];
    const set = new Int32Array(8);
    for (let i = this.#low[state]; i < this.#high[state]; i++) {
      const byte = this.#words[i][depth];
      if (byte !== undefined) set[byte >> 5] |= 1 << (byte & 31);
    }
    return set;
  }

  place(): null {
    return null;
  }
}

const NUMBER_BYTES = byteSet([0x2d, 0x2e], [0x30, 0x39]);

class NumberLexeme implements Lexeme {
  readonly start = 0;
  readonly #table: NumberTable;

  constructor(table: NumberTable) {
    this.#table = table;
  }

  step(state: number, byte: number): number {
    const letter = NUMBER_LETTERS.indexOf(String.fromCharCode(byte));
    return letter < 0 ? STOP : this.#table.next[state * NUMBER_LETTERS.length + letter];
  }

  accepts(state: number): boolean {
    return this.#table.accepting[state] === 1;
  }

  isLast(state: number): boolean {
    const from = state * NUMBER_LETTERS.length;
    for (let i = 0; i < NUMBER_LETTERS.length; i++) if (this.#table.next[from + i] >= 0) return false;
    return true;
  }

  bytes(): ByteSet {
    return NUMBER_BYTES;
  }

  place(): null {
    return null;
  }
}

/** Knows what was read: its states are those of the lexeme, and the bytes that led there. */
export class ToldLexeme implements Lexeme {
  readonly start = 0;
  readonly #base: Lexeme;
  readonly #own: number[];
  readonly #parents = [-1];
  readonly #bytes = [0];
  /** State · 256 + byte → state. */
  readonly #index = new Map<number, number>();

  constructor(base: Lexeme) {
    this.#base = base;
    this.#own = [base.start];
  }

  step(state: number, byte: number): number {
    const next = this.#base.step(this.#own[state], byte);
    if (next === STOP) return STOP;
    let id = this.#index.get((state << 8) | byte);
    if (id === undefined) {
      id = this.#own.push(next) - 1;
      this.#index.set((state << 8) | byte, id);
      this.#parents.push(state);
      this.#bytes.push(byte);
    }
    return id;
  }

  /** The value read, as JSON.stringify writes it; what is not quoted has one spelling only. */
  valueOf(state: number): string {
    const bytes: number[] = [];
    for (let at = state; at > 0; at = this.#parents[at]) bytes.push(this.#bytes[at]);
    const text = new TextDecoder().decode(Uint8Array.from(bytes.reverse()));
    return text.startsWith('"') ? JSON.stringify(JSON.parse(text)) : text;
  }

  accepts(state: number): boolean {
    return this.#base.accepts(this.#own[state]);
  }

  isLast(state: number): boolean {
    return this.#base.isLast(this.#own[state]);
  }

  bytes(state: number): ByteSet {
    return this.#base.bytes(this.#own[state]);
  }

  place(state: number): TextPlace | null {
    return this.#base.place(this.#own[state]);
  }
}

/** Where in the spelling of a character a text stands. */
const OPEN = 0;
const BORDER = 1;
/** In a multi-byte character: low…high are the code points it can become, `pending` bytes are to come. */
const MULTIBYTE = 2;
const ESCAPE = 3;
/** In \uXXXX: low…high can become of it, `pending` digits are to come. */
const HEX = 4;
/** Between the halves of a surrogate pair, with low…high to choose from: before `\`, then before `u`. */
const PAIR_BACKSLASH = 5;
const PAIR_U = 6;
const PAIR_HEX = 7;
const CLOSED = 8;

const HEX_BYTES = byteSet([0x30, 0x39], [0x41, 0x46], [0x61, 0x66]);
/** By mode; at a border, of quoted text and of bare text. */
const MODE_BYTES: readonly ByteSet[] = [
  byteSet([0x22, 0x22]),
  byteSet([0x20, 0x7f], [0xc2, 0xf4]),
  byteSet([0x80, 0xbf]),
  byteSet([0x22, 0x22], [0x2f, 0x2f], [0x5c, 0x5c], [0x61, 0x7a]),
  HEX_BYTES,
  byteSet([0x5c, 0x5c]),
  byteSet([0x75, 0x75]),
  HEX_BYTES,
  byteSet(),
];
const BARE_BYTES = byteSet([0, 0x7f], [0xc2, 0xf4]);

interface TextState {
  readonly mode: number;
  /** State of the pattern, characters so far, node among the excepted texts. */
  readonly at: number;
  readonly length: number;
  readonly except: number;
  readonly low: number;
  readonly high: number;
  readonly pending: number;
}

const ESCAPED: Readonly<Record<number, number>> = { 0x22: 0x22, 0x5c: 0x5c, 0x2f: 0x2f, 0x62: 8, 0x66: 12, 0x6e: 10, 0x72: 13, 0x74: 9 };
const NO_NODE = -1;

export class TextLexeme implements Lexeme {
  readonly start = 0;
  readonly quoted: boolean;
  readonly dfa: Dfa | null;
  readonly name: string | null;
  readonly #min: number;
  readonly #max: number;
  /** Lengths beyond this need not be told apart. */
  readonly #countTo: number;
  readonly #lengths: Lengths | null;
  readonly #except: Map<number, number>[] = [];
  readonly #exceptEnds = new Set<number>();
  readonly #states: TextState[] = [];
  readonly #index = new Map<string, number>();
  readonly #borders = new Map<number, number>();
  readonly #partials = new Map<number, number>();

  constructor({ quoted, dfa, min, max, except, name }: Extract<LexemeSpec, { kind: 'text' }>) {
    this.quoted = quoted;
    this.dfa = dfa;
    this.name = name ?? null;
    this.#min = min;
    this.#max = max;
    this.#countTo = max === Infinity ? min : max;
    this.#lengths = dfa !== null && (min > 0 || max < Infinity) ? new Lengths(dfa, min, max) : null;
    if (except.length > 0) this.#except.push(new Map());
    for (const text of except) this.#addExcept(text);
    this.#intern({ mode: quoted ? OPEN : BORDER, at: 0, length: 0, except: except.length > 0 ? 0 : NO_NODE, low: 0, high: 0, pending: 0 });
  }

  #addExcept(text: string): void {
    let node = 0;
    for (const char of text) {
      const codePoint = char.codePointAt(0) as number;
      let next = this.#except[node].get(codePoint);
      if (next === undefined) {
        next = this.#except.length;
        this.#except.push(new Map());
        this.#except[node].set(codePoint, next);
      }
      node = next;
    }
    this.#exceptEnds.add(node);
  }

  /** The commonest states by far have a table of their own. */
  #internBorder(at: number, length: number): number {
    const key = at * (this.#countTo + 1) + length;
    let id = this.#borders.get(key);
    if (id === undefined) {
      id = this.#intern({ mode: BORDER, at, length, except: NO_NODE, low: 0, high: 0, pending: 0 });
      this.#borders.set(key, id);
    }
    return id;
  }

  #intern(state: TextState): number {
    const key = `${state.mode},${state.at},${state.length},${state.except},${state.low},${state.high},${state.pending}`;
    let id = this.#index.get(key);
    if (id === undefined) {
      id = this.#states.length;
      this.#states.push(state);
      this.#index.set(key, id);
    }
    return id;
  }

  step(id: number, byte: number): number {
    const state = this.#states[id];
    switch (state.mode) {
      case OPEN:
        return byte === 0x22 ? this.#intern({ ...state, mode: BORDER }) : STOP;
      case BORDER:
        return this.#border(state, byte);
      case MULTIBYTE:
        return byte >> 6 === 2 ? this.#narrow(state, 6, byte & 63, MULTIBYTE) : STOP;
      case ESCAPE:
        return this.#escape(state, byte);
      case HEX:
      case PAIR_HEX: {
        const digit = hexDigit(byte);
        return digit < 0 ? STOP : this.#hex(state, digit);
      }
      case PAIR_BACKSLASH:
        return byte === 0x5c ? this.#intern({ ...state, mode: PAIR_U }) : STOP;
      case PAIR_U:
        return byte === 0x75 ? this.#intern({ ...state, mode: PAIR_HEX, pending: 4, low: 0, high: 0xffff, length: state.length }) : STOP;
      default:
        return STOP;
    }
  }

  #border(state: TextState, byte: number): number {
    if (this.quoted) {
      if (byte === 0x22) return this.#ends(state) ? this.#intern({ ...state, mode: CLOSED, at: 0, length: 0, except: NO_NODE }) : STOP;
      if (byte === 0x5c) return this.#escapeLive(state) ? this.#intern({ ...state, mode: ESCAPE }) : STOP;
      if (byte < 0x20) return STOP;
    }
    if (byte < 0x80) return this.#char(state, byte);
    if (byte >= 0xc2 && byte <= 0xdf) return this.#partial(state, MULTIBYTE, (byte & 31) << 6, ((byte & 31) << 6) | 63, 1);
    if (byte >= 0xe0 && byte <= 0xef) {
      const low = (byte & 15) << 12;
      return this.#partial(state, MULTIBYTE, Math.max(low, 0x800), byte === 0xed ? 0xd7ff : low | 0xfff, 2);
    }
    if (byte < 0xf0 || byte > 0xf4) return STOP;
    const low = (byte & 7) << 18;
    return this.#partial(state, MULTIBYTE, Math.max(low, 0x10000), Math.min(low | 0x3ffff, 0x10ffff), 3);
  }

  /** low…high shrinks to where the next `bits` bits are `value`. */
  #narrow(state: TextState, bits: number, value: number, mode: number): number {
    const span = 2 ** (bits * (state.pending - 1));
    const base = state.low - (state.low % (span * 2 ** bits)) + value * span;
    const low = Math.max(base, state.low);
    const high = Math.min(base + span - 1, state.high);
    if (low > high) return STOP;
    return state.pending === 1 ? this.#char(state, low) : this.#partial(state, mode, low, high, state.pending - 1);
  }

  #partial(state: TextState, mode: number, low: number, high: number, pending: number): number {
    if (!this.#rangeLive(state, low, high)) return STOP;
    if (mode !== MULTIBYTE || state.except !== NO_NODE) return this.#intern({ ...state, mode, low, high, pending });
    // `low` and `pending` tell `high`.
    const key = ((state.at * (this.#countTo + 1) + state.length) * 4 + pending) * 2 ** 21 + low;
    let id = this.#partials.get(key);
    if (id === undefined) this.#partials.set(key, (id = this.#intern({ ...state, mode, low, high, pending })));
    return id;
  }

  /** Any character may be spelled \uXXXX where any text will do; a pattern's characters only where they must be. */
  #highestHex(): number {
    return this.dfa === null ? 0xffff : 0x1f;
  }

  #escapeLive(state: TextState): boolean {
    if (this.dfa === null) return state.length < this.#max;
    return this.#rangeLive(state, 0, 0x1f) || this.#next(state, 0x22) !== null || this.#next(state, 0x5c) !== null;
  }

  #escape(state: TextState, byte: number): number {
    if (byte === 0x75) return this.#partial(state, HEX, 0, this.#highestHex(), 4);
    const char = ESCAPED[byte];
    if (char === undefined || (char === 0x2f && this.dfa !== null)) return STOP;
    return this.#char(state, char);
  }

  #hex(state: TextState, digit: number): number {
    const span = 16 ** (state.pending - 1);
    const base = state.low - (state.low % (span * 16)) + digit * span;
    const low = Math.max(base, state.low);
    const high = Math.min(base + span - 1, state.high);
    if (low > high) return STOP;
    if (state.mode === PAIR_HEX) {
      if (high < 0xdc00 || low > 0xdfff) return STOP;
      // Escaped pairs come where every text will do only, so any pair is as good as another.
      return state.pending === 1 ? this.#char({ ...state, low: 0, high: 0 }, 0x10000) : this.#intern({ ...state, low, high, pending: state.pending - 1 });
    }
    if (state.pending > 1) {
      if (low >= 0xdc00 && high <= 0xdfff) return STOP;
      return this.#partial(state, HEX, low, high, state.pending - 1);
    }
    if (low >= 0xdc00 && low <= 0xdfff) return STOP;
    if (low >= 0xd800 && low <= 0xdbff) return this.#pair(state);
    return this.#char(state, low);
  }

  /** A pair stands for a character that no excepted text may hold, or the exception could be spelled around. */
  #pair(state: TextState): number {
    if (state.except !== NO_NODE && [...this.#except[state.except].keys()].some((char) => char > 0xffff)) return STOP;
    return this.#intern({ ...state, mode: PAIR_BACKSLASH, low: 0, high: 0, pending: 0 });
  }

  #char(state: TextState, char: number): number {
    if (state.except !== NO_NODE) {
      const next = this.#next(state, char);
      return next === null ? STOP : this.#intern(next);
    }
    const at = this.dfa === null ? 0 : stepDfa(this.dfa, state.at, char);
    if (at < 0 || state.length >= this.#max) return STOP;
    const length = Math.min(state.length + 1, this.#countTo);
    return this.#lengths !== null && !this.#lengths.live(at, length) ? STOP : this.#internBorder(at, length);
  }

  #next(state: TextState, char: number): TextState | null {
    const at = this.dfa === null ? 0 : stepDfa(this.dfa, state.at, char);
    if (at < 0 || state.length >= this.#max) return null;
    const length = Math.min(state.length + 1, this.#countTo);
    if (this.#lengths !== null && !this.#lengths.live(at, length)) return null;
    const except = state.except === NO_NODE ? NO_NODE : (this.#except[state.except].get(char) ?? NO_NODE);
    return { mode: BORDER, at, length, except, low: 0, high: 0, pending: 0 };
  }

  #rangeLive(state: TextState, low: number, high: number): boolean {
    if (this.dfa === null) return state.length < this.#max;
    for (let char = low; char <= high; char = this.#segmentEnd(char) + 1) if (this.#next(state, char) !== null) return true;
    return false;
  }

  #segmentEnd(char: number): number {
    const { bounds } = this.dfa as Dfa;
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bounds[middle] > char) high = middle;
      else low = middle + 1;
    }
    return low < bounds.length ? bounds[low] - 1 : Infinity;
  }

  #ends({ at, length, except }: TextState): boolean {
    return length >= this.#min && (this.dfa === null || this.dfa.accepting[at] === 1) && !this.#exceptEnds.has(except);
  }

  accepts(id: number): boolean {
    const state = this.#states[id];
    return this.quoted ? state.mode === CLOSED : state.mode === BORDER && this.#ends(state);
  }

  isLast(id: number): boolean {
    const { mode, at, length } = this.#states[id];
    if (this.quoted || mode !== BORDER) return mode === CLOSED;
    if (length >= this.#max) return true;
    return this.dfa !== null && this.dfa.next.subarray(at * this.dfa.numClasses, (at + 1) * this.dfa.numClasses).every((target) => target < 0);
  }

  bytes(id: number): ByteSet {
    const { mode } = this.#states[id];
    return mode === BORDER && !this.quoted ? BARE_BYTES : MODE_BYTES[mode];
  }

  place(id: number): TextPlace | null {
    const { mode, at, length, except } = this.#states[id];
    return mode === BORDER ? { text: this, state: id, at, length, isExcepting: except !== NO_NODE } : null;
  }

  /** The state at a border, with `at` the pattern's. */
  border(at: number): number {
    return this.#internBorder(at, 0);
  }

  /** No length is too long or too short anywhere. */
  get isUnbounded(): boolean {
    return this.#max === Infinity && this.#lengths === null;
  }

  /** Any `chars` characters lead to where the same may follow as here. */
  isSteady({ at, length, isExcepting }: TextPlace, chars: number): boolean {
    return !isExcepting && length >= this.#min && length + chars <= this.#max && (this.dfa === null || isAbsorbing(this.dfa, at));
  }

  /** The bytes stay within the text, or end it. */
  canPass(from: number, bytes: Uint8Array): boolean {
    let state = from;
    for (let i = 0; i < bytes.length && state !== STOP && !this.isLast(state); i++) state = this.step(state, bytes[i]);
    return state !== STOP;
  }

  /** A text that has come to `at` within `length` characters can be completed. */
  isLive(at: number, length: number): boolean {
    return length <= this.#max && (this.#lengths === null || this.#lengths.live(at, Math.min(length, this.#countTo)));
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
