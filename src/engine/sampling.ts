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
