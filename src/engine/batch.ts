import { SAMPLE_ENTRY, SAMPLE_PARAMS } from '../backend/backend.ts';
import { encodeEntry, encodeParams, MAX_LOGIT_BIAS } from './sampling.ts';
import type { SampleEntry, StepPlan } from './scheduler.ts';

export interface BatchShape {
  readonly maxStepTokens: number;
  readonly maxStepEntries: number;
  readonly vocabSize: number;
}

/** The arrays of a step as the device wants them: a plan becomes `row`, `position`, `ropeRow`; entries become the rest. */
export class Batch {
  /** Words of one mask. */
  readonly maskWords: number;
  /** [T], of which plan.numTokens are set. */
  readonly row: Int32Array;
  readonly position: Int32Array;
  readonly ropeRow: Int32Array;
  /** [S], [S, SAMPLE_ENTRY], [S, SAMPLE_PARAMS]. */
  readonly gather: Int32Array;
  readonly entries: Int32Array;
  readonly params: Float32Array;
  /** Of all entries, one after the other: the pairs of `logitBias`, and the masks of constrained requests. */
  readonly biasIds: Int32Array;
  readonly biasValues: Float32Array;
  readonly masks: Int32Array;
  numBiases = 0;
  numMasks = 0;

  constructor({ maxStepTokens, maxStepEntries, vocabSize }: BatchShape) {
    this.maskWords = Math.ceil(vocabSize / 32);
    this.row = new Int32Array(maxStepTokens);
    this.position = new Int32Array(maxStepTokens);
    this.ropeRow = new Int32Array(maxStepTokens);
    this.gather = new Int32Array(maxStepEntries);
    this.entries = new Int32Array(maxStepEntries * SAMPLE_ENTRY.length);
    this.params = new Float32Array(maxStepEntries * SAMPLE_PARAMS.length);
    this.biasIds = new Int32Array(maxStepEntries * MAX_LOGIT_BIAS);
    this.biasValues = new Float32Array(maxStepEntries * MAX_LOGIT_BIAS);
    this.masks = new Int32Array(maxStepEntries * this.maskWords);
  }

  setTokens(plan: StepPlan, ropeRow: (position: number, length: number) => number): void {
    let i = 0;
    for (const { request, start, count } of plan.rows) {
      for (let position = start; position < start + count; position++, i++) {
        this.row[i] = request.row;
        this.position[i] = position;
        this.ropeRow[i] = ropeRow(position, request.lengthLimit);
      }
    }
  }

  setEntries(entries: readonly SampleEntry[]): void {
    this.numBiases = 0;
    this.numMasks = 0;
    entries.forEach((entry, i) => this.#setEntry(entry, i));
  }

  #setEntry({ request, index, position }: SampleEntry, i: number): void {
    const { sampling, matcher } = request;
    this.gather[i] = index;
    encodeParams(sampling, this.params, i);
    const values = {
      row: request.row,
      position,
      promptLength: request.promptLength,
      seedLow: sampling.seed % 2 ** 32,
      seedHigh: Math.floor(sampling.seed / 2 ** 32),
      mask: matcher === null ? -1 : this.numMasks,
      biasStart: this.numBiases,
      biasCount: sampling.logitBias.length,
      topLogprobs: sampling.logprobs ?? 0,
    };
    encodeEntry(values, this.entries, i);
    for (const [token, bias] of sampling.logitBias) {
      this.biasIds[this.numBiases] = token;
      this.biasValues[this.numBiases++] = bias;
    }
    if (matcher !== null) {
      const start = this.numMasks++ * this.maskWords;
      request.fillMask(matcher, this.masks.subarray(start, start + this.maskWords), position + 1 - request.tokens.length);
    }
  }
}
