/** The arguments of calls as Python writes them, `f(city='Bern', days=[1, 2])`: to JSON as they stream, and back. */
import { jsonTokens } from './json.ts';

type Mode = 'keyword' | 'value' | 'key' | 'colon' | 'next' | 'string' | 'word' | 'end';

const WORDS: Readonly<Record<string, string>> = { True: 'true', False: 'false', None: 'null', true: 'true', false: 'false', null: 'null' };
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/u;
const CLOSING: Readonly<Record<string, string>> = { '[': ']', '(': ')', '{': '}' };
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', a: '\u0007', v: '\u000b', 0: '\0', '\\': '\\', "'": "'", '"': '"', '/': '/', '\n': '' };
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/**
 * Reads keyword arguments, from behind the opening parenthesis to the closing one, as one JSON object. It reads on from `position`
 * of the text that it is shown, which may end anywhere.
 */
export class PythonArguments {
  /** Behind what was read of the text. */
  position = 0;
  state: 'incomplete' | 'complete' | 'malformed' = 'incomplete';
  #mode: Mode = 'keyword';
  /** What closes the brackets that are open, the innermost last. */
  readonly #closing = [')'];
  /** A comma is written once something follows it: Python allows one at the end. */
  #comma = '';
  /** A keyword, a number or a literal being read. */
  #word = '';
  #quote = '';
  #escape: string | null = null;
  #afterString: Mode = 'next';
  #json = '{';

  /** The JSON that became certain. */
  advance(text: string): string {
    while (this.state === 'incomplete' && this.position < text.length) {
      const char = String.fromCodePoint(text.codePointAt(this.position) as number);
      if (/^[\uD800-\uDBFF]$/u.test(char) && this.position + 1 === text.length) break; // the other half is to come
      if (!this.#read(char)) this.state = 'malformed';
      else if (this.#mode === 'end') this.state = 'complete';
    }
    const json = this.#json;
    this.#json = '';
    return json;
  }

  /** False where the character is out of place. */
  #read(char: string): boolean {
    if (this.#mode === 'string') return this.#skip(char) && this.#string(char);
    if (this.#mode === 'word' && /[\w.+-]/u.test(char)) return this.#letter(char);
    if (this.#mode === 'word') return this.#endWord();
    if (this.#mode === 'keyword' && /\w/u.test(char)) return this.#letter(char);
    if (/\s/u.test(char)) return this.#skip(char);
    if (char === this.#closing.at(-1) && this.#canClose()) return this.#skip(char) && this.#close();
    switch (this.#mode) {
      case 'keyword':
        return char === '=' && this.#word !== '' && this.#skip(char) && this.#write(`${JSON.stringify(this.#takeWord())}: `, 'value');
      case 'colon':
        return char === ':' && this.#skip(char) && this.#write(': ', 'value');
      case 'next':
        return char === ',' && this.#skip(char) && this.#nextItem();
      case 'key':
        return (char === '"' || char === "'") && this.#skip(char) && this.#openString(char, 'colon');
      default:
        return this.#value(char);
    }
  }

  #skip(char: string): true {
    this.position += char.length;
    return true;
  }

  #letter(char: string): true {
    this.#word += char;
    return this.#skip(char);
  }

  #takeWord(): string {
    const word = this.#word;
    this.#word = '';
    return word;
  }

  #write(json: string, next: Mode): true {
    this.#json += this.#comma + json;
    this.#comma = '';
    this.#mode = next;
    return true;
  }

  #canClose(): boolean {
    if (this.#mode === 'keyword') return this.#word === '';
    if (this.#mode === 'value') return this.#closing.length > 1 && this.#closing.at(-1) !== '}';
    return this.#mode === 'next' || this.#mode === 'key';
  }

  #close(): true {
    const closing = this.#closing.pop();
    this.#comma = '';
    const last = this.#closing.length === 0;
    return this.#write(last || closing === '}' ? '}' : ']', last ? 'end' : 'next');
  }

  #nextItem(): true {
    this.#comma = ', ';
    this.#mode = this.#closing.length === 1 ? 'keyword' : this.#closing.at(-1) === '}' ? 'key' : 'value';
    return true;
  }

  #value(char: string): boolean {
    if (char === '"' || char === "'") return this.#skip(char) && this.#openString(char, 'next');
    if (char in CLOSING) {
      this.#closing.push(CLOSING[char]);
      return this.#skip(char) && this.#write(char === '{' ? '{' : '[', char === '{' ? 'key' : 'value');
    }
    this.#mode = 'word';
    return /[\w-]/u.test(char);
  }

  #endWord(): boolean {
    const word = this.#takeWord();
    const json = WORDS[word] ?? (NUMBER.test(word) ? word : null);
    return json !== null && this.#write(json, 'next');
  }

  #openString(quote: string, then: Mode): true {
    this.#quote = quote;
    this.#afterString = then;
    return this.#write('"', 'string');
  }

  #string(char: string): boolean {
    if (this.#escape !== null) return this.#escaped(this.#escape + char);
    if (char === '\n') return false;
    if (char === '\\') this.#escape = '';
    else if (char === this.#quote) this.#write('"', this.#afterString);
    else this.#json += inJson(char);
    return true;
  }

  /** A letter, or the digits of a code point. */
  #escaped(escape: string): boolean {
    const digits = HEX_DIGITS[escape[0]] ?? 0;
    if (escape.length > 1 && !/[\dA-Fa-f]$/u.test(escape)) return false;
    this.#escape = escape.length <= digits ? escape : null;
    if (this.#escape !== null) return true;
    if (digits === 0) {
      this.#json += inJson(ESCAPES[escape] ?? `\\${escape}`);
      return true;
    }
    const code = Number.parseInt(escape.slice(1), 16);
    if (code > 0x10ffff) return false;
    // Halves of pairs stay escapes, so that two of them make a character.
    this.#json += code >= 0xd800 && code <= 0xdfff ? `\\u${code.toString(16)}` : inJson(String.fromCodePoint(code));
    return true;
  }
}

/** Text as it stands within a JSON string. */
const inJson = (text: string): string => JSON.stringify(text).slice(1, -1);

/** A JSON object as keyword arguments; null where it is none. Numbers stay as they are written. */
export function pythonArguments(json: string): string | null {
  const tokens = jsonTokens(json);
  if (tokens?.[0] !== '{') return null;
  let depth = 0;
  let python = '';
  tokens.forEach((token, index) => {
    if (token === '}' || token === ']') depth--;
    if (depth > 0) python += pythonToken(token, depth, tokens[index + 1]);
    if (token === '{' || token === '[') depth++;
  });
  return python;
}

function pythonToken(token: string, depth: number, next: string | undefined): string {
  if (token.startsWith('"')) return depth === 1 && next === ':' ? (JSON.parse(token) as string) : pythonString(JSON.parse(token) as string);
  if (token === ':') return depth === 1 ? '=' : ': ';
  if (token === ',') return ', ';
  return { true: 'True', false: 'False', null: 'None' }[token] ?? token;
}

const pythonString = (text: string): string => `'${inJson(text).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
