/** Every weight of the quantized checkpoint: where it comes from, what is done to it, which tensors it becomes. */
import type { WeightKind, WeightSource } from '../backend/backend.ts';
import type { ModelConfig } from '../model/config.ts';
import type { Checkpoint } from '../model/safetensors.ts';
import { EMBEDDING, FINAL_NORM, HEAD, LINEARS, embeddingSource, headSource, inputSizes, layerPrefix, readFinalNorm, readLayer } from '../model/weights.ts';
import type { WeightParts } from '../model/weights.ts';
import type { Rotation } from './rotate.ts';
import { groupCount, type GroupSize } from './rtn.ts';

export interface PlannedWeight {
  /** As in the file, e.g. model.layers.0.self_attn.q_proj. */
  readonly name: string;
  readonly layer: number | null;
  readonly source: WeightSource;
  /** Rows of the source that are this weight. */
  readonly firstRow: number;
  readonly rows: number;
  readonly columns: number;
  readonly format: WeightKind;
  /** Which side meets the residual stream; null: leave the weight as it is. */
  readonly rotate: 'input' | 'output' | null;
  /** Norm weights to fold into the columns. */
  readonly norm: Float32Array | null;
}

export interface PlannedVector {
  readonly name: string;
  readonly values: Float32Array;
}

export interface Plan {
  readonly weights: readonly PlannedWeight[];
  /** Norms and biases: small, in float32. */
  readonly vectors: readonly PlannedVector[];
  readonly tiedEmbedding: boolean;
}

export interface StorageOptions {
  readonly groupSize: GroupSize;
  readonly embedding: WeightKind;
  readonly head: WeightKind;
}

type Role = keyof typeof LINEARS;

/** Which side of a linear the residual stream is on, and which norm feeds it. */
const ROLES: Record<Role, { readonly rotate: 'input' | 'output'; readonly norm: 'inputNorm' | 'mlpNorm' | null }> = {
  qkv: { rotate: 'input', norm: 'inputNorm' },
  output: { rotate: 'output', norm: null },
  gateUp: { rotate: 'input', norm: 'mlpNorm' },
  down: { rotate: 'output', norm: null },
};

/** Dense weights that no step touches are copied; rotated ones are rounded to the dtype they had. */
export function planCheckpoint(checkpoint: Checkpoint, config: ModelConfig, rotation: Rotation | null, storage: StorageOptions): Plan {
  const weights: PlannedWeight[] = [];
  const vectors: PlannedVector[] = [];
  const { hiddenSize: C, vocabSize: V, numLayers } = config;
  const rotate = rotation !== null;
  const whole = { layer: null, firstRow: 0, rows: V, columns: C };

  weights.push({ ...whole, name: EMBEDDING, source: embeddingSource(checkpoint, config), format: storage.embedding, rotate: rotate ? 'input' : null, norm: null });
  for (let layer = 0; layer < numLayers; layer++) planLayer(checkpoint, config, rotation, layer, weights, vectors);

  const finalNorm = readFinalNorm(checkpoint, config);
  vectors.push({ name: FINAL_NORM, values: storedNorm(finalNorm, config, rotate) });
  const head = headSource(checkpoint, config);
  // The head takes the final norm's weights and the embedding does not, so a rotated model has both.
  const tiedEmbedding = head === null && !rotate && storage.embedding === storage.head;
  if (!tiedEmbedding) {
    const source = head ?? embeddingSource(checkpoint, config);
    weights.push({ ...whole, name: HEAD, source, format: storage.head, rotate: rotate ? 'input' : null, norm: rotate ? finalNorm : null });
  }
  return { weights, vectors, tiedEmbedding };
}

function planLayer(
  checkpoint: Checkpoint,
  config: ModelConfig,
  rotation: Rotation | null,
  layer: number,
  weights: PlannedWeight[],
  vectors: PlannedVector[],
): void {
  const prefix = layerPrefix(layer);
  const read = readLayer(checkpoint, config, layer);
  for (const role of Object.keys(LINEARS) as Role[]) {
    const { rotate, norm } = ROLES[role];
    const sizes = outputSizes(config, role);
    let row = 0;
    LINEARS[role].forEach((linear, i) => {
      const name = prefix + linear;
      const folded = rotation !== null && norm !== null ? read[norm] : null;
      weights.push({
        name,
        layer,
        ...locate(read[role], row),
        rows: sizes[i],
        columns: inputSizes(config)[role],
        format: 'w4',
        rotate: rotation === null ? null : rotate,
        norm: folded,
      });
      const bias = read[role].bias?.slice(row, row + sizes[i]);
      if (bias !== undefined) vectors.push({ name: `${name}.bias`, values: rotation !== null && rotate === 'output' ? rotation.rotateBias(bias) : bias });
      row += sizes[i];
    });
  }
  const norm = (name: string, values: Float32Array | null, folded: boolean): void => {
    if (values !== null) vectors.push({ name: `${prefix}${name}.weight`, values: storedNorm(values, config, folded) });
  };
  const rotated = rotation !== null;
  norm('input_layernorm', read.inputNorm, rotated);
  norm(config.postNorms ? 'pre_feedforward_layernorm' : 'post_attention_layernorm', read.mlpNorm, rotated);
  norm('post_attention_layernorm', read.attentionPostNorm, false);
  norm('post_feedforward_layernorm', read.mlpPostNorm, false);
  norm('self_attn.q_norm', read.qNorm, false);
  norm('self_attn.k_norm', read.kNorm, false);
}

/** Output features of q, k, v apart, and of gate and up, whatever the source fuses. */
function outputSizes(config: ModelConfig, role: Role): number[] {
  const kv = config.numKVHeads * config.headSize;
  switch (role) {
    case 'qkv':
      return [config.numHeads * config.headSize, kv, kv];
    case 'gateUp':
      return [config.intermediateSize, config.intermediateSize];
    default:
      return [config.hiddenSize];
  }
}

/** The part that holds a row of a linear, and the row's place in it. */
function locate({ parts }: WeightParts, row: number): { source: WeightSource; firstRow: number } {
  let first = row;
  for (const source of parts) {
    if (first < source.outFeatures) return { source, firstRow: first };
    first -= source.outFeatures;
  }
  throw new RangeError(`row ${row} lies beyond the linear`);
}

/** Norm weights as the file has them; the reader adds the architecture's offset. */
function storedNorm(values: Float32Array, config: ModelConfig, folded: boolean): Float32Array {
  return values.map((value) => (folded ? 1 : value) - config.normOffset);
}

export interface PlannedTensor {
  readonly name: string;
  readonly dtype: 'F32' | 'F16' | 'BF16' | 'U8' | 'I8';
  readonly shape: readonly number[];
}

const DENSE_NAMES = { f32: 'F32', f16: 'F16', bf16: 'BF16' } as const;

/** The tensors of the file, in order. */
export function tensorsOf(plan: Plan, groupSize: GroupSize): PlannedTensor[] {
  const vectors = plan.vectors.map(({ name, values }): PlannedTensor => ({ name, dtype: 'F32', shape: [values.length] }));
  return [...plan.weights.flatMap((weight) => weightTensors(weight, groupSize)), ...vectors];
}

function weightTensors(weight: PlannedWeight, groupSize: GroupSize): PlannedTensor[] {
  const { name, rows: N, columns: K } = weight;
  if (weight.format === 'dense') return [{ name: `${name}.weight`, dtype: DENSE_NAMES[denseDType(weight)], shape: [N, K] }];
  if (weight.format === 'w8') {
    return [
      { name: `${name}.qweight`, dtype: 'I8', shape: [N, K] },
      { name: `${name}.s0`, dtype: 'F32', shape: [N] },
    ];
  }
  const groups = groupCount(K, groupSize);
  return [
    { name: `${name}.qweight`, dtype: 'U8', shape: [N, K / 2] },
    { name: `${name}.s1`, dtype: 'U8', shape: [N, groups] },
    { name: `${name}.m`, dtype: 'I8', shape: [N, groups] },
    { name: `${name}.s0`, dtype: 'F32', shape: [N] },
  ];
}

export function denseDType(weight: PlannedWeight): 'f32' | 'f16' | 'bf16' {
  const { source } = weight;
  if (source.kind !== 'dense') throw new TypeError(`${weight.name} is quantized already`);
  const rows = source.rows(0, 0);
  if (rows.kind !== 'dense') throw new TypeError(`${weight.name} is quantized already`);
  return rows.dtype;
}
