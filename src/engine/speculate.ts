/** Guesses what a request says next, so that several tokens of it can be computed in one step: see Request.drafts. */
import type { Draft, Matcher, Request } from './request.ts';

/** Rows of a step up to which one more costs little: the weights are read once for all. Only they are drafted for. */
export const DRAFT_ROWS = 32;
/** Chance, that a draft and all before it are right, from which on it is worth its row. */
const WORTH = 0.25;
/** Tokens before a place in the text that are compared. */
const MOST_CONTEXT = 8;
/** Earlier places looked at. */
const MOST_PLACES = 24;
/** Where the grammar allows no more tokens than these, there are few ways on: names, numbers, what stands between them. */
const FEW_TOKENS = 64;
/** Tokens of a name up to which it must be clear. */
const MOST_NAME_TOKENS = 6;
/** Bytes of a word, and of what follows it where it stood before. */
const MOST_WORD_BYTES = 32;
const ECHO_BYTES = 32;

/** How tokens are spelled; a vocabulary is. */
export interface Spelling {
  bytesOf(token: number): Uint8Array | null;
  encode(text: string): number[] | null;
}

/** Ways to guess: by tokens that were the same before (2 to MOST_CONTEXT), and these. */
const NAME = 0;
const ECHO = 1;
const LONGEST = 9;
const FIRST_NAME = 10;
/** Added where a guess goes on from the one before. */
const GOING_ON = 11;

/** How often each way to guess has been right of late, in all requests of an engine. */
export class Odds {
  readonly #rates = new Float64Array(2 * GOING_ON).fill(0.5);

  of(way: number): number {
    return this.#rates[way];
  }

  learn(way: number, isRight: boolean): void {
    this.#rates[way] += ((isRight ? 1 : 0) - this.#rates[way]) / 16;
  }
}

/** What an engine knows that drafts need. */
export interface DraftTerms {
  readonly vocabSize: number;
  readonly odds: Odds;
  /** Null where spellings are not known. */
  readonly spelling: Spelling | null;
}

/** Looks a request's next tokens up in its own text, prompt included, and along its grammar. */
export class Drafter {
  readonly #request: Request;
  readonly #index: PairIndex;
  readonly #echo: Echo | null;
  readonly #spelling: Spelling | null;
  readonly #mask: Int32Array;
  readonly #odds: Odds;
  /** Made last, the one that was not worth a row included. */
  #guesses: { readonly ahead: number; readonly token: number; readonly way: number }[] = [];
  /** By number of drafts before it: where the names that the grammar allowed there end in the text, by their first token. */
  readonly #choices = new Map<number, ReadonlyMap<number, number>>();
  /** The end of the last name that was chosen. The next one is looked for from here on: mostly they come in the order they were declared in. */
  #declared = 0;

  constructor(request: Request, { spelling, vocabSize, odds }: DraftTerms) {
    this.#request = request;
    this.#odds = odds;
    this.#index = new PairIndex(request.tokens);
    this.#spelling = request.matcher === null ? null : spelling;
    this.#echo = this.#spelling && new Echo(request.tokens.slice(), this.#spelling);
    this.#mask = new Int32Array(request.matcher === null ? 0 : Math.ceil(vocabSize / 32));
  }

  /** What was said instead, of which the first `numRight` tokens were drafted. */
  learn(said: readonly number[], numRight: number): void {
    for (const [ahead, ends] of this.#choices) if (ahead <= numRight) this.#declared = ends.get(said[ahead]) ?? this.#declared;
    for (const { ahead, token, way } of this.#guesses) if (ahead <= numRight && ahead < said.length) this.#odds.learn(way, said[ahead] === token);
  }

  /** Tokens that may follow the known ones. The matcher goes along and comes back. */
  propose(): Draft[] {
    const { tokens, matcher, forced, endTokens } = this.#request;
    this.#index.update();
    this.#choices.clear();
    this.#guesses = [];
    const drafts: Draft[] = [];
    const text = tokens.slice(-MOST_CONTEXT);
    let source: readonly number[] = [];
    let accepted = 0;
    const take = (token: number, isForced: boolean): boolean => {
      if (endTokens.includes(token) || (matcher !== null && !matcher.accept(token))) return false;
      accepted++;
      source = source[0] === token ? source.slice(1) : [];
      text.push(token);
      drafts.push({ token, forced: isForced });
      return true;
    };
    let goesOn = forced.every((token) => take(token, true));
    let way = NAME;
    for (let chance = 1; goesOn && drafts.length < DRAFT_ROWS; ) {
      // Goes on copying what it copied before, as long as that fits.
      if (source.length > 0 && isLegal(matcher, source[0])) way = way < GOING_ON ? way + GOING_ON : way;
      else [way, source] = this.#find(text, drafts.length);
      if (source.length === 0) break;
      chance *= this.#odds.of(way);
      this.#guesses.push({ ahead: drafts.length, token: source[0], way });
      goesOn = chance >= WORTH && take(source[0], false) && this.#request.forcedTokens().every((token) => take(token, true));
    }
    if (matcher !== null) matcher.rollback(accepted);
    return drafts;
  }

  /** What may follow `text`, and how that was guessed. */
  #find(text: readonly number[], ahead: number): [way: number, tokens: readonly number[]] {
    const { matcher } = this.#request;
    if (matcher === null) return this.#index.find(text, () => true);
    matcher.fillMask(this.#mask);
    const few = setBits(this.#mask, FEW_TOKENS);
    const name = few === null ? [] : this.#nextName(matcher, ahead);
    if (name.length > 0) return [this.#declared > 0 ? NAME : FIRST_NAME, name];
    const copied = this.#index.find(text, (token) => this.#allows(token));
    if (copied[1].length > 0) return copied;
    const echoed = this.#echo?.after(text) ?? [];
    if (echoed.length > 0 && this.#allows(echoed[0])) return [ECHO, echoed];
    return [LONGEST, few === null ? [] : this.#longest(few)];
  }

  /** The first name that the grammar allows (a tool's, a key, a listed value) after the last one: what leaves no choice in the end. */
  #nextName(matcher: Matcher, ahead: number): readonly number[] {
    const { tokens } = this.#request;
    const ends = new Map<number, number>();
    let best = 0;
    for (let i = 0; i < tokens.length && ends.size < MOST_PLACES; i++) {
      const place = (this.#declared + i) % tokens.length;
      if (!this.#allows(tokens[place]) || ends.has(tokens[place]) || !this.#isWord(tokens[place])) continue;
      let end = place;
      while (end < place + MOST_NAME_TOKENS && end < tokens.length && !matcher.isForced && matcher.accept(tokens[end])) end++;
      if (matcher.isForced && end > place) {
        ends.set(tokens[place], end);
        if (best === 0) best = place;
      }
      matcher.rollback(end - place);
    }
    this.#choices.set(ahead, ends);
    return best > 0 ? tokens.slice(best, ends.get(tokens[best])) : [];
  }

  /** Among few tokens the one that says most. */
  #longest(few: readonly number[]): readonly number[] {
    let longest: readonly number[] = [];
    let most = 1;
    for (const token of few) {
      const length = this.#spelling?.bytesOf(token)?.length ?? 0;
      if (length > most) [most, longest] = [length, [token]];
    }
    return longest;
  }

  #allows(token: number): boolean {
    return ((this.#mask[token >> 5] >> (token & 31)) & 1) === 1;
  }

  #isWord(token: number): boolean {
    const first = this.#spelling?.bytesOf(token)?.[0];
    return first === undefined || isLetter(first);
  }
}

function isLegal(matcher: Matcher | null, token: number): boolean {
  if (matcher === null) return true;
  const isTaken = matcher.accept(token);
  if (isTaken) matcher.rollback(1);
  return isTaken;
}

/** The tokens of a mask; null where they are more than `most`. */
function setBits(mask: Int32Array, most: number): number[] | null {
  const tokens: number[] = [];
  for (let word = 0; word < mask.length; word++) {
    for (let bits = mask[word]; bits !== 0; bits &= bits - 1) {
      if (tokens.length === most) return null;
      tokens.push(32 * word + 31 - Math.clz32(bits & -bits));
    }
  }
  return tokens;
}

const isLetter = (byte: number): boolean => (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x5f || (byte >= 0x80 && byte < 0xff);
const isInWord = (byte: number): boolean => isLetter(byte) || (byte >= 0x30 && byte <= 0x39);

/** Finds words of the prompt again, however they were split into tokens. */
class Echo {
  readonly #tokens: readonly number[];
  readonly #spelling: Spelling;
  #prompt: Buffer | null = null;

  constructor(tokens: readonly number[], spelling: Spelling) {
    this.#tokens = tokens;
    this.#spelling = spelling;
  }

  /** What followed the last word of `text`, or a word that begins so, where it stood last in the prompt. */
  after(text: readonly number[]): readonly number[] {
    this.#prompt ??= Buffer.concat(this.#tokens.map((token) => this.#spelling.bytesOf(token) ?? new Uint8Array(0)));
    const said = Buffer.concat(text.map((token) => this.#spelling.bytesOf(token) ?? new Uint8Array(0)));
    let start = said.length;
    while (start > 0 && isInWord(said[start - 1])) start--;
    const word = said.subarray(start);
    if (word.length === 0 || word.length > MOST_WORD_BYTES) return [];
    let at = this.#prompt.lastIndexOf(word);
    while (at > 0 && isInWord(this.#prompt[at - 1])) at = this.#prompt.lastIndexOf(word, at - 1);
    if (at < 0) return [];
    const echo = this.#spelling.encode(this.#prompt.toString('utf8', at, at + word.length + ECHO_BYTES)) ?? [];
    let spelled = 0;
    const next = echo.findIndex((token) => {
      if (spelled >= word.length) return true;
      spelled += this.#spelling.bytesOf(token)?.length ?? 0;
      return false;
    });
    return spelled === word.length && next > 0 ? echo.slice(next, -1) : []; // the last one may be cut
  }
}

const SLOTS = 1 << 12;
const COPIED = 32;

/** Where each pair of tokens stood last in a text that grows, and before that: chains as in deflate. */
class PairIndex {
  readonly #tokens: readonly number[];
  /** By hash of a pair: the place after it; 0 for none. */
  readonly #last = new Int32Array(SLOTS);
  /** By place: the one before with the same hash. */
  readonly #before: number[] = [0, 0];

  constructor(tokens: readonly number[]) {
    this.#tokens = tokens;
  }

  /** Takes in what the text has grown by. */
  update(): void {
    const tokens = this.#tokens;
    for (let place = this.#before.length; place < tokens.length; place++) {
      const slot = slotOf(tokens[place - 2], tokens[place - 1]);
      this.#before.push(this.#last[slot]);
      this.#last[slot] = place;
    }
  }

  /** What follows the longest match of the end of `text`, of two tokens at least, where that begins with what is allowed. */
  find(text: readonly number[], isAllowed: (token: number) => boolean): [length: number, tokens: readonly number[]] {
    const tokens = this.#tokens;
    let best = 0;
    let longest = 1;
    let place = this.#last[slotOf(text[text.length - 2], text[text.length - 1])];
    for (let i = 0; i < MOST_PLACES && place > 0 && longest < MOST_CONTEXT; i++, place = this.#before[place]) {
      let length = 0;
      while (length < MOST_CONTEXT && length < text.length && length < place && tokens[place - 1 - length] === text[text.length - 1 - length]) length++;
      if (length <= longest || !isAllowed(tokens[place])) continue;
      longest = length;
      best = place;
    }
    return [longest, best > 0 ? tokens.slice(best, best + COPIED) : []];
  }
}

const slotOf = (first: number, second: number): number => (Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b)) >>> 20;
