/**
 * What a device must do: the one contract between the model and the hardware.
 *
 * Letters: T tokens in the step, S sampled entries, C hidden size, H query heads, G KV heads, D head size,
 * K input and N output features of a linear, V vocabulary, B tokens in a cache block.
 *
 * Kernels are enqueued in order and never block; `write` is ordered like a kernel. Only `read` waits. A device
 * may run what is enqueued at once (reference) or later, up to the fence that `read` names (native).
 * Every row is computed as if it were alone: no result depends on which rows share the step.
 */

export type DType = 'f32' | 'f16' | 'bf16' | 'i32' | 'i8' | 'u8';

export const BYTES: Record<DType, number> = { f32: 4, f16: 2, bf16: 2, i32: 4, i8: 1, u8: 1 };

/** Elements whose level-2 scale is shared, and the width to which int8 rows are padded with zeros. */
export const GROUP = 128;

export const groupsOf = (features: number): number => Math.ceil(features / GROUP);

export type HostArray = Float32Array | Int32Array | Uint32Array | Uint16Array | Int8Array | Uint8Array;

/** A flat array in device memory. `data` is the device's own view of it: a typed array or an address. */
export interface Tensor {
  readonly dtype: DType;
  readonly length: number;
  readonly data: unknown;
}

/** Rows that feed a linear: T × K, as float32, or as int8 with one scale per row and one sum per group of 128. */
export type Activation =
  | { readonly kind: 'float'; readonly width: number; readonly values: Tensor }
  | {
      readonly kind: 'int8';
      readonly width: number;
      /** i8 [T, 128·groups]: q = roundEven(x · 127 / absmax(row)), zero beyond `width`. */
      readonly values: Tensor;
      /** f32 [T]: absmax(row) / 127, so that x ≈ q · scale. */
      readonly scale: Tensor;
      /** i32 [T, groups]: sums of q over each group. */
      readonly sums: Tensor;
    };

/** Some rows of a weight in the layout of the file: row-major. */
export type WeightRows =
  | { readonly kind: 'dense'; readonly dtype: 'f32' | 'f16' | 'bf16'; readonly values: Uint8Array }
  | {
      readonly kind: 'w4';
      /** u8 [rows, K/2]: two uint4 a byte, the even column in the low nibble. */
      readonly q: Uint8Array;
      /** u8 [rows, groups] (per channel: [rows, 1]). */
      readonly s1: Uint8Array;
      /** i8 [rows, groups]. */
      readonly m: Int8Array;
      /** f32 [rows]. */
      readonly s0: Float32Array;
    }
  | {
      readonly kind: 'w8';
      /** i8 [rows, K]. */
      readonly q: Int8Array;
      /** f32 [rows]. */
      readonly s0: Float32Array;
    };

/** How a weight is stored. */
export type WeightKind = WeightRows['kind'];

/**
 * A weight [N, K] that can be read some rows at a time, so that loading never holds more than a piece.
 * w4: W8 = q·s1 + m per group and W = W8·s0 per row (QServe, arXiv 2405.04532 section 4.1, with an int8 offset).
 * `groupSize` is 128, or -1 where a row is one group. K is even for w4; a last group may be short.
 * w8: W = q·s0, q of ±127.
 */
export interface WeightSource {
  readonly name: string;
  readonly kind: WeightKind;
  readonly groupSize: number;
  readonly outFeatures: number;
  readonly inFeatures: number;
  /** What it gives holds until the next call on any weight of the checkpoint. */
  rows(start: number, end: number): WeightRows;
}

/** A weight in the device's own order. */
export interface PackedLinear {
  readonly kind: WeightKind;
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly bytes: number;
  readonly bias: Tensor | null;
  readonly data: unknown;
}

/** The paged KV cache of all layers. Slot p of a row lies in block blockTable[row][p / B] at p mod B. */
export interface KVCache {
  readonly precision: CachePrecision;
  readonly numLayers: number;
  readonly numBlocks: number;
  readonly blockSize: number;
  readonly numKVHeads: number;
  readonly headSize: number;
  readonly bytes: number;
  readonly data: unknown;
}

export type CachePrecision = 'kv4' | 'full';

export type CacheShape = Pick<KVCache, 'precision' | 'numLayers' | 'numBlocks' | 'blockSize' | 'numKVHeads' | 'headSize'>;

/** Bytes of cache for one token: 4 bits an element, scale and minimum in fp16 per head; or float32. */
export function cacheBytesPerToken(shape: Omit<CacheShape, 'numBlocks' | 'blockSize'>): number {
  const head = shape.precision === 'kv4' ? shape.headSize / 2 + 4 : shape.headSize * 4;
  return 2 * shape.numLayers * shape.numKVHeads * head;
}

/**
 * The rows of a step. A token is named by its request's batch row and its position there; a row of -1 is padding
 * and is computed by nobody.
 */
export interface StepInputs {
  /** T. */
  readonly size: number;
  /** i32 [T]: batch row of each token. */
  readonly row: Tensor;
  /** i32 [T]: position of each token in its request. */
  readonly position: Tensor;
  /** i32 [T]: row of the rope table to use. */
  readonly ropeRow: Tensor;
  /** i32 [rows, tokensPerRow]: every known token; the sampler writes the next one here. */
  readonly tokens: Tensor;
  readonly tokensPerRow: number;
  /** i32 [rows, blocksPerRow]. */
  readonly blockTables: Tensor;
  readonly blocksPerRow: number;
}

export interface EmbedArgs {
  readonly step: StepInputs;
  readonly table: PackedLinear;
  readonly scale: number;
  /** f32 [T, C]. */
  readonly out: Tensor;
}

export interface NormQuantizeArgs {
  /** Rows to make: T, or S where `gather` picks them. */
  readonly size: number;
  readonly width: number;
  /** f32 [T, C]: the residual stream; `delta` is added to it in place. */
  readonly residual: Tensor;
  /** f32 [T, C], or null for the first norm. */
  readonly delta: Tensor | null;
  /** f32 [C]: norm applied to `delta` before it is added (Gemma 2's post norms). */
  readonly deltaNorm: Tensor | null;
  /** f32 [C]. */
  readonly weight: Tensor;
  readonly epsilon: number;
  /** i32 [S]: which rows; the others are left untouched. */
  readonly gather: Tensor | null;
  readonly out: Activation;
}

export interface LinearArgs {
  readonly size: number;
  readonly input: Activation;
  readonly weight: PackedLinear;
  /** f32 [size, N]; the bias is added. */
  readonly out: Tensor;
}

export interface RopeStoreArgs {
  readonly step: StepInputs;
  readonly layer: number;
  readonly cache: KVCache;
  readonly numHeads: number;
  /** f32 [T, (H + 2G)·D]: q, k, v. q is rotated in place; k and v go to the cache. */
  readonly qkv: Tensor;
  /** f32 [D] each: RMSNorm over each head before rope (Qwen3), or null. */
  readonly qNorm: Tensor | null;
  readonly kNorm: Tensor | null;
  readonly epsilon: number;
  /** f32 [positions, rotaryDim]: cosines then sines of rotaryDim/2 frequencies; half-split pairs (i, i + rotaryDim/2). */
  readonly ropeTable: Tensor;
  readonly rotaryDim: number;
}

/** Positions that attention takes at a time: chunks begin at multiples of it. */
export const ATTEND_CHUNK = 64;
/** Float32 sums over a chunk's positions run in lanes: position p is in lane (p mod B) mod ATTEND_LANES. */
export const ATTEND_LANES = 16;
/** With a KV4 cache a query head is rounded to integers of ±QUERY_LEVELS, and the weights of a chunk to 0..WEIGHT_LEVELS. */
export const QUERY_LEVELS = 2047;
export const WEIGHT_LEVELS = 8191;

/**
 * Attention chunk by chunk. A score is an exponent of two (times log2 e); a chunk's probabilities are 2^(score − m), where m is its largest
 * score rounded up, so that what the chunks give is merged in float64 by powers of two, without rounding.
 *
 * Full: scores and weighted values in float32. KV4: q ≈ integers · absmax / QUERY_LEVELS, so a score is
 * (s_k · Σ integer · code + min_k · Σ integer) · (absmax / QUERY_LEVELS · scale · log2 e); a token's weight is p · s_v, rounded to integers of
 * (largest s_v that the token sees in the chunk) / WEIGHT_LEVELS, and a chunk gives Σ integer · code, Σ p and Σ p · min_v. The sums of integers
 * stay below 2^24 for D ≤ 512: they are exact in float32 in any order, on any device. Both roundings are a hundredth of KV4's own.
 */
export interface AttendArgs {
  readonly step: StepInputs;
  readonly layer: number;
  readonly cache: KVCache;
  readonly numHeads: number;
  /** f32 [T, (H + 2G)·D], of which q is read. */
  readonly qkv: Tensor;
  readonly scale: number;
  /** Tokens seen, the own one included; 0 for all. */
  readonly window: number;
  /** scores = cap · tanh(scores / cap); 0 for none. */
  readonly softcap: number;
  /** T × H·D. */
  readonly out: Activation;
}

export interface GateQuantizeArgs {
  readonly size: number;
  /** f32 [T, 2F]: gate, up. */
  readonly gateUp: Tensor;
  readonly activation: 'silu' | 'gelu_tanh';
  /** T × F. */
  readonly out: Activation;
}

export interface LogitsArgs {
  readonly size: number;
  readonly input: Activation;
  readonly weight: PackedLinear;
  readonly softcap: number;
  /** f32 [S, V]. */
  readonly out: Tensor;
}

/** Columns of `SampleArgs.params`, one row of float32 for each sampled entry. */
export const SAMPLE_PARAMS = [
  'temperature', // 0: greedy, the lowest id among equals
  'topK', // 0: off
  'topP', // 1: off
  'minP', // 0: off
  'repetitionPenalty', // 1: off; over prompt and output: l > 0 ? l / p : l · p
  'presencePenalty', // over output only
  'frequencyPenalty', // over output only
] as const;

/** Columns of `SampleArgs.entries`, one row of int32 for each sampled entry. */
export const SAMPLE_ENTRY = [
  'row', // batch row
  'position', // of the last computed token; the sampled one is written to tokens[row][position + 1]
  'promptLength', // tokens before this are prompt
  'seedLow', // uint32
  'seedHigh', // uint32
  'mask', // row of `masks`, or -1
  'biasStart', // first of this entry's pairs in biasIds/biasValues
  'biasCount',
  'topLogprobs', // 0..MAX_TOP_LOGPROBS
] as const;

export const MAX_TOP_LOGPROBS = 20;

/**
 * Float32 columns of `SampleArgs.result`: token id, its log-probability and the legal mass, then MAX_TOP_LOGPROBS
 * pairs of id and log-probability in falling order (ties: lower id first; -1 fills up).
 * Log-probabilities are of the model's own distribution: before bias, penalties, mask and temperature. Ids are exact
 * in float32 (V < 2^24).
 */
export const SAMPLE_RESULT = 3 + 2 * MAX_TOP_LOGPROBS;

/**
 * Order: bias, penalties, mask, temperature, min-p, top-k, top-p, draw. The draw takes the kept tokens in order of id and
 * the first whose running sum of float64 weights exceeds u · total, u = uniform(seed, position + 1): so the
 * same seed gives the same text whatever else is in the batch. A weight is exp(logit / T − max) in float64.
 * uniform(seed, counter), all in uint32 with f the finalizer of MurmurHash3: a = f(seedLow + 0x9E3779B9 · counter),
 * b = f(a ^ seedHigh), c = f(b + 0x85EBCA6B); u = (b · 2^21 + (c >>> 11)) / 2^53.
 * min-p keeps weights ≥ minP · the largest; top-k the k largest (ties: lower id); top-p the fewest of the largest that
 * reach topP of what is left, at least one.
 * Legal mass: the share of the model's own probability that the mask lets through (1 without a mask).
 */
export interface SampleArgs {
  readonly size: number;
  readonly vocabSize: number;
  /** f32 [S, V]; left as it is. */
  readonly logits: Tensor;
  readonly step: StepInputs;
  /** i32 [S, SAMPLE_ENTRY]. */
  readonly entries: Tensor;
  /** f32 [S, SAMPLE_PARAMS]. */
  readonly params: Tensor;
  /** i32 [masks, ceil(V / 32)]: bit i of word w is token 32·w + i; 1 is legal. */
  readonly masks: Tensor;
  readonly biasIds: Tensor;
  readonly biasValues: Tensor;
  /** f32 [S, SAMPLE_RESULT]. */
  readonly result: Tensor;
}

/** A point in the order of what was enqueued. */
export type Fence = number;

export interface Backend {
  readonly name: 'reference' | 'cpu' | 'cuda';
  /** What runs: instruction set, threads, device. */
  readonly description: string;
  /** Bytes free for weights and cache. */
  availableBytes(): number;

  allocate(dtype: DType, length: number): Tensor;
  allocateActivation(kind: Activation['kind'], rows: number, width: number): Activation;
  allocateCache(shape: CacheShape): KVCache;
  /** Rows of the parts follow each other in the result (q, k, v → qkv); parts agree in K, kind and group size. */
  packLinear(parts: readonly WeightSource[], bias: Float32Array | null): PackedLinear;
  free(resource: Tensor | Activation | PackedLinear | KVCache): void;

  /** The source may be reused as soon as the call returns. */
  write(target: Tensor, source: HostArray, offset?: number): void;
  /** Everything enqueued so far, to wait for. A device that runs later starts with it now. */
  fence(): Fence;
  /** Waits for the fence (everything, by default), then copies `target.length` elements from `offset`. */
  read(source: Tensor, target: HostArray, offset?: number, fence?: Fence): void;

  embed(args: EmbedArgs): void;
  normQuantize(args: NormQuantizeArgs): void;
  linear(args: LinearArgs): void;
  ropeStore(args: RopeStoreArgs): void;
  attend(args: AttendArgs): void;
  gateQuantize(args: GateQuantizeArgs): void;
  logits(args: LogitsArgs): void;
  sample(args: SampleArgs): void;

  close(): void;
}

/** A kernel or the device failed. The message names the operation and the sizes. */
export class BackendError extends Error {
  override name = 'BackendError';
}
