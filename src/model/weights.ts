/** The weights of a checkpoint by the roles they play, whatever their tensors are called and however they are stored. */
import type { WeightKind, WeightRows, WeightSource } from '../backend/backend.ts';
import { groupsOf } from '../backend/backend.ts';
import type { ModelConfig } from './config.ts';
import { CheckpointError, DENSE_DTYPES } from './safetensors.ts';
import type { Checkpoint } from './safetensors.ts';

/** Norms, weights and biases of one layer; `qkv` and `gateUp` are parts whose rows follow each other. */
export interface LayerWeights {
  readonly inputNorm: Float32Array;
  /** Before the MLP. */
  readonly mlpNorm: Float32Array;
  /** After attention and after the MLP (Gemma 2), or null. */
  readonly attentionPostNorm: Float32Array | null;
  readonly mlpPostNorm: Float32Array | null;
  readonly qNorm: Float32Array | null;
  readonly kNorm: Float32Array | null;
  readonly qkv: WeightParts;
  readonly output: WeightParts;
  readonly gateUp: WeightParts;
  readonly down: WeightParts;
}

export interface WeightParts {
  readonly parts: readonly WeightSource[];
  readonly bias: Float32Array | null;
}

/** Names of the linears of layer i in the files, in the order in which they are fused. */
export const LINEARS = {
  qkv: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
  output: ['self_attn.o_proj'],
  gateUp: ['mlp.gate_proj', 'mlp.up_proj'],
  down: ['mlp.down_proj'],
} as const;

/** The same for checkpoints that store them fused (Phi-3). */
export const FUSED_LINEARS = { ...LINEARS, qkv: ['self_attn.qkv_proj'], gateUp: ['mlp.gate_up_proj'] } as const;

export const layerPrefix = (layer: number): string => `model.layers.${layer}.`;
export const EMBEDDING = 'model.embed_tokens';
export const HEAD = 'lm_head';
export const FINAL_NORM = 'model.norm.weight';

/** Output features of each part of a linear. */
export function partSizes(config: ModelConfig): Record<keyof typeof LINEARS, number[]> {
  const q = config.numHeads * config.headSize;
  const kv = config.numKVHeads * config.headSize;
  return {
    qkv: config.fused ? [q + 2 * kv] : [q, kv, kv],
    output: [config.hiddenSize],
    gateUp: config.fused ? [2 * config.intermediateSize] : [config.intermediateSize, config.intermediateSize],
    down: [config.hiddenSize],
  };
}

export const inputSizes = (config: ModelConfig): Record<keyof typeof LINEARS, number> => ({
  qkv: config.hiddenSize,
  output: config.numHeads * config.headSize,
  gateUp: config.hiddenSize,
  down: config.intermediateSize,
});

const hasBias = (config: ModelConfig): Record<keyof typeof LINEARS, boolean> => ({
  qkv: config.attentionBias !== 'none',
  output: config.attentionBias === 'qkvo',
  gateUp: config.mlpBias,
  down: config.mlpBias,
});

export function readLayer(checkpoint: Checkpoint, config: ModelConfig, layer: number): LayerWeights {
  const prefix = layerPrefix(layer);
  const { hiddenSize: C, headSize: D, postNorms } = config;
  const norm = (name: string, size: number): Float32Array => readNorm(checkpoint, `${prefix}${name}.weight`, size, config.normOffset);
  const linear = (role: keyof typeof LINEARS): WeightParts => readLinear(checkpoint, config, prefix, role);
  return {
    inputNorm: norm('input_layernorm', C),
    mlpNorm: norm(postNorms ? 'pre_feedforward_layernorm' : 'post_attention_layernorm', C),
    attentionPostNorm: postNorms ? norm('post_attention_layernorm', C) : null,
    mlpPostNorm: postNorms ? norm('post_feedforward_layernorm', C) : null,
    qNorm: config.qkNorm ? norm('self_attn.q_norm', D) : null,
    kNorm: config.qkNorm ? norm('self_attn.k_norm', D) : null,
    qkv: linear('qkv'),
    output: linear('output'),
    gateUp: linear('gateUp'),
    down: linear('down'),
  };
}

export const readFinalNorm = (checkpoint: Checkpoint, config: ModelConfig): Float32Array =>
  readNorm(checkpoint, FINAL_NORM, config.hiddenSize, config.normOffset);

export const embeddingSource = (checkpoint: Checkpoint, config: ModelConfig): WeightSource =>
  storedSource(checkpoint, EMBEDDING, config, config.quantization?.embedding ?? 'dense');

/** The head's own weight, or null where it is the embedding. */
export const headSource = (checkpoint: Checkpoint, config: ModelConfig): WeightSource | null =>
  config.tiedEmbedding
    ? null
    : storedSource(checkpoint, HEAD, config, config.quantization?.head ?? 'dense');

/** The embedding or the head, which a checkpoint may store otherwise than its layers. */
function storedSource(checkpoint: Checkpoint, name: string, config: ModelConfig, kind: WeightKind): WeightSource {
  const { vocabSize: N, hiddenSize: K } = config;
  return kind === 'w8' ? w8Source(checkpoint, name, N, K) : weightSource(checkpoint, name, N, K, kind === 'w4' ? (config.quantization?.group_size ?? null) : null);
}

function readLinear(checkpoint: Checkpoint, config: ModelConfig, prefix: string, role: keyof typeof LINEARS): WeightParts {
  const names = (config.fused ? FUSED_LINEARS : LINEARS)[role];
  const sizes = partSizes(config)[role];
  const K = inputSizes(config)[role];
  const groupSize = config.quantization?.group_size ?? null;
  const parts = names.map((name, i) => weightSource(checkpoint, prefix + name, sizes[i], K, groupSize));
  if (!hasBias(config)[role]) return { parts, bias: null };
  const bias = new Float32Array(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  names.forEach((name, i) => {
    bias.set(finite(checkpoint, `${prefix}${name}.bias`, checkpoint.readFloat32(`${prefix}${name}.bias`, [sizes[i]])), at);
    at += sizes[i];
  });
  return { parts, bias };
}

function readNorm(checkpoint: Checkpoint, name: string, size: number, offset: number): Float32Array {
  const weight = finite(checkpoint, name, checkpoint.readFloat32(name, [size]));
  return offset === 0 ? weight : weight.map((w) => w + offset);
}

/** groupSize null: full precision. */
function weightSource(checkpoint: Checkpoint, name: string, N: number, K: number, groupSize: number | null): WeightSource {
  return groupSize === null ? denseSource(checkpoint, name, N, K) : w4Source(checkpoint, name, N, K, groupSize);
}

function denseSource(checkpoint: Checkpoint, name: string, N: number, K: number): WeightSource {
  const { dtype } = checkpoint.entry(`${name}.weight`, [N, K], ['F32', 'F16', 'BF16']);
  return {
    name,
    kind: 'dense',
    groupSize: 0,
    outFeatures: N,
    inFeatures: K,
    rows(start, end): WeightRows {
      const values = checkpoint.readPiece(`${name}.weight`, start, end);
      checkDense(checkpoint, name, start * K, DENSE_DTYPES[dtype], values);
      return { kind: 'dense', dtype: DENSE_DTYPES[dtype], values };
    },
  };
}

/** All exponent bits set: infinite or not a number. */
const EXPONENT = { f32: 0x7f800000, f16: 0x7c00, bf16: 0x7f80 } as const;

function checkDense(checkpoint: Checkpoint, name: string, start: number, dtype: keyof typeof EXPONENT, bytes: Uint8Array): void {
  const exponent = EXPONENT[dtype];
  const words = dtype === 'f32' ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) : new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  for (let i = 0; i < words.length; i++) {
    if ((words[i] & exponent) === exponent) {
      throw new CheckpointError(`${checkpoint.directory}: tensor ${name}.weight: expected finite numbers, seen an infinite one or NaN at element ${start + i}`);
    }
  }
}

function w4Source(checkpoint: Checkpoint, name: string, N: number, K: number, groupSize: number): WeightSource {
  const groups = groupSize === -1 ? 1 : groupsOf(K);
  checkpoint.entry(`${name}.qweight`, [N, K / 2], ['U8']);
  checkpoint.entry(`${name}.s1`, [N, groups], ['U8']);
  checkpoint.entry(`${name}.m`, [N, groups], ['I8']);
  checkpoint.entry(`${name}.s0`, [N], ['F32']);
  return {
    name,
    kind: 'w4',
    groupSize,
    outFeatures: N,
    inFeatures: K,
    rows(start, end): WeightRows {
      const s1 = checkpoint.read(`${name}.s1`, start, end);
      const m = checkpoint.read(`${name}.m`, start, end);
      const s0 = checkpoint.read(`${name}.s0`, start, end);
      const rows = {
        kind: 'w4' as const,
        q: checkpoint.readPiece(`${name}.qweight`, start, end),
        s1,
        m: new Int8Array(m.buffer, m.byteOffset, m.length),
        s0: new Float32Array(s0.buffer, s0.byteOffset, s0.length / 4),
      };
      checkW4(checkpoint, name, start, rows.s1, rows.m, rows.s0, groups);
      return rows;
    },
  };
}

function w8Source(checkpoint: Checkpoint, name: string, N: number, K: number): WeightSource {
  checkpoint.entry(`${name}.qweight`, [N, K], ['I8']);
  checkpoint.entry(`${name}.s0`, [N], ['F32']);
  return {
    name,
    kind: 'w8',
    groupSize: -1,
    outFeatures: N,
    inFeatures: K,
    rows(start, end): WeightRows {
      const scales = checkpoint.read(`${name}.s0`, start, end);
      const s0 = new Float32Array(scales.buffer, scales.byteOffset, scales.length / 4);
      checkScales(checkpoint, name, start, s0);
      const q = checkpoint.readPiece(`${name}.qweight`, start, end);
      return { kind: 'w8', q: new Int8Array(q.buffer, q.byteOffset, q.length), s0 };
    },
  };
}

/** q·s1 + m must stay within ±127 for every q, and s0 must be a usable scale: kernels rely on it. */
function checkW4(checkpoint: Checkpoint, name: string, start: number, s1: Uint8Array, m: Int8Array, s0: Float32Array, groups: number): void {
  for (let i = 0; i < s1.length; i++) {
    if (m[i] < -127 || m[i] + 15 * s1[i] > 127) {
      throw new CheckpointError(`${checkpoint.directory}: tensor ${name}.s1: row ${start + Math.floor(i / groups)}, group ${i % groups}: expected 8-bit weights within ±127, seen ${m[i]} to ${m[i]} + 15 · ${s1[i]}; the checkpoint was not quantized with the protective range`);
    }
  }
  checkScales(checkpoint, name, start, s0);
}

function checkScales(checkpoint: Checkpoint, name: string, start: number, s0: Float32Array): void {
  for (let i = 0; i < s0.length; i++) {
    if (!Number.isFinite(s0[i]) || s0[i] < 0) {
      throw new CheckpointError(`${checkpoint.directory}: tensor ${name}.s0: expected finite scales ≥ 0, seen ${s0[i]} in row ${start + i}`);
    }
  }
}

function finite(checkpoint: Checkpoint, name: string, values: Float32Array): Float32Array {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad !== -1) throw new CheckpointError(`${checkpoint.directory}: tensor ${name}: expected finite numbers, seen ${values[bad]} at ${bad}`);
  return values;
}
