/** ECMAScript regular expressions without look-around → syntax trees over code points. */
import { CLASS_ESCAPES, DOT, charSet, complement, union, unicodeProperty } from './charset.ts';
import type { CharSet } from './charset.ts';

export type RegexNode =
  | { readonly kind: 'chars'; readonly set: CharSet }
  | { readonly kind: 'sequence'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'choice'; readonly options: readonly RegexNode[] }
  | { readonly kind: 'repeat'; readonly body: RegexNode; readonly min: number; readonly max: number }
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  /** Look-ahead, where it stands at the very beginning of the pattern. */
  | { readonly kind: 'ahead'; readonly body: RegexNode; readonly negative: boolean };

/** The pattern is not a regular expression, or uses what can't be enforced. */
export class RegexError extends Error {
  override name = 'RegexError';
}

const CONTROL_ESCAPES: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, '0': 0 };
const MAX_DEPTH = 200;
export const MAX_PATTERN_LENGTH = 20_000;

export function parseRegex(pattern: string): RegexNode {
  if (pattern.length > MAX_PATTERN_LENGTH) throw new RegexError(`has ${pattern.length} characters; ${MAX_PATTERN_LENGTH} are allowed`);
  return new RegexParser(pattern).parse();
}

class RegexParser {
  readonly #text: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#text = Array.from(pattern);
  }

  parse(): RegexNode {
    const node = this.#choice();
    if (this.#at < this.#text.length) throw new RegexError(`unmatched ) at ${this.#at}`);
    return node;
  }

  #peek(ahead = 0): string {
    return this.#text[this.#at + ahead] ?? '';
  }

  #take(expected: string): boolean {
    for (let i = 0; i < expected.length; i++) if (this.#peek(i) !== expected[i]) return false;
    this.#at += expected.length;
    return true;
  }

  #choice(): RegexNode {
    if (++this.#depth > MAX_DEPTH) throw new RegexError(`groups nest deeper than ${MAX_DEPTH}`);
    const options = [this.#sequence()];
    while (this.#take('|')) options.push(this.#sequence());
    this.#depth--;
    return options.length === 1 ? options[0] : { kind: 'choice', options };
  }

  #sequence(): RegexNode {
    const parts: RegexNode[] = [];
    while (this.#at < this.#text.length && this.#peek() !== '|' && this.#peek() !== ')') parts.push(this.#quantified());
    return parts.length === 1 ? parts[0] : { kind: 'sequence', parts };
  }

  #quantified(): RegexNode {
    let node = this.#atom();
    for (;;) {
      const bounds = this.#bounds();
      if (bounds === null) return node;
      if (node.kind === 'start' || node.kind === 'end' || node.kind === 'ahead') throw new RegexError('nothing to repeat before a quantifier');
      this.#take('?');
      node = { kind: 'repeat', body: node, min: bounds[0], max: bounds[1] };
      if (this.#bounds() !== null) throw new RegexError('two quantifiers in a row');
    }
  }

  #bounds(): readonly [number, number] | null {
    if (this.#take('*')) return [0, Infinity];
    if (this.#take('+')) return [1, Infinity];
    if (this.#take('?')) return [0, 1];
    if (this.#peek() !== '{') return null;
    const match = /^\{(\d{1,9})(,(\d{1,9})?)?\}/.exec(this.#text.slice(this.#at, this.#at + 24).join(''));
    if (match === null) return null;
    this.#at += match[0].length;
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === undefined ? Infinity : Number(match[3]);
    if (min > max) throw new RegexError(`{${min},${max}} counts down`);
    return [min, max];
  }

  #atom(): RegexNode {
    const char = this.#text[this.#at++];
    switch (char) {
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '.':
        return { kind: 'chars', set: DOT };
      case '[':
        return { kind: 'chars', set: this.#class() };
      case '(':
        return this.#group();
      case '\\':
        return { kind: 'chars', set: this.#escape(false) };
      case '*':
      case '+':
      case '?':
        throw new RegexError(`nothing to repeat before ${char}`);
      default:
        return { kind: 'chars', set: single(char) };
    }
  }

  #group(): RegexNode {
    let ahead: 'positive' | 'negative' | null = null;
    if (this.#take('?:')) ahead = null;
    else if (this.#take('?=')) ahead = 'positive';
    else if (this.#take('?!')) ahead = 'negative';
    else if (this.#peek() === '?' && this.#peek(1) === '<' && this.#peek(2) !== '=' && this.#peek(2) !== '!') {
      while (this.#at < this.#text.length && this.#peek() !== '>') this.#at++;
      this.#at++;
    } else if (this.#peek() === '?') throw new RegexError('look-behind and inline flags are not supported');
    const body = this.#choice();
    if (!this.#take(')')) throw new RegexError('unmatched (');
    // A group may be repeated, an assertion on its own may not.
    return ahead === null ? { kind: 'sequence', parts: [body] } : { kind: 'ahead', body, negative: ahead === 'negative' };
  }

  #class(): CharSet {
    const negative = this.#take('^');
    const sets: CharSet[] = [];
    while (this.#peek() !== ']') {
      if (this.#at >= this.#text.length) throw new RegexError('unmatched [');
      const low = this.#classAtom();
      if (this.#peek() !== '-' || this.#peek(1) === ']' || this.#peek(1) === '') {
        sets.push(low);
        continue;
      }
      this.#at++;
      const high = this.#classAtom();
      if (!isSingle(low) || !isSingle(high)) sets.push(low, high, single('-'));
      else if (low[0] > high[0]) throw new RegexError(`range ${String.fromCodePoint(low[0])}-${String.fromCodePoint(high[0])} counts down`);
      else sets.push([low[0], high[0]]);
    }
    this.#at++;
    const set = union(...sets);
    return negative ? complement(set) : set;
  }

  #classAtom(): CharSet {
    const char = this.#text[this.#at++];
    return char === '\\' ? this.#escape(true) : single(char);
  }

  #escape(inClass: boolean): CharSet {
    const char = this.#text[this.#at++];
    if (char === undefined) throw new RegexError('a \\ at the end');
    if (char in CLASS_ESCAPES) return CLASS_ESCAPES[char];
    if (char === 'b' && inClass) return [8, 8];
    if (char === 'b' || char === 'B') throw new RegexError('word boundaries (\\b, \\B) are not supported');
    if (char === 'k' || /[1-9]/.test(char)) throw new RegexError('back references are not supported');
    if (char === '0' && /[0-9]/.test(this.#peek())) throw new RegexError('octal escapes are not supported');
    if (char in CONTROL_ESCAPES) return [CONTROL_ESCAPES[char], CONTROL_ESCAPES[char]];
    if (char === 'c' && /[A-Za-z]/.test(this.#peek())) return single(String.fromCharCode(this.#text[this.#at++].charCodeAt(0) & 31));
    if (char === 'x') return this.#hex(2);
    if (char === 'u') return this.#unicode();
    if (char === 'p' || char === 'P') return this.#property(char === 'P');
    if (/[A-Za-z]/.test(char)) throw new RegexError(`\\${char} is not an escape`);
    return single(char);
  }

  #hex(digits: number): CharSet {
    const text = this.#text.slice(this.#at, this.#at + digits).join('');
    if (text.length !== digits || !/^[0-9a-fA-F]+$/.test(text)) throw new RegexError('a broken hexadecimal escape');
    this.#at += digits;
    const value = Number.parseInt(text, 16);
    return [value, value];
  }

  #unicode(): CharSet {
    if (this.#peek() === '{') {
      const end = this.#text.indexOf('}', this.#at);
      const value = Number.parseInt(this.#text.slice(this.#at + 1, end).join(''), 16);
      if (end < 0 || !(value <= 0x10ffff)) throw new RegexError('a broken \\u{...}');
      this.#at = end + 1;
      return [value, value];
    }
    const [value] = this.#hex(4);
    if (value < 0xd800 || value > 0xdbff || this.#peek() !== '\\' || this.#peek(1) !== 'u') return [value, value];
    this.#at += 2;
    const [low] = this.#hex(4);
    const pair = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
    return [pair, pair];
  }

  #property(negative: boolean): CharSet {
    const end = this.#text.indexOf('}', this.#at);
    const name = this.#peek() === '{' && end > 0 ? this.#text.slice(this.#at + 1, end).join('') : '';
    const set = unicodeProperty(name);
    if (set === null) throw new RegexError(`\\p{${name}} is not a Unicode property`);
    this.#at = end + 1;
    return negative ? complement(set) : set;
  }
}

const single = (char: string): CharSet => {
  const codePoint = char.codePointAt(0) as number;
  return charSet([[codePoint, codePoint]]);
};

const isSingle = (set: CharSet): boolean => set.length === 2 && set[0] === set[1];
