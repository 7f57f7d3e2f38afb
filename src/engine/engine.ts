import type { Model, StepLimits } from '../model/transformer.ts';
import type { EngineOptions, EngineStats, GenerateRequest, TokensEvent } from './client.ts';
import { BlockPool } from './kv-cache.ts';
import { checkRequest, lengthLimitOf, Request, type Matcher, type RequestLimits } from './request.ts';
import { ModelRunner, type Runner } from './runner.ts';
import { decodeResult } from './sampling.ts';
import { Scheduler, type SampleEntry, type SchedulerOptions } from './scheduler.ts';
import { DRAFT_ROWS, Odds, type Spelling } from './speculate.ts';

export interface EngineShape extends SchedulerOptions, RequestLimits {
  readonly numBlocks: number;
  readonly blockSize: number;
  readonly eosTokenIds: readonly number[];
  readonly drafts: boolean;
  readonly forcing: boolean;
  /** See DraftTerms. */
  readonly spelling: Spelling | null;
  /** See Model.ropeClass. */
  readonly ropeClass: (length: number) => number;
}

/** What one step made known of the request with this id. */
export interface EngineOutput extends TokensEvent {
  readonly id: number;
  /** Why it was aborted, where nobody asked for that. */
  readonly error: string | null;
}

export type Emit = (outputs: readonly EngineOutput[]) => void;

/** What the model must be loaded for. */
export function stepLimits({ maxBatchSize, tokenBudget }: Pick<EngineOptions, 'maxBatchSize' | 'tokenBudget'>): StepLimits {
  return { maxStepTokens: tokenBudget, maxStepEntries: Math.max(maxBatchSize, DRAFT_ROWS) };
}

/** An engine for a loaded model. */
export function engineOver(model: Model, options: EngineOptions, emit: Emit, spelling: Spelling | null = null): Engine {
  const { numBlocks, blockSize } = model.cache;
  const maxModelLength = options.maxModelLength ?? model.maxPositions;
  if (!Number.isInteger(maxModelLength) || maxModelLength < 2 || maxModelLength > model.maxPositions) {
    throw new RangeError(
      `maxModelLength is ${maxModelLength}; a checkpoint of ${model.config.maxPositions} positions and ` +
        `a cache of ${numBlocks * blockSize} tokens allow 2 to ${model.maxPositions}`,
    );
  }
  const { vocabSize, eosTokenIds } = model.config;
  const ropeClass = (length: number): number => model.ropeClass(length);
  const shape = { ...options, maxModelLength, numBlocks, blockSize, vocabSize, eosTokenIds, spelling, ropeClass };
  return new Engine(new ModelRunner(model, shape), shape, emit);
}

/**
 * Tokens in, tokens out. The caller steps it while it `hasWork`, and adds and aborts between steps.
 * `emit` gets what each step made known, while the device computes the next.
 */
export class Engine {
  readonly #runner: Runner;
  readonly #shape: EngineShape;
  readonly #emit: Emit;
  readonly scheduler: Scheduler;
  readonly #requests = new Map<number, Request>();
  /** Sampled in the step before, not read yet. */
  #inFlight: readonly SampleEntry[] = [];
  /** Requests of which something is to be reported. */
  readonly #changed = new Set<Request>();
  readonly #odds = new Odds();
  #steps = 0;
  #generatedTokens = 0;
  #forcedTokens = 0;
  #acceptedDraftTokens = 0;

  constructor(runner: Runner, shape: EngineShape, emit: Emit) {
    this.#runner = runner;
    this.#shape = shape;
    this.#emit = emit;
    this.scheduler = new Scheduler(new BlockPool(shape.numBlocks, shape.blockSize), shape);
  }

  /** Throws RequestError where the request can never be served. */
  add(id: number, request: GenerateRequest, matcher: Matcher | null = null): void {
    checkRequest(request, this.#shape);
    const limit = lengthLimitOf(request, this.#shape);
    const key = `${this.#shape.ropeClass(limit)}/${request.cacheSalt ?? ''}`;
    const { eosTokenIds, drafts, forcing, vocabSize, spelling } = this.#shape;
    const added = new Request(id, request, { lengthLimit: limit, cacheKey: key, eosTokenIds, forcing, drafts: drafts ? { vocabSize, spelling, odds: this.#odds } : null }, matcher);
    this.#requests.set(id, added);
    this.scheduler.add(added);
    added.force();
    if (added.finishReason !== null) this.#finish(added);
  }

  /** Ends the request now, and says so in the next step. */
  abort(id: number): void {
    const request = this.#requests.get(id);
    if (request === undefined) return;
    request.finishReason = 'abort';
    this.#finish(request);
  }

  get maxModelLength(): number {
    return this.#shape.maxModelLength;
  }

  get hasWork(): boolean {
    return this.#requests.size > 0 || this.#inFlight.length > 0 || this.#changed.size > 0;
  }

  /**
   * Step N. Its forward is enqueued before the tokens of step N−1 are known here: the device has them. What follows is done
   * while it computes; only who is still running then, and has nothing left to compute, is sampled.
   */
  step(): void {
    this.#steps++;
    const plan = this.scheduler.schedule();
    if (plan.numTokens > 0) this.#runner.forward(plan);
    this.#acceptTokens();
    this.#emit(this.#takeOutputs());
    const entries = this.scheduler.settle(plan);
    if (entries.length > 0) this.#runner.sample(entries);
    for (const { request } of entries) request.numInFlight = request.numComputedTokens - request.tokens.length + 1;
    this.#inFlight = entries;
    const { running } = this.scheduler;
    if (running.length < DRAFT_ROWS) for (const request of running) request.draft(); // else there is no room for drafts
    if (!this.hasWork) this.scheduler.pool.count();
  }

  /** Reads the tokens of step N−1. */
  #acceptTokens(): void {
    if (this.#inFlight.length === 0) return;
    const results = this.#runner.read();
    const entries = this.#inFlight;
    for (let start = 0, end = 0; start < entries.length; start = end) {
      const { request } = entries[start];
      while (entries[end]?.request === request) end++;
      if (request.state === 'finished') continue; // aborted since
      const samples = entries.slice(start, end).map(({ position }, i) => ({ position, output: decodeResult(results, start + i, request.sampling.logprobs ?? 0) }));
      this.#acceptedDraftTokens += request.accept(samples);
      this.#changed.add(request);
      if (request.finishReason !== null) this.#finish(request);
    }
  }

  #finish(request: Request): void {
    this.scheduler.finish(request);
    this.#requests.delete(request.id);
    this.#changed.add(request);
  }

  #takeOutputs(): EngineOutput[] {
    const outputs = Array.from(this.#changed, (request): EngineOutput => {
      const tokens = request.unreported;
      request.unreported = [];
      this.#generatedTokens += tokens.length;
      for (const { forced } of tokens) if (forced) this.#forcedTokens++;
      return {
        id: request.id,
        tokens: tokens.map(({ token }) => token),
        logprobs: request.sampling.logprobs === null ? null : tokens.map(({ logprob, top }) => ({ logprob, top })),
        legalMass: tokens.map(({ legalMass }) => legalMass),
        forced: tokens.map(({ forced }) => forced),
        numCachedTokens: request.numCachedTokens ?? 0,
        finishReason: request.finishReason,
        error: request.error,
      };
    });
    this.#changed.clear();
    return outputs;
  }

  stats(): EngineStats {
    const { pool, running, waiting, promptTokens, cachedPromptTokens, preemptions } = this.scheduler;
    return {
      numRequestsRunning: running.length,
      numRequestsWaiting: waiting.length,
      cacheUsage: pool.numUsed / pool.numBlocks,
      numBlocks: pool.numBlocks,
      blockSize: pool.blockSize,
      promptTokens,
      cachedPromptTokens,
      generatedTokens: this.#generatedTokens,
      forcedTokens: this.#forcedTokens,
      draftedTokens: this.scheduler.draftedTokens,
      acceptedDraftTokens: this.#acceptedDraftTokens,
      preemptions,
      steps: this.#steps,
      prefixCacheQueries: this.scheduler.prefixCacheQueries,
      prefixCacheHits: this.scheduler.prefixCacheHits,
    };
  }
}
