import { ApiError } from './errors.ts';

/** How many answers may be in the making at once, those waiting in the engine included. */
export class Admission {
  readonly #limit: number;
  #count = 0;
  #meanSeconds = 1;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Returns what to call at the end, once or more often. */
  enter(answers: number): () => void {
    if (answers > this.#limit) {
      throw new ApiError(400, `The request asks for ${answers} answers, but this server makes at most ${this.#limit} at a time`, { param: 'n' });
    }
    if (this.#count + answers > this.#limit) {
      const seconds = Math.min(60, Math.max(1, Math.ceil(this.#meanSeconds)));
      throw new ApiError(429, `${this.#count} requests are being served, and ${this.#limit} is the limit: try again in ${seconds} s`, {
        code: 'rate_limit_exceeded',
        headers: { 'retry-after': String(seconds) },
      });
    }
    this.#count += answers;
    const start = performance.now();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#count -= answers;
      this.#meanSeconds += (((performance.now() - start) / 1000) - this.#meanSeconds) / 8;
    };
  }
}
