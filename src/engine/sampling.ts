import { MAX_TOP_LOGPROBS, SAMPLE_ENTRY, SAMPLE_PARAMS, SAMPLE_RESULT } from '../backend/backend.ts';
import { RequestError } from './request-error.ts';

/** How the next token of a request is drawn. Everything is in tokens: strings belong to the callers. */
export interface SamplingParams {
  /** 0: greedy. */
  readonly temperature: number;
  /** 0: off. */
  readonly topK: number;
  /** 1: off. */
  readonly topP: number;
  /** 0: off. */
  readonly minP: number;
  /** 1: off. Over prompt and output. */
  readonly repetitionPenalty: number;
  /** Over output. */
  readonly presencePenalty: number;
  /** Over output. */
  readonly frequencyPenalty: number;
  /** Pairs of token id and addend. */
  readonly logitBias: readonly (readonly [number, number])[];
  /** An integer of up to 53 bits. */
  readonly seed: number;
  /** Ends the request; the token itself is reported, with finishReason `stop`. */
  readonly stopTokenIds: readonly number[];
  /** End-of-sequence tokens of the model do not end the request. */
  readonly ignoreEos: boolean;
  readonly maxTokens: number;
  /** How many alternatives to report with each token, 0..20; null: not even the token's own log-probability is needed. */
  readonly logprobs: number | null;
}

export const GREEDY: SamplingParams = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: [],
  seed: 0,
  stopTokenIds: [],
  ignoreEos: false,
  maxTokens: 16,
  logprobs: null,
};

/** What the model thought of an output token. Of tokens that were forced it is not asked unless logprobs are wanted: NaN. */
export interface TokenScores {
  readonly logprob: number;
  /** Share of the model's own probability that the mask let through. */
  readonly legalMass: number;
  /** Pairs of token id and log-probability, falling. */
  readonly top: readonly (readonly [number, number])[];
}

export const FORCED_SCORES: TokenScores = { logprob: NaN, legalMass: NaN, top: [] };

export interface OutputToken extends TokenScores {
  readonly token: number;
  /** The grammar left no other. */
  readonly forced: boolean;
}

/** Pairs of `logitBias` that one request may have. */
export const MAX_LOGIT_BIAS = 1024;

/** Throws RequestError, naming parameter, value and what is allowed. */
export function checkSampling(params: SamplingParams, vocabSize: number): void {
  const check = (parameter: string, value: unknown, isAllowed: boolean, allowed: string): void => {
    if (!isAllowed) throw new RequestError(`${parameter} is ${String(value)}; allowed is ${allowed}`, parameter);
  };
  const isToken = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < vocabSize;
  const aToken = `a token id from 0 to ${vocabSize - 1}`;

  const { temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty } = params;
  check('temperature', temperature, Number.isFinite(temperature) && temperature >= 0, 'a number from 0 on');
  check('topK', topK, Number.isInteger(topK) && topK >= 0, 'an integer from 0 (off) on');
  check('topP', topP, topP > 0 && topP <= 1, 'a number above 0 and up to 1 (off)');
  check('minP', minP, minP >= 0 && minP <= 1, 'a number from 0 (off) to 1');
  check('repetitionPenalty', repetitionPenalty, Number.isFinite(repetitionPenalty) && repetitionPenalty > 0, 'a number above 0 (1: off)');
  check('presencePenalty', presencePenalty, Number.isFinite(presencePenalty), 'a finite number (0: off)');
  check('frequencyPenalty', frequencyPenalty, Number.isFinite(frequencyPenalty), 'a finite number (0: off)');

  const { logitBias, seed, stopTokenIds, maxTokens, logprobs } = params;
  check('logitBias', `${logitBias.length} pairs`, logitBias.length <= MAX_LOGIT_BIAS, `at most ${MAX_LOGIT_BIAS} pairs`);
  for (const [token, bias] of logitBias) {
    check('logitBias', `for token ${token}`, isToken(token), aToken);
    check('logitBias', `${bias} for token ${token}`, Number.isFinite(bias), 'a finite number');
  }
  check('seed', seed, Number.isSafeInteger(seed), 'an integer of up to 53 bits');
  for (const token of stopTokenIds) check('stopTokenIds', token, isToken(token), aToken);
  check('maxTokens', maxTokens, Number.isSafeInteger(maxTokens) && maxTokens >= 1, 'an integer from 1 on');
  const isCount = logprobs === null || (Number.isInteger(logprobs) && logprobs >= 0 && logprobs <= MAX_TOP_LOGPROBS);
  check('logprobs', logprobs, isCount, `null or an integer from 0 to ${MAX_TOP_LOGPROBS}`);
}

/** One row of `SampleArgs.params`. */
export function encodeParams(params: SamplingParams, out: Float32Array, index: number): void {
  SAMPLE_PARAMS.forEach((name, column) => (out[index * SAMPLE_PARAMS.length + column] = params[name]));
}

/** A row of `SampleArgs.entries`, by column. */
export type EntryValues = Readonly<Record<(typeof SAMPLE_ENTRY)[number], number>>;

export function encodeEntry(values: EntryValues, out: Int32Array, index: number): void {
  SAMPLE_ENTRY.forEach((name, column) => (out[index * SAMPLE_ENTRY.length + column] = values[name]));
}

/** A row of `SampleArgs.result`. */
export function decodeResult(result: Float32Array, index: number, topLogprobs: number): OutputToken {
  const start = index * SAMPLE_RESULT;
  const [token, logprob, legalMass] = result.subarray(start, start + 3);
  const top: [number, number][] = [];
  for (let i = start + 3; i < start + 3 + 2 * topLogprobs && result[i] >= 0; i += 2) top.push([result[i], result[i + 1]]);
  return { token, forced: false, logprob, legalMass, top };
}
