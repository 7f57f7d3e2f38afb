import type { SamplingParams } from './sampling.ts';

/** A prompt to be continued. */
export interface GenerateRequest {
  readonly prompt: readonly number[] | Int32Array;
  readonly sampling: SamplingParams;
  /** Requests with different salts never share cached blocks (tenants). */
  readonly cacheSalt?: string;
}

export type FinishReason = 'stop' | 'length' | 'abort';

export interface TokenLogprobs {
  readonly logprob: number;
  /** Pairs of token id and log-probability, falling. */
  readonly top: readonly (readonly [number, number])[];
}

/** What one step made known of a request. */
export interface TokensEvent {
  readonly tokens: readonly number[];
  /** One a token, where SamplingParams.logprobs asked for them. */
  readonly logprobs: readonly TokenLogprobs[] | null;
  /** Share of the model's own probability that the grammar let through, one a token. */
  readonly legalMass: readonly number[];
  /** Prompt tokens found in the prefix cache; known from the first event on. */
  readonly numCachedTokens: number;
  /** Set on the last event. */
  readonly finishReason: FinishReason | null;
}

/** Counters and gauges of the engine since it started. */
export interface EngineStats {
  readonly numRequestsRunning: number;
  readonly numRequestsWaiting: number;
  /** Share of cache blocks in use by requests, 0..1. */
  readonly cacheUsage: number;
  readonly numBlocks: number;
  readonly blockSize: number;
  readonly promptTokens: number;
  readonly cachedPromptTokens: number;
  readonly generatedTokens: number;
  readonly preemptions: number;
  readonly steps: number;
  readonly prefixCacheQueries: number;
  readonly prefixCacheHits: number;
}

/** What the engine is, once it is ready. */
export interface EngineDescription {
  readonly vocabSize: number;
  /** Longest prompt plus output of one request, in tokens. */
  readonly maxModelLength: number;
  readonly eosTokenIds: readonly number[];
  readonly backend: string;
  readonly backendDescription: string;
  readonly numBlocks: number;
  readonly blockSize: number;
  readonly weightBytes: number;
  readonly cacheBytes: number;
}

/** The main thread's handle on an engine that runs in a worker thread. */
export interface EngineClient {
  readonly description: EngineDescription;
  /**
   * Throws RequestError at once where the request can never be served (too long, bad sampling values). Ending the
   * iteration early, or aborting the signal, aborts the request at the next step boundary and frees its blocks.
   */
  generate(request: GenerateRequest, signal?: AbortSignal): AsyncIterable<TokensEvent>;
  stats(): EngineStats;
  /** Aborts what runs, stops the thread, frees the model. */
  close(): Promise<void>;
}

