import { SAMPLE_ENTRY, SAMPLE_PARAMS, SAMPLE_RESULT, type Fence, type StepInputs, type Tensor } from '../backend/backend.ts';
import type { Model } from '../model/transformer.ts';
import { Batch } from './batch.ts';
import { MAX_LOGIT_BIAS } from './sampling.ts';
import type { PlanRow, SampleEntry, StepPlan } from './scheduler.ts';

/** Runs what was planned. Only `read` waits. In every step: forward N, read N−1, sample N. */
export interface Runner {
  forward(plan: StepPlan): void;
  /** Draws the next token of rows of the last forward; constrained requests are asked for their masks. */
  sample(entries: readonly SampleEntry[]): void;
  /** Waits for the last `sample`: SAMPLE_RESULT floats for each of its entries. */
  read(): Float32Array;
}

export interface RunnerShape {
  readonly maxBatchSize: number;
  readonly maxModelLength: number;
}

/**
 * A model's runner. Every known token of a running request lies in its row of the table `tokens`, where the sampler
 * writes the next one, so the next forward can be enqueued before that token is known here.
 *
 * One buffer of each kind is enough: a write is ordered like a kernel and copies its source, and the results of a step
 * are read before the next sample is enqueued.
 */
export class ModelRunner implements Runner {
  readonly #model: Model;
  readonly #batch: Batch;
  readonly #step: StepInputs;
  readonly #gather: Tensor;
  readonly #entries: Tensor;
  readonly #params: Tensor;
  readonly #biasIds: Tensor;
  readonly #biasValues: Tensor;
  readonly #masks: Tensor;
  readonly #result: Tensor;
  readonly #results: Float32Array;
  #numSampled = 0;
  #sampled: Fence = 0;

  constructor(model: Model, { maxBatchSize, maxModelLength }: RunnerShape) {
    const { backend, maxStepTokens, maxStepEntries } = model;
    this.#model = model;
    this.#batch = new Batch({ maxStepTokens, maxStepEntries, vocabSize: model.config.vocabSize });
    const blocksPerRow = Math.ceil(maxModelLength / model.cache.blockSize);
    this.#step = {
      size: 0,
      row: backend.allocate('i32', maxStepTokens),
      position: backend.allocate('i32', maxStepTokens),
      ropeRow: backend.allocate('i32', maxStepTokens),
      tokens: backend.allocate('i32', maxBatchSize * maxModelLength),
      tokensPerRow: maxModelLength,
      blockTables: backend.allocate('i32', maxBatchSize * blocksPerRow),
      blocksPerRow,
    };
    this.#gather = backend.allocate('i32', maxStepEntries);
    this.#entries = backend.allocate('i32', maxStepEntries * SAMPLE_ENTRY.length);
    this.#params = backend.allocate('f32', maxStepEntries * SAMPLE_PARAMS.length);
    this.#biasIds = backend.allocate('i32', maxStepEntries * MAX_LOGIT_BIAS);
    this.#biasValues = backend.allocate('f32', maxStepEntries * MAX_LOGIT_BIAS);
    this.#masks = backend.allocate('i32', maxStepEntries * this.#batch.maskWords);
    this.#result = backend.allocate('f32', maxStepEntries * SAMPLE_RESULT);
    this.#results = new Float32Array(maxStepEntries * SAMPLE_RESULT);
  }

  forward(plan: StepPlan): void {
    const model = this.#model;
    const batch = this.#batch;
    const step = this.#step;
    for (const row of plan.rows) this.#sendTables(row);
    batch.setTokens(plan, (position, length) => model.ropeRow(position, length));
    model.backend.write(step.row, batch.row.subarray(0, plan.numTokens));
    model.backend.write(step.position, batch.position.subarray(0, plan.numTokens));
    model.backend.write(step.ropeRow, batch.ropeRow.subarray(0, plan.numTokens));
    model.forward({ ...step, size: plan.numTokens });
    model.backend.fence(); // starts the forward, under which the rest of the step is done
  }

  sample(entries: readonly SampleEntry[]): void {
    const batch = this.#batch;
    const step = this.#step;
    const { backend, config } = this.#model;
    const size = entries.length;
    batch.setEntries(entries);
    backend.write(this.#gather, batch.gather.subarray(0, size));
    backend.write(this.#entries, batch.entries.subarray(0, size * SAMPLE_ENTRY.length));
    backend.write(this.#params, batch.params.subarray(0, size * SAMPLE_PARAMS.length));
    if (batch.numBiases > 0) {
      backend.write(this.#biasIds, batch.biasIds.subarray(0, batch.numBiases));
      backend.write(this.#biasValues, batch.biasValues.subarray(0, batch.numBiases));
    }
    if (batch.numMasks > 0) backend.write(this.#masks, batch.masks.subarray(0, batch.numMasks * batch.maskWords));
    const logits = this.#model.logits(this.#gather, size);
    backend.sample({
      size,
      vocabSize: config.vocabSize,
      logits,
      step,
      entries: this.#entries,
      params: this.#params,
      masks: this.#masks,
      biasIds: this.#biasIds,
      biasValues: this.#biasValues,
      result: this.#result,
    });
    this.#sampled = backend.fence();
    this.#numSampled = size;
    for (const { request } of entries) request.numSentTokens = request.tokens.length + 1; // the sampler writes it; what follows drafts may not stay
  }

  read(): Float32Array {
    const results = this.#results.subarray(0, this.#numSampled * SAMPLE_RESULT);
    this.#model.backend.read(this.#result, results, 0, this.#sampled);
    return results;
  }

  /** Brings the request's row of the tables up to date: both only ever grow, but for drafts, which every step brings anew. */
  #sendTables({ request, start, count }: PlanRow): void {
    const { backend } = this.#model;
    const { tokens, tokensPerRow, blockTables, blocksPerRow } = this.#step;
    if (request.numSentTokens < request.tokens.length) {
      const known = Int32Array.from(request.tokens.slice(request.numSentTokens));
      backend.write(tokens, known, request.row * tokensPerRow + request.numSentTokens);
      request.numSentTokens = request.tokens.length;
    }
    const numDrafts = start + count - request.numTokens;
    if (numDrafts > 0) {
      const drafts = request.drafts.slice(request.numInFlight, request.numInFlight + numDrafts);
      backend.write(tokens, Int32Array.from(drafts, ({ token }) => token), request.row * tokensPerRow + request.numTokens);
    }
    if (request.numSentBlocks < request.blocks.length) {
      const added = Int32Array.from(request.blocks.slice(request.numSentBlocks));
      backend.write(blockTables, added, request.row * blocksPerRow + request.numSentBlocks);
      request.numSentBlocks = request.blocks.length;
    }
  }
}
