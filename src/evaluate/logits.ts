/** Compares a model's logits and greedy continuation with recorded ones. */
import type { Model } from '../model/transformer.ts';
import { loadModel } from '../model/load.ts';
import type { LoadOptions } from '../model/load.ts';
import type { RopePrecision } from '../model/rope.ts';
import { CheckpointError, openTensorFile, writeTensorFile } from '../model/safetensors.ts';
import { Sequence } from './sequence.ts';

/** What another implementation computed: the tensors of a reference.safetensors. */
export interface ReferenceLogits {
  readonly inputIds: Int32Array;
  /** f32 [inputIds, V]. */
  readonly logits: Float32Array;
  /** The greedy continuation of the first `promptLength` ids. */
  readonly promptLength: number;
  readonly greedyIds: Int32Array;
}

export interface LogitsComparison {
  /** The rounding of rope's frequencies under which the reference was recorded: see RopePrecision. */
  readonly ropePrecision: RopePrecision;
  /** ‖out − ref‖ / ‖ref‖ over all positions. */
  readonly relativeError: number;
  readonly greedyEqual: boolean;
  readonly greedyIds: readonly number[];
  readonly positions: number;
  /** What was computed, f32 [positions, V]. */
  readonly logits: Float32Array;
}

export function readReferenceLogits(file: string): ReferenceLogits {
  using tensors = openTensorFile(file);
  const ints = (name: string): Int32Array => {
    tensors.entry(name, undefined, ['I32']);
    const bytes = tensors.read(name);
    return new Int32Array(bytes.buffer, 0, bytes.byteLength / 4);
  };
  const inputIds = ints('input_ids');
  const { shape } = tensors.entry('logits', undefined, ['F32']);
  if (shape.length !== 2 || shape[0] !== inputIds.length) throw new CheckpointError(`${file}: tensor logits: expected [${inputIds.length}, V], seen [${shape.join(', ')}]`);
  return { inputIds, logits: tensors.readFloat32('logits'), promptLength: ints('prompt_len')[0], greedyIds: ints('greedy_ids') };
}

/** Otherwise the reference was recorded in another way, unless something is wrong. */
const reproduced = (comparison: LogitsComparison): boolean => comparison.relativeError <= 1e-3 && comparison.greedyEqual;

/**
 * Loads the model and compares it; where a full-precision model does not reproduce the reference, once more with rope's
 * frequencies in bf16. The better of the two is reported, with the rounding it was made with.
 */
export async function evaluateLogits(directory: string, reference: ReferenceLogits, options: Partial<LoadOptions>): Promise<LogitsComparison> {
  const compare = async (ropePrecision: RopePrecision): Promise<LogitsComparison> => {
    const model = await loadModel(directory, { cacheTokens: reference.inputIds.length + reference.greedyIds.length, ...options, ropePrecision });
    try {
      return { ropePrecision, ...compareLogits(model, reference) };
    } finally {
      model.close();
    }
  };
  const exact = await compare('f32');
  if (reproduced(exact) || options.precision === 'w4a8kv4') return exact;
  const rounded = await compare('bf16');
  return reproduced(rounded) || rounded.relativeError < exact.relativeError ? rounded : exact;
}

/** Writes the tensors that readReferenceLogits reads. */
export function writeReferenceLogits(file: string, { inputIds, logits, promptLength, greedyIds }: ReferenceLogits): void {
  writeTensorFile(file, {
    input_ids: { dtype: 'I32', shape: [inputIds.length], values: inputIds },
    logits: { dtype: 'F32', shape: [inputIds.length, logits.length / inputIds.length], values: logits },
    greedy_ids: { dtype: 'I32', shape: [greedyIds.length], values: greedyIds },
    prompt_len: { dtype: 'I32', shape: [1], values: Int32Array.of(promptLength) },
  });
}

export function compareLogits(model: Model, reference: ReferenceLogits): Omit<LogitsComparison, 'ropePrecision'> {
  const V = model.config.vocabSize;
  const { inputIds, promptLength, greedyIds } = reference;
  if (reference.logits.length !== inputIds.length * V) throw new CheckpointError(`the reference has ${reference.logits.length / inputIds.length} logits a position, the model ${V}`);
  const greedy = continueGreedily(model, inputIds.subarray(0, promptLength), greedyIds.length);
  const logits = sequenceLogits(model, inputIds);
  return {
    logits,
    relativeError: relativeError(logits, reference.logits),
    greedyEqual: greedy.every((token, i) => token === greedyIds[i]),
    greedyIds: greedy,
    positions: inputIds.length,
  };
}

/** f32 [ids, V]. */
export function sequenceLogits(model: Model, ids: Int32Array): Float32Array {
  const sequence = new Sequence(model, ids.length);
  const logits = sequence.feed(ids);
  sequence.close();
  return logits;
}

export function continueGreedily(model: Model, prompt: Int32Array, count: number): number[] {
  const V = model.config.vocabSize;
  const sequence = new Sequence(model, prompt.length + count);
  let logits: Float32Array = sequence.feed(prompt).slice(-V);
  const out: number[] = [];
  while (out.length < count) {
    const token = logits.reduce((best, value, id) => (value > logits[best] ? id : best), 0);
    out.push(token);
    if (out.length < count) logits = sequence.feed([token]);
  }
  sequence.close();
  return out;
}

/** ‖a − b‖ / ‖b‖. */
export function relativeError(a: Float32Array, b: Float32Array): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  return Math.sqrt(difference / norm);
}
