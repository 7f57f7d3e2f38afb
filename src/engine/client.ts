import { setMaxListeners } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Grammar } from '../grammar/grammar.ts';
import type { LoadOptions } from '../model/load.ts';
import { GenerationError, RequestError } from './request-error.ts';
import { checkRequest } from './request.ts';
import type { SamplingParams } from './sampling.ts';
import { decodeStep, MAX_GRAMMARS, Recent, type FromWorker, type NamedGrammar, type ToWorker, type WorkerSetup } from './wire.ts';

export { GenerationError, RequestError } from './request-error.ts';

/** A prompt to be continued. */
export interface GenerateRequest {
  readonly prompt: readonly number[] | Int32Array;
  readonly sampling: SamplingParams;
  /** What the output must be; it says where the text may end, whatever `ignoreEos` says. Requests that share the object share its masks. */
  readonly grammar?: Grammar;
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
  /** Whether the grammar left no other, one a token. Such a token is not judged by the model, its scores NaN, unless logprobs are asked for. */
  readonly forced: readonly boolean[];
  /** Prompt tokens found in the prefix cache; known from the first event on. */
  readonly numCachedTokens: number;
  /** Set on the last event. */
  readonly finishReason: FinishReason | null;
}

/** An event of a request that has said nothing. */
export const NOTHING: TokensEvent = { tokens: [], logprobs: null, legalMass: [], forced: [], numCachedTokens: 0, finishReason: null };

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
  /** Generated tokens that a grammar left no choice about. */
  readonly forcedTokens: number;
  /** Tokens computed ahead, and how many of them turned out right. */
  readonly draftedTokens: number;
  readonly acceptedDraftTokens: number;
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
  /** Why requests can't have a grammar; null where they can. */
  readonly grammarRefusal: string | null;
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
  /** Why nothing more can be generated; null while it can. */
  readonly failure: Error | null;
  /**
   * Throws RequestError at once where the request can never be served (too long, bad sampling values). Ending the
   * iteration early, or aborting the signal, aborts the request at the next step boundary and frees its blocks.
   * The iteration rejects with GenerationError where a grammar fails on the way.
   */
  generate(request: GenerateRequest, signal?: AbortSignal): AsyncIterable<TokensEvent>;
  stats(): EngineStats;
  /** Aborts what runs, stops the thread, frees the model. */
  close(): Promise<void>;
}

export interface EngineOptions extends Partial<Omit<LoadOptions, 'maxStepTokens' | 'maxStepEntries'>> {
  /** Requests that run at once. */
  readonly maxBatchSize: number;
  /** Tokens computed in one step: prompts are cut to what the running requests leave of it. */
  readonly tokenBudget: number;
  /** Longest prompt plus output of one request; null: what the checkpoint knows and the cache holds. */
  readonly maxModelLength: number | null;
  readonly prefixCaching: boolean;
  /** Tokens that the text so far or the grammar suggest are computed ahead and verified. Changes no token, only the speed. */
  readonly drafts: boolean;
  /** Tokens that a grammar leaves no choice about are appended, in the tokenizer's spelling, and not left to the sampler. */
  readonly forcing: boolean;
}

export const ENGINE_DEFAULTS: EngineOptions = { maxBatchSize: 64, tokenBudget: 512, maxModelLength: null, prefixCaching: true, drafts: true, forcing: true };

/** A thread needs a compiled file. Run from the sources, as tests are, the engine takes the one in dist/. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? '../../dist/src/engine/worker.js' : './worker.js', import.meta.url);

/** Time for the thread to end by itself, and for its termination. */
const CLOSE_MS = 5000;
const TERMINATE_MS = 1000;

/** Loads a checkpoint in a worker thread; rejects with the reason where it can't be served. */
export async function startEngine(
  directory: string,
  options: Partial<EngineOptions> = {},
  onProgress?: (fraction: number) => void,
): Promise<EngineClient> {
  const settings = { ...ENGINE_DEFAULTS, ...options };
  for (const name of ['maxBatchSize', 'tokenBudget'] as const) {
    const value = settings[name];
    if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} is ${value}; it must be an integer from 1 on`);
  }
  const setup: WorkerSetup = { directory, options: settings };
  // Flags of the process are about its own script (--input-type, --import).
  const client = new WorkerClient(new Worker(WORKER, { workerData: setup, execArgv: [] }), onProgress);
  await client.ready;
  return client;
}

class WorkerClient implements EngineClient {
  readonly ready: Promise<void>;
  readonly worker: Worker;
  readonly #streams = new Map<number, TokenStream>();
  /** By which names the worker knows them. */
  readonly #grammars = new Recent<Grammar, number>(MAX_GRAMMARS);
  #loaded: { readonly description: EngineDescription; stats: EngineStats } | null = null;
  #nextId = 0;
  /** Why nothing more can be generated. */
  #ended: Error | null = null;
  #closing: Promise<void> | null = null;

  constructor(worker: Worker, onProgress?: (fraction: number) => void) {
    this.worker = worker;
    this.ready = new Promise((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message instanceof Int32Array) return this.#receive(message);
        if (message.type === 'progress') return onProgress?.(message.fraction);
        this.#loaded = { description: message.description, stats: message.stats };
        this.worker.unref();
        resolve();
      });
      worker.on('error', (error) => {
        reject(error);
        this.#end(new Error(`The engine failed: ${error.message}`, { cause: error }));
      });
      worker.on('exit', (code) => {
        this.#end(new Error(`The engine's thread ended with code ${code}`));
        reject(this.#ended);
      });
    });
  }

  get description(): EngineDescription {
    return this.#loaded!.description;
  }

  get failure(): Error | null {
    return this.#ended;
  }

  stats(): EngineStats {
    return this.#loaded!.stats;
  }

  generate(request: GenerateRequest, signal?: AbortSignal): AsyncIterable<TokensEvent> {
    if (this.#ended !== null) throw this.#ended;
    const { grammar, ...plain } = request;
    checkRequest(request, this.description);
    const { grammarRefusal } = this.description;
    if (grammar !== undefined && grammarRefusal !== null) throw new RequestError(grammarRefusal, 'grammar');
    const id = this.#nextId++;
    const abort = (): void => this.#send({ type: 'abort', id });
    const stream = new TokenStream((isCut) => {
      signal?.removeEventListener('abort', abort);
      this.#streams.delete(id);
      if (isCut) abort();
      if (this.#streams.size === 0) this.worker.unref(); // an idle engine doesn't keep the process alive
    });
    if (this.#streams.size === 0) this.worker.ref();
    this.#streams.set(id, stream);
    this.#send({ type: 'add', id, request: plain, grammar: grammar === undefined ? null : this.#named(grammar, id) });
    if (signal?.aborted) abort();
    else if (signal !== undefined) listen(signal, abort);
    return stream;
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    if (this.#ended !== null) return;
    this.#ended = new Error('The engine is closed');
    for (const stream of this.#streams.values()) stream.push({ ...NOTHING, finishReason: 'abort' });
    const exit = new Promise<void>((resolve) => this.worker.once('exit', () => resolve()));
    this.#send({ type: 'close' });
    await orLater(exit, CLOSE_MS);
    await orLater(this.worker.terminate(), TERMINATE_MS);
  }

  #receive(words: Int32Array): void {
    const { stats, outputs } = decodeStep(words);
    this.#loaded!.stats = stats;
    for (const { id, error, ...event } of outputs) {
      if (error === null) this.#streams.get(id)?.push(event);
      else this.#streams.get(id)?.fail(new GenerationError(error));
    }
  }

  /** The worker gets a grammar once, and keeps the same ones as `#grammars` does. Named after the request that brings it. */
  #named(grammar: Grammar, id: number): NamedGrammar {
    const known = this.#grammars.get(grammar);
    if (known !== undefined) return { id: known, grammar: null };
    this.#grammars.set(grammar, id);
    return { id, grammar };
  }

  /** The thread has stopped or is about to: whoever waits is told why. */
  #end(reason: Error): void {
    this.#ended ??= reason;
    for (const stream of this.#streams.values()) stream.fail(this.#ended);
  }

  #send(message: ToWorker): void {
    this.worker.postMessage(message);
  }
}

/** One signal may end any number of requests; each takes its listener away at its end. */
function listen(signal: AbortSignal, abort: () => void): void {
  setMaxListeners(0, signal);
  signal.addEventListener('abort', abort, { once: true });
}

async function orLater(promise: Promise<unknown>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([promise, new Promise((resolve) => (timer = setTimeout(resolve, milliseconds)))]);
  clearTimeout(timer);
}

type Step = IteratorResult<TokensEvent, undefined>;

/** The events of a request until its last one, kept for a slow reader. */
class TokenStream implements AsyncIterableIterator<TokensEvent, undefined> {
  readonly #events: TokensEvent[] = [];
  readonly #readers: { resolve(step: Step): void; reject(error: Error): void }[] = [];
  #isOpen = true;
  #error: Error | null = null;
  /** Called once: `isCut` where the reader left before the last event. */
  readonly #onEnd: (isCut: boolean) => void;

  constructor(onEnd: (isCut: boolean) => void) {
    this.#onEnd = onEnd;
  }

  push(event: TokensEvent): void {
    const reader = this.#readers.shift();
    if (reader === undefined) this.#events.push(event);
    else reader.resolve({ value: event, done: false });
    if (event.finishReason !== null) this.#end(false);
  }

  fail(error: Error): void {
    const reader = this.#readers.shift();
    if (reader === undefined) this.#error = error;
    else reader.reject(error);
    this.#end(false);
  }

  next(): Promise<Step> {
    const event = this.#events.shift();
    if (event !== undefined) return Promise.resolve({ value: event, done: false });
    if (this.#error !== null) {
      const error = this.#error;
      this.#error = null;
      return Promise.reject(error);
    }
    if (!this.#isOpen) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  return(): Promise<Step> {
    this.#events.length = 0;
    this.#error = null;
    this.#end(true);
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(isCut: boolean): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const reader of this.#readers.splice(0)) reader.resolve({ value: undefined, done: true });
    this.#onEnd(isCut);
  }
}
