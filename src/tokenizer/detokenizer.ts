import type { Tokenizer } from './tokenizer.ts';

export interface DetokenizerOptions {
  /** Text that ends the output; it is not part of it. */
  readonly stop?: readonly string[];
  readonly skipSpecialTokens?: boolean;
  /** Special tokens that are shown all the same: tags that a parser reads. */
  readonly keep?: ReadonlySet<number>;
}

/**
 * Text of a growing list of tokens. What may still change is held back: the head of a character whose bytes are not all
 * there, and the head of what may become a stop string. Feeding tokens one by one or many at a time gives the same text.
 */
export class Detokenizer {
  /** The stop string that ended the text. */
  stopped: string | null = null;
  readonly #tokenizer: Tokenizer;
  readonly #stop: readonly string[];
  readonly #skip: boolean;
  readonly #keep: ReadonlySet<number> | undefined;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #held = '';
  #released = 0;

  constructor(tokenizer: Tokenizer, options: DetokenizerOptions = {}) {
    this.#tokenizer = tokenizer;
    this.#stop = options.stop ?? [];
    this.#skip = options.skipSpecialTokens ?? true;
    this.#keep = options.keep;
  }

  /** Characters decoded so far: where the text of the next token begins. */
  get decodedLength(): number {
    return this.#released + this.#held.length;
  }

  /** Characters given out so far. */
  get releasedLength(): number {
    return this.#released;
  }

  /** What this token makes certain. Nothing more comes once a stop string was met. */
  push(token: number): string {
    if (this.stopped !== null || !this.#shows(token)) return '';
    return this.#advance(this.#decoder.decode(this.#tokenizer.tokenBytes(token), { stream: true }));
  }

  /** The rest, when no more tokens come. */
  finish(): string {
    if (this.stopped !== null) return '';
    const text = this.#advance(this.#decoder.decode());
    return this.stopped === null ? text + this.#release(this.#held.length) : text;
  }

  #shows(token: number): boolean {
    return !this.#skip || !this.#tokenizer.isSpecial(token) || this.#keep?.has(token) === true;
  }

  #advance(text: string): string {
    if (text === '') return '';
    this.#held += text;
    const match = firstMatch(this.#held, this.#stop);
    if (match === null) return this.#release(this.#held.length - partialMatch(this.#held, this.#stop));
    this.stopped = match.stop;
    const released = this.#release(match.start);
    this.#held = '';
    return released;
  }

  #release(length: number): string {
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    this.#released += length;
    return text;
  }
}

/** The match that is complete first, so that it does not matter in which pieces the text came. */
function firstMatch(text: string, stops: readonly string[]): { start: number; stop: string } | null {
  let best: { start: number; stop: string } | null = null;
  for (const stop of stops) {
    const start = text.indexOf(stop);
    if (start < 0) continue;
    const end = start + stop.length;
    const bestEnd = best === null ? Infinity : best.start + best.stop.length;
    if (end < bestEnd || (end === bestEnd && best !== null && start < best.start)) best = { start, stop };
  }
  return best;
}

/** Length of the longest tail of the text that begins one of the strings. */
export function partialMatch(text: string, strings: readonly string[]): number {
  let longest = 0;
  for (const string of strings) {
    for (let length = Math.min(string.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(string.slice(0, length))) longest = length;
    }
  }
  return longest;
}
