/** A checkpoint directory becomes a Transformer on a device. Weights pass through in pieces; nothing is held twice. */
import { cacheBytesPerToken } from '../backend/backend.ts';
import type { Backend, KVCache, Tensor } from '../backend/backend.ts';
import { openBackend } from '../backend/open.ts';
import type { BackendName } from '../backend/open.ts';
import { readConfig } from './config.ts';
import type { ModelConfig } from './config.ts';
import { ropeTable } from './rope.ts';
import type { RopePrecision } from './rope.ts';
import { CheckpointError, openCheckpoint } from './safetensors.ts';
import type { Checkpoint } from './safetensors.ts';
import { Transformer } from './transformer.ts';
import type { Layer, StepLimits, Weights } from './transformer.ts';
import { embeddingSource, headSource, readFinalNorm, readLayer } from './weights.ts';
import type { WeightParts } from './weights.ts';

export type Precision = 'full' | 'w4a8kv4';

export interface LoadOptions extends StepLimits {
  /** `auto`: the fastest there is. */
  readonly backend: BackendName;
  /** `full`: float weights, activations and cache. `auto`: what the checkpoint is stored in. */
  readonly precision: Precision | 'auto';
  /** 0: one per core. */
  readonly threads: number;
  readonly blockSize: number;
  /** Tokens the cache holds, rounded up to blocks; null: as many as memory allows, up to DEFAULT_CACHE_CONTEXTS contexts. */
  readonly cacheTokens: number | null;
  readonly ropePrecision: RopePrecision;
}

export const LOAD_DEFAULTS: LoadOptions = {
  backend: 'auto',
  precision: 'auto',
  threads: 0,
  blockSize: 32,
  cacheTokens: null,
  ropePrecision: 'f32',
  maxStepTokens: 512,
  maxStepEntries: 64,
};

const DEFAULT_CACHE_CONTEXTS = 4;
const LEAST_DEFAULT_CACHE_TOKENS = 16384;
/** Share of the memory left after the weights that the cache takes by default. */
const DEFAULT_CACHE_SHARE = 0.5;

/** Throws CheckpointError where the checkpoint is unusable, BackendError where the device fails. */
export async function loadModel(directory: string, options: Partial<LoadOptions> = {}, onProgress?: (fraction: number) => void): Promise<Transformer> {
  const settings = { ...LOAD_DEFAULTS, ...options };
  const config = readConfig(directory);
  const precision = checkPrecision(directory, config, settings.precision);
  using checkpoint = openCheckpoint(directory);
  const backend = await openBackend(settings.backend, settings.threads);
  try {
    const weights = placeWeights(checkpoint, config, backend, onProgress);
    const cache = placeCache(config, backend, precision, settings);
    const positions = Math.min(config.maxPositions, cache.numBlocks * cache.blockSize);
    return new Transformer(config, backend, { ...weights, ropeTable: place(backend, ropeTable(config, positions, settings.ropePrecision)) }, cache, positions, settings);
  } catch (error) {
    backend.close();
    throw error;
  }
}

function checkPrecision(directory: string, config: ModelConfig, asked: LoadOptions['precision']): Precision {
  const stored: Precision = config.quantization === null ? 'full' : 'w4a8kv4';
  if (asked === 'auto' || asked === stored) return stored;
  throw new CheckpointError(
    asked === 'full'
      ? `${directory}: the checkpoint is quantized; precision full needs the full-precision one it was made from`
      : `${directory}: the checkpoint is in full precision; quantize it first: tetrad quantize ${directory} <out-dir>`,
  );
}

function placeWeights(checkpoint: Checkpoint, config: ModelConfig, backend: Backend, onProgress?: (fraction: number) => void): Omit<Weights, 'ropeTable'> {
  const pack = ({ parts, bias }: WeightParts) => backend.packLinear(parts, bias);
  const embedding = pack({ parts: [embeddingSource(checkpoint, config)], bias: null });
  const layers: Layer[] = [];
  for (let i = 0; i < config.numLayers; i++) {
    const layer = readLayer(checkpoint, config, i);
    const norm = (values: Float32Array | null): Tensor | null => values && place(backend, values);
    layers.push({
      inputNorm: place(backend, layer.inputNorm),
      mlpNorm: place(backend, layer.mlpNorm),
      attentionPostNorm: norm(layer.attentionPostNorm),
      mlpPostNorm: norm(layer.mlpPostNorm),
      qNorm: norm(layer.qNorm),
      kNorm: norm(layer.kNorm),
      qkv: pack(layer.qkv),
      output: pack(layer.output),
      gateUp: pack(layer.gateUp),
      down: pack(layer.down),
    });
    onProgress?.((i + 1) / (config.numLayers + 1));
  }
  const head = headSource(checkpoint, config);
  const finalNorm = place(backend, readFinalNorm(checkpoint, config));
  return { embedding, layers, finalNorm, head: head === null ? embedding : pack({ parts: [head], bias: null }) };
}

function placeCache(config: ModelConfig, backend: Backend, precision: Precision, options: LoadOptions): KVCache {
  const shape = {
    precision: precision === 'full' ? ('full' as const) : ('kv4' as const),
    numLayers: config.numLayers,
    numKVHeads: config.numKVHeads,
    headSize: config.headSize,
  };
  const wanted = Math.max(LEAST_DEFAULT_CACHE_TOKENS, DEFAULT_CACHE_CONTEXTS * config.maxPositions);
  const fitting = Math.floor((backend.availableBytes() * DEFAULT_CACHE_SHARE) / cacheBytesPerToken(shape));
  const tokens = options.cacheTokens ?? Math.min(wanted, fitting);
  const numBlocks = Math.ceil(tokens / options.blockSize);
  return backend.allocateCache({ ...shape, numBlocks, blockSize: options.blockSize });
}

function place(backend: Backend, values: Float32Array): Tensor {
  const tensor = backend.allocate('f32', values.length);
  backend.write(tensor, values);
  return tensor;
}
