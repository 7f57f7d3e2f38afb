/** What crosses between the main thread and the engine's: objects now and then, one Int32Array a step. */
import type { Grammar } from '../grammar/grammar.ts';
import type { EngineDescription, EngineOptions, EngineStats, FinishReason, GenerateRequest, TokenLogprobs } from './client.ts';
import type { EngineOutput } from './engine.ts';

export interface WorkerSetup {
  readonly directory: string;
  readonly options: EngineOptions;
}

export type ToWorker =
  | { readonly type: 'add'; readonly id: number; readonly request: Omit<GenerateRequest, 'grammar'>; readonly grammar: NamedGrammar | null }
  | { readonly type: 'abort'; readonly id: number }
  | { readonly type: 'close' };

export type FromWorker =
  | { readonly type: 'progress'; readonly fraction: number }
  | { readonly type: 'ready'; readonly description: EngineDescription; readonly stats: EngineStats }
  | Int32Array<ArrayBuffer>;

/** A grammar by its number; itself where the worker does not have it. */
export interface NamedGrammar {
  readonly id: number;
  readonly grammar: Grammar | null;
}

/** Grammars that both sides keep. */
export const MAX_GRAMMARS = 32;

/** The last `size` entries that were used. Two of them that see the same uses hold the same. */
export class Recent<K, V> {
  readonly #entries = new Map<K, V>();
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.#size) for (const oldest of this.#entries.keys()) return void this.#entries.delete(oldest);
  }
}

const STATS = [
  'numRequestsRunning',
  'numRequestsWaiting',
  'cacheUsage',
  'numBlocks',
  'blockSize',
  'promptTokens',
  'cachedPromptTokens',
  'generatedTokens',
  'forcedTokens',
  'draftedTokens',
  'acceptedDraftTokens',
  'preemptions',
  'steps',
  'prefixCacheQueries',
  'prefixCacheHits',
] as const satisfies readonly (keyof EngineStats)[];

const FINISH_REASONS: readonly (FinishReason | null)[] = [null, 'stop', 'length', 'abort'];

/**
 * Words: the statistics as float64 (two words each), then for each output
 *   id, finish reason, numCachedTokens, has logprobs, length of the error (−1: none) and its UTF-16 codes, number of tokens, and for each token
 *     token, forced, legalMass, and with logprobs: logprob, number of alternatives, pairs of token and logprob.
 * Masses and log-probabilities are float64, NaN included.
 */
export function encodeStep(stats: EngineStats, outputs: readonly EngineOutput[]): Int32Array<ArrayBuffer> {
  const words: number[] = [];
  const float = new Float64Array(1);
  const halves = new Int32Array(float.buffer);
  const putFloat = (value: number): void => {
    float[0] = value;
    words.push(halves[0], halves[1]);
  };
  for (const name of STATS) putFloat(stats[name]);
  for (const { id, tokens, logprobs, legalMass, forced, numCachedTokens, finishReason, error } of outputs) {
    words.push(id, FINISH_REASONS.indexOf(finishReason), numCachedTokens, logprobs === null ? 0 : 1);
    words.push(error === null ? -1 : error.length, ...Array.from({ length: error?.length ?? 0 }, (_, i) => error!.charCodeAt(i)));
    words.push(tokens.length);
    tokens.forEach((token, i) => {
      words.push(token, forced[i] ? 1 : 0);
      putFloat(legalMass[i]);
      if (logprobs === null) return;
      putFloat(logprobs[i].logprob);
      words.push(logprobs[i].top.length);
      for (const [alternative, logprob] of logprobs[i].top) {
        words.push(alternative);
        putFloat(logprob);
      }
    });
  }
  return Int32Array.from(words);
}

export function decodeStep(words: Int32Array): { stats: EngineStats; outputs: EngineOutput[] } {
  let at = 0;
  const float = new Float64Array(1);
  const halves = new Int32Array(float.buffer);
  const take = (): number => words[at++];
  const takeFloat = (): number => {
    halves[0] = take();
    halves[1] = take();
    return float[0];
  };
  const takeLogprobs = (): TokenLogprobs => {
    const logprob = takeFloat();
    const top = Array.from({ length: take() }, () => [take(), takeFloat()] as const);
    return { logprob, top };
  };
  const stats = Object.fromEntries(STATS.map((name) => [name, takeFloat()])) as Record<(typeof STATS)[number], number>;
  const outputs: EngineOutput[] = [];
  while (at < words.length) {
    const [id, finish, numCachedTokens, hasLogprobs, errorLength] = [take(), take(), take(), take(), take()];
    const error = errorLength < 0 ? null : String.fromCharCode(...Array.from({ length: errorLength }, take));
    const numTokens = take();
    const tokens: number[] = [];
    const legalMass: number[] = [];
    const forced: boolean[] = [];
    const logprobs: TokenLogprobs[] = [];
    for (let i = 0; i < numTokens; i++) {
      tokens.push(take());
      forced.push(take() === 1);
      legalMass.push(takeFloat());
      if (hasLogprobs) logprobs.push(takeLogprobs());
    }
    const finishReason = FINISH_REASONS[finish];
    outputs.push({ id, tokens, logprobs: hasLogprobs ? logprobs : null, legalMass, forced, numCachedTokens, finishReason, error });
  }
  return { stats, outputs };
}
