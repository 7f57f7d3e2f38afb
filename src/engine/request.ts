import type { FinishReason, GenerateRequest } from './client.ts';
import { ROOT, type ChainLink } from './kv-cache.ts';
import { RequestError } from './request-error.ts';
import { checkSampling, FORCED_SCORES, type OutputToken, type SamplingParams } from './sampling.ts';
import { Drafter, type DraftTerms } from './speculate.ts';

/** Constrains what a request may say. It sees every output token once, in order, except the one that stops the request. */
export interface Matcher {
  /** Why nothing more can be said, where that is the matcher's own fault. */
  readonly error: Error | null;
  /** Sets the bits of the tokens that may come next and clears the others: bit i of word w is token 32·w + i. */
  fillMask(mask: Int32Array): void;
  /** False where the token was not allowed, and nothing has changed. */
  accept(token: number): boolean;
  /** Takes back the last tokens, and an error with them. */
  rollback(count: number): void;
  /** Tokens that must come next whatever the model thinks of them; the engine accepts each like a sampled one. */
  forcedTokens(): readonly number[];
  /** There is one way on, whatever tokens spell it. */
  readonly isForced: boolean;
}

export interface RequestLimits {
  readonly vocabSize: number;
  /** Longest prompt plus output of one request. */
  readonly maxModelLength: number;
}

/** What a request becomes in an engine. */
export interface RequestTerms {
  /** Tokens it can reach, prompt included. */
  readonly lengthLimit: number;
  /** Only requests with equal keys share cached blocks. */
  readonly cacheKey: string;
  readonly eosTokenIds: readonly number[];
  /** Tokens that the matcher forces are not left to the sampler. */
  readonly forcing: boolean;
  /** Null where nothing is drafted. */
  readonly drafts: DraftTerms | null;
}

/** A token drawn after the one at `position`. */
export interface Sample {
  readonly position: number;
  readonly output: OutputToken;
}

/** A token that is expected, or that the grammar leaves no other for, given those before it. */
export interface Draft {
  readonly token: number;
  readonly forced: boolean;
}

/**
 * A sequence that grows. There are no phases: every step brings `numComputedTokens` closer to `numTokens`, be the
 * difference a prompt, a part of it, one sampled token, forced or drafted ones, or everything after a preemption.
 *
 *   tokens    |  prompt  |  output      | in flight | drafted |
 *             |  computed (cached first)  |  to compute |
 *
 * Drafts are computed as if they were known. Then a token is drawn after each of them, and those count that follow right drafts;
 * what was computed beyond is computed again. So drafts change no token, whatever they are (`forced` must be true, though).
 */
export class Request {
  readonly id: number;
  readonly promptLength: number;
  readonly sampling: SamplingParams;
  readonly matcher: Matcher | null;
  readonly lengthLimit: number;
  readonly cacheKey: string;
  /** Tokens that end it. */
  readonly endTokens: readonly number[];
  readonly #forcing: boolean;

  /** Known here. More may be in flight: sampled on the device and not read yet; of more than one it is not known how many will count. */
  readonly tokens: number[];
  numInFlight = 0;
  /** Expected to follow `tokens`, in flight or not. */
  drafts: readonly Draft[] = [];
  readonly #drafter: Drafter | null;
  /** Whose keys and values are in the cache once the steps enqueued so far have run. */
  numComputedTokens = 0;

  state: 'waiting' | 'running' | 'finished' = 'waiting';
  finishReason: FinishReason | null = null;
  /** Why it was aborted, where nobody asked for that. */
  error: string | null = null;
  /** Prompt tokens found in the prefix cache at first admission; null before. */
  numCachedTokens: number | null = null;
  /** Tokens that must come next but are sampled all the same, as the only legal ones, since their log-probabilities are wanted. */
  readonly forced: number[] = [];
  /** Output tokens that no event has reported yet. */
  unreported: OutputToken[] = [];

  /** Batch row, fixed from admission to preemption or end. */
  row = -1;
  readonly blocks: number[] = [];
  /** Leading blocks that other requests can find, and the last link of their chain. */
  numPublishedBlocks = 0;
  chain: ChainLink = ROOT;
  /** How much of `tokens` and `blocks` the device's tables hold in this row. */
  numSentTokens = 0;
  numSentBlocks = 0;

  constructor(id: number, request: GenerateRequest, terms: RequestTerms, matcher: Matcher | null) {
    this.id = id;
    this.tokens = Array.from(request.prompt);
    this.promptLength = this.tokens.length;
    this.sampling = request.sampling;
    this.lengthLimit = terms.lengthLimit;
    this.cacheKey = terms.cacheKey;
    // A grammar says itself where the text may end.
    this.endTokens = [...this.sampling.stopTokenIds, ...(this.sampling.ignoreEos && matcher === null ? [] : terms.eosTokenIds)];
    this.#forcing = terms.forcing;
    this.matcher = matcher;
    this.#drafter = terms.drafts && new Drafter(this, terms.drafts);
  }

  get numTokens(): number {
    return this.tokens.length + this.numInFlight;
  }

  /** The token that reaches the limit is never computed: nothing follows it. Nor is anything until it is known what it follows. */
  get numUncomputedTokens(): number {
    return this.numTokens < this.lengthLimit && this.numInFlight < 2 ? this.numTokens - this.numComputedTokens : 0;
  }

  /** Drafts that can be computed after all other tokens. */
  get numDraftedTokens(): number {
    return Math.max(0, Math.min(this.drafts.length - this.numInFlight, this.lengthLimit - 1 - this.numTokens));
  }

  /** The tokens that may come after the first `ahead` drafts, for a constrained request. */
  fillMask(matcher: Matcher, mask: Int32Array, ahead: number): void {
    const forced = ahead === 0 ? this.forced[0] : this.drafts[ahead]?.forced ? this.drafts[ahead].token : undefined;
    if (forced !== undefined) {
      mask.fill(0);
      mask[forced >> 5] = 1 << (forced & 31);
      return;
    }
    if (ahead === 0) return matcher.fillMask(mask);
    const hasFailed = matcher.error !== null;
    let accepted = 0;
    while (accepted < ahead && matcher.accept(this.drafts[accepted].token)) accepted++;
    matcher.fillMask(mask);
    // A mask that can't be had ahead is left to the step that needs it.
    if (accepted < ahead || matcher.error !== null) this.numComputedTokens = Math.min(this.numComputedTokens, this.tokens.length - 1 + ahead);
    if (!hasFailed) matcher.rollback(accepted);
  }

  /**
   * Appends what was sampled after the last known token and after drafts in flight, as far as those were right. Returns the number of
   * right ones.
   */
  accept(samples: Iterable<Sample>): number {
    const { tokens, drafts } = this;
    const numKnown = tokens.length;
    const numTested = this.numInFlight - 1;
    let numRight = 0;
    this.numInFlight = 0;
    for (const { position, output } of samples) {
      if (this.finishReason !== null || tokens.length > numKnown + numRight) break;
      if (position < tokens.length - 1) continue; // what follows was forced
      const ahead = tokens.length - numKnown;
      if (ahead > 0 && this.forced.length > 0 && drafts[ahead]?.forced !== true) break; // it was not known that it is forced
      this.append(output);
      while (numRight < numTested && tokens[numKnown + numRight] === drafts[numRight].token) numRight++;
    }
    const said = tokens.slice(numKnown);
    const end = said.findIndex((token, i) => drafts[i]?.token !== token);
    const numExpected = end < 0 ? said.length : end;
    this.drafts = end < 0 ? drafts.slice(said.length) : [];
    // A single token in flight has been computed as what it is since, drafts after it perhaps with it. After drafts in flight nothing has:
    // where no token after the last right one counts, that one is computed again, to draw once more.
    if (numTested > 0) this.numComputedTokens = Math.min(this.numComputedTokens, numKnown + numRight, tokens.length - 1);
    else if (end >= 0) this.numComputedTokens = Math.min(this.numComputedTokens, numKnown + Math.max(1, end));
    this.#drafter?.learn(said, numExpected);
    return numRight;
  }

  /** Looks ahead, unless it is not known what was said last. */
  draft(): void {
    if (this.#drafter !== null && this.numInFlight < 2 && this.matcher?.error == null) this.drafts = this.#drafter.propose();
  }

  /** Appends a sampled token and those that it forces; any of them may end the request: see `finishReason`. */
  append(output: OutputToken): void {
    const forced = this.forced.shift() !== undefined;
    this.#append({ ...output, forced });
    if (!forced) this.force();
  }

  /** Appends what must come next, or has it sampled. */
  force(): void {
    if (this.finishReason !== null) return;
    const tokens = this.forcedTokens();
    if (this.sampling.logprobs !== null) this.forced.push(...tokens);
    else for (const token of tokens) if (this.finishReason === null) this.#append({ token, forced: true, ...FORCED_SCORES });
  }

  forcedTokens(): readonly number[] {
    return this.matcher !== null && this.#forcing ? this.matcher.forcedTokens() : [];
  }

  #append(output: OutputToken): void {
    const { token } = output;
    if (this.matcher !== null && this.matcher.error !== null) return this.#fail(this.matcher.error); // the mask it was drawn under means nothing
    this.tokens.push(token);
    this.unreported.push(output);
    if (this.endTokens.includes(token)) this.finishReason = 'stop';
    else if (this.matcher !== null && !this.matcher.accept(token)) this.#fail(this.matcher.error ?? new Error(`token ${token} was drawn, which the grammar does not allow`));
    else if (this.tokens.length >= this.lengthLimit) this.finishReason = 'length';
  }

  #fail({ message }: Error): void {
    this.finishReason = 'abort';
    this.error = message;
  }
}

/** Tokens a request can reach. */
export function lengthLimitOf(request: GenerateRequest, limits: RequestLimits): number {
  return Math.min(request.prompt.length + request.sampling.maxTokens, limits.maxModelLength);
}

/** Throws RequestError where the request can never be served. */
export function checkRequest(request: GenerateRequest, limits: RequestLimits): void {
  const { prompt } = request;
  if (prompt.length === 0) throw new RequestError('The prompt is empty; it needs at least one token', 'prompt');
  if (prompt.length >= limits.maxModelLength) {
    throw new RequestError(
      `The prompt has ${prompt.length} tokens; prompt and output together may have ${limits.maxModelLength}, ` +
        `so the prompt at most ${limits.maxModelLength - 1}`,
      'prompt',
    );
  }
  for (let i = 0; i < prompt.length; i++) {
    const token = prompt[i];
    if (!Number.isInteger(token) || token < 0 || token >= limits.vocabSize) {
      throw new RequestError(`prompt[${i}] is ${token}; token ids are integers from 0 to ${limits.vocabSize - 1}`, 'prompt');
    }
  }
  checkSampling(request.sampling, limits.vocabSize);
}
