import type { FinishReason, GenerateRequest } from './client.ts';
import { ROOT, type ChainLink } from './kv-cache.ts';
import { RequestError } from './request-error.ts';
import { checkSampling, FORCED_SCORES, type OutputToken, type SamplingParams } from './sampling.ts';

/** Constrains what a request may say. It sees every output token once, in order, except the one that stops the request. */
export interface Matcher {
  /** Why nothing more can be said, where that is the matcher's own fault. */
  readonly error: Error | null;
  /** Sets the bits of the tokens that may come next and clears the others: bit i of word w is token 32·w + i. */
  fillMask(mask: Int32Array): void;
  /** False where the token was not allowed: the request then ends with `abort`. */
  accept(token: number): boolean;
  /** Tokens that must come next whatever the model thinks of them; the engine accepts each like a sampled one. */
  forcedTokens(): readonly number[];
}

export interface RequestLimits {
  readonly vocabSize: number;
  /** Longest prompt plus output of one request. */
  readonly maxModelLength: number;
}

/**
 * A sequence that grows. There are no phases: every step brings `numComputedTokens` closer to `numTokens`, be the
 * difference a prompt, a part of it, one sampled token, forced ones, or everything after a preemption.
 *
 *   tokens    |  prompt  |  output      | in flight |
 *             |  computed (cached first)  |  to compute |
 */
export class Request {
  readonly id: number;
  readonly promptLength: number;
  readonly sampling: SamplingParams;
  readonly matcher: Matcher | null;
  /** Tokens it can reach, prompt included. */
  readonly lengthLimit: number;
  /** Only requests with equal keys share cached blocks. */
  readonly cacheKey: string;

  /** Known here. One more may be in flight: sampled on the device and not read yet. */
  readonly tokens: number[];
  numInFlight: 0 | 1 = 0;
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

  constructor(id: number, request: GenerateRequest, lengthLimit: number, cacheKey: string, matcher: Matcher | null) {
    this.id = id;
    this.tokens = Array.from(request.prompt);
    this.promptLength = this.tokens.length;
    this.sampling = request.sampling;
    this.lengthLimit = lengthLimit;
    this.cacheKey = cacheKey;
    this.matcher = matcher;
  }

  get numTokens(): number {
    return this.tokens.length + this.numInFlight;
  }

  /** The token that reaches the limit is never computed: nothing follows it. */
  get numUncomputedTokens(): number {
    return this.numTokens < this.lengthLimit ? this.numTokens - this.numComputedTokens : 0;
  }

  /** The tokens that may come next, for a constrained request. */
  fillMask(mask: Int32Array): void {
    if (this.forced.length === 0) return this.matcher?.fillMask(mask);
    mask.fill(0);
    mask[this.forced[0] >> 5] = 1 << (this.forced[0] & 31);
  }

  /** Appends a sampled token and those that it forces; any of them may end the request: see `finishReason`. */
  append(output: OutputToken, eosTokenIds: readonly number[]): void {
    const forced = this.forced.shift() !== undefined;
    this.#append({ ...output, forced }, eosTokenIds);
    if (!forced) this.force(eosTokenIds);
  }

  /** Appends what must come next, or has it sampled. */
  force(eosTokenIds: readonly number[]): void {
    if (this.matcher === null || this.finishReason !== null) return;
    const tokens = this.matcher.forcedTokens();
    if (this.sampling.logprobs !== null) this.forced.push(...tokens);
    else for (const token of tokens) if (this.finishReason === null) this.#append({ token, forced: true, ...FORCED_SCORES }, eosTokenIds);
  }

  #append(output: OutputToken, eosTokenIds: readonly number[]): void {
    const { token } = output;
    const { stopTokenIds, ignoreEos } = this.sampling;
    if (this.matcher !== null && this.matcher.error !== null) return this.#fail(this.matcher.error); // the mask it was drawn under means nothing
    this.tokens.push(token);
    this.unreported.push(output);
    if (stopTokenIds.includes(token)) this.finishReason = 'stop';
    // A grammar says itself where the text may end.
    else if ((!ignoreEos || this.matcher !== null) && eosTokenIds.includes(token)) this.finishReason = 'stop';
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
