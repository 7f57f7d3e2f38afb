/** Guesses what a request says next, so that several tokens of it can be computed in one step: see Request.drafts. */
import type { Draft, Request } from './request.ts';

/** Rows of a step up to which one more costs little: the weights are read once for all. Only they are drafted for. */
export const DRAFT_ROWS = 32;
/** Guesses in a row; forced tokens between them don't count. */
const MOST_GUESSES = 16;
const LEAST_GUESSES = 2;
const FIRST_GUESSES = 4;
/** Tokens before a place in the text that must be the same for its continuation to be a guess, at least and after failures. */
const LEAST_CONTEXT = 2;
const MOST_CONTEXT = 8;
/** Earlier places looked at. */
const MOST_PLACES = 24;

/** Looks a request's next tokens up in its own text, prompt included, and along its grammar. */
export class Drafter {
  readonly #request: Request;
  readonly #index: PairIndex;
  /** Guesses made at once: more after they were right. */
  #most = FIRST_GUESSES;
  /** Context asked for: more after they were wrong, so that text which repeats nothing is left alone. */
  #context = LEAST_CONTEXT;

  constructor(request: Request) {
    this.#request = request;
    this.#index = new PairIndex(request.tokens);
  }

  /** What came of drafts that were put to the test: the first `numRight` were right. */
  learn(tested: readonly Draft[], numRight: number): void {
    const guesses = (end: number): number => tested.slice(0, end).filter(({ forced }) => !forced).length;
    const [made, right] = [guesses(tested.length), guesses(numRight)];
    if (right < made) this.#most = Math.max(LEAST_GUESSES, right + 1);
    else if (made >= this.#most) this.#most = Math.min(MOST_GUESSES, 2 * made);
    if (right > 0) this.#context = Math.max(LEAST_CONTEXT, this.#context - right);
    else if (made > 0) this.#context = Math.min(MOST_CONTEXT, this.#context + 1);
  }

  /** Tokens that may follow the known ones. The matcher goes along and comes back. */
  propose(): Draft[] {
    const { tokens, matcher, forced, endTokens } = this.#request;
    this.#index.update();
    const drafts: Draft[] = [];
    const text = tokens.slice(-MOST_CONTEXT);
    let accepted = 0;
    const take = (token: number, isForced: boolean): boolean => {
      if (endTokens.includes(token) || (matcher !== null && !matcher.accept(token))) return false;
      accepted++;
      text.push(token);
      drafts.push({ token, forced: isForced });
      return true;
    };
    const isLegal = (token: number): boolean => {
      if (matcher === null) return true;
      const isTaken = matcher.accept(token);
      if (isTaken) matcher.rollback(1);
      return isTaken;
    };
    let source = 0;
    const takeForced = (forced: readonly number[]): boolean =>
      forced.every((token) => {
        source = source > 0 && tokens[source] === token ? source + 1 : 0;
        return take(token, true);
      });
    let goesOn = takeForced(forced);
    for (let guesses = 0; goesOn && guesses < this.#most && drafts.length < DRAFT_ROWS; guesses++) {
      // Goes on copying where it copied before, as long as that fits.
      if (source === 0 || source >= tokens.length || !isLegal(tokens[source])) source = this.#index.find(text, this.#context, isLegal);
      goesOn = source > 0 && take(tokens[source++], false) && takeForced(this.#request.forcedTokens());
    }
    if (matcher !== null) matcher.rollback(accepted);
    return drafts;
  }
}

const SLOTS = 1 << 12;

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

  /** The place after the longest match of the end of `text`, of at least `least` tokens, where what stands there is allowed; 0 for none. */
  find(text: readonly number[], least: number, isAllowed: (token: number) => boolean): number {
    const tokens = this.#tokens;
    if (text.length < 2) return 0;
    let best = 0;
    let longest = least - 1;
    let place = this.#last[slotOf(text[text.length - 2], text[text.length - 1])];
    for (let i = 0; i < MOST_PLACES && place > 0 && longest < MOST_CONTEXT; i++, place = this.#before[place]) {
      let length = 0;
      while (length < MOST_CONTEXT && length < text.length && length < place && tokens[place - 1 - length] === text[text.length - 1 - length]) length++;
      if (length <= longest || !isAllowed(tokens[place])) continue;
      longest = length;
      best = place;
    }
    return best;
  }
}

const slotOf = (first: number, second: number): number => (Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b)) >>> 20;
