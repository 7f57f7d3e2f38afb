import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { WeightKind } from '../backend/backend.ts';
import { CheckpointError, isRecord, readJson, show } from './safetensors.ts';

/** What a checkpoint's config.json says, in one form for every architecture. Sizes in elements, positions in tokens. */
export interface ModelConfig {
  /** As in config.json, e.g. LlamaForCausalLM. */
  readonly architecture: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKVHeads: number;
  readonly headSize: number;
  readonly activation: 'silu' | 'gelu_tanh';
  readonly normEpsilon: number;
  /** Added to the stored norm weights (Gemma: 1). */
  readonly normOffset: number;
  /** Norms after attention and MLP, before the residual add (Gemma 2). */
  readonly postNorms: boolean;
  readonly qkNorm: boolean;
  /** The checkpoint stores q, k, v and gate, up as one tensor each (Phi-3). */
  readonly fused: boolean;
  readonly attentionBias: 'none' | 'qkv' | 'qkvo';
  readonly mlpBias: boolean;
  readonly embeddingScale: number;
  readonly tiedEmbedding: boolean;
  readonly attentionScale: number;
  /** 0: none. */
  readonly attentionSoftcap: number;
  readonly logitSoftcap: number;
  /** Per layer, tokens seen by attention, the own one included; 0: all. */
  readonly windows: readonly number[];
  readonly rope: RopeConfig;
  readonly maxPositions: number;
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
  readonly padTokenId: number | null;
  /** How the weights were quantized; null for a full-precision checkpoint. */
  readonly quantization: QuantizationConfig | null;
}

export interface RopeConfig {
  readonly type: 'default' | 'linear' | 'llama3' | 'longrope' | 'yarn';
  readonly theta: number;
  /** Leading elements of a head that are rotated. */
  readonly rotaryDim: number;
  readonly factor: number;
  readonly originalMaxPositions: number;
  readonly lowFreqFactor: number;
  readonly highFreqFactor: number;
  readonly betaFast: number;
  readonly betaSlow: number;
  readonly shortFactor: readonly number[];
  readonly longFactor: readonly number[];
  /** Multiplies cosines and sines; null: by the rule of the type. */
  readonly attentionFactor: number | null;
}

/** `quantization_config` of a Tetrad checkpoint. */
export interface QuantizationConfig {
  readonly quant_method: 'tetrad';
  readonly version: 1;
  /** 128, or -1: one group per output channel. */
  readonly group_size: number;
  /** Stored in 4 bits as well, in 8, or left as they were. */
  readonly embedding: WeightKind;
  readonly head: WeightKind;
  /** What was done to the weights first, e.g. ["rotate"]. */
  readonly steps: readonly string[];
}

type Json = Record<string, unknown>;

/** What an architecture does, where they differ. */
interface Architecture {
  /** What transformers assumes for keys that config.json lacks; a null there is not absent, it says "none". */
  readonly defaults: Json;
  /** Always there on q, k and v, whatever `attention_bias` says. */
  readonly qkvBias?: boolean;
  /** Which of these keys count; elsewhere transformers ignores them. */
  readonly biasKeys?: readonly ('attention_bias' | 'mlp_bias')[];
  /** By default hidden_act. */
  readonly activationKey?: string;
  readonly qkNorm?: boolean;
  readonly fused?: boolean;
  readonly postNorms?: boolean;
  readonly normOffset?: number;
  readonly scaledEmbedding?: boolean;
  /** Which layers `sliding_window` holds for, where `layer_types` does not say. */
  readonly window?: (layer: number, fields: Fields) => boolean;
}

/** Positions and ids beyond it are not exact in float32. */
const LARGEST_EXACT = 1 << 24;

const everyLayer = (): boolean => true;
const QWEN_DEFAULTS = { num_key_value_heads: 32, sliding_window: 4096, max_window_layers: 28 };

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  LlamaForCausalLM: { defaults: {}, biasKeys: ['attention_bias', 'mlp_bias'] },
  MistralForCausalLM: { defaults: { num_key_value_heads: 8, sliding_window: 4096 }, window: everyLayer },
  MinistralForCausalLM: { defaults: { num_key_value_heads: 8, sliding_window: 4096 }, window: everyLayer },
  Qwen2ForCausalLM: { defaults: QWEN_DEFAULTS, qkvBias: true, window: qwenWindow },
  Qwen3ForCausalLM: { defaults: { ...QWEN_DEFAULTS, head_dim: 128 }, biasKeys: ['attention_bias'], qkNorm: true, window: qwenWindow },
  Phi3ForCausalLM: { defaults: { rms_norm_eps: 1e-5 }, fused: true, window: everyLayer },
  Gemma2ForCausalLM: {
    defaults: {
      num_key_value_heads: 4,
      head_dim: 256,
      query_pre_attn_scalar: 256,
      sliding_window: 4096,
      attn_logit_softcapping: 50,
      final_logit_softcapping: 30,
      hidden_activation: 'gelu_pytorch_tanh',
      tie_word_embeddings: true,
    },
    biasKeys: ['attention_bias'],
    activationKey: 'hidden_activation',
    postNorms: true,
    normOffset: 1,
    scaledEmbedding: true,
    window: (layer) => layer % 2 === 0,
  },
};

const ACTIVATIONS: Readonly<Record<string, ModelConfig['activation']>> = {
  silu: 'silu',
  swish: 'silu',
  gelu_pytorch_tanh: 'gelu_tanh',
  gelu_new: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_accurate: 'gelu_tanh',
};

/** Names come from files, and every object has a `constructor`. */
const lookUp = <T>(table: Readonly<Record<string, T>>, name: unknown): T | undefined => (typeof name === 'string' && Object.hasOwn(table, name) ? table[name] : undefined);

/** Reads config.json and, where there is one, generation_config.json. Throws CheckpointError. */
export function readConfig(directory: string): ModelConfig {
  const file = join(directory, 'config.json');
  const generation = join(directory, 'generation_config.json');
  return parseConfig(readJson(file), existsSync(generation) ? readJson(generation) : {}, file);
}

export function parseConfig(value: unknown, generationValue: unknown = {}, file = 'config.json'): ModelConfig {
  if (!isRecord(value)) throw new CheckpointError(`${file}: expected a JSON object`);
  const generation = new Fields(`${file} (generation_config.json)`, isRecord(generationValue) ? generationValue : {});
  const name = (Array.isArray(value.architectures) ? value.architectures[0] : undefined) as unknown;
  const architecture = lookUp(ARCHITECTURES, name);
  if (typeof name !== 'string' || architecture === undefined) {
    throw new CheckpointError(`${file}: architecture ${show(name ?? null)} is not supported; supported: ${Object.keys(ARCHITECTURES).join(', ')}`);
  }
  const fields = new Fields(file, { ...architecture.defaults, ...value });
  const hasBias = (key: 'attention_bias' | 'mlp_bias'): boolean => architecture.biasKeys?.includes(key) === true && fields.flag(key, false);

  const softcap = (key: string): number => (fields.value(key) == null ? 0 : fields.above(0, key));

  const hiddenSize = fields.size('hidden_size');
  const numLayers = fields.size('num_hidden_layers', undefined, 4096);
  const numHeads = fields.size('num_attention_heads');
  const numKVHeads = fields.size('num_key_value_heads', numHeads);
  const headSize = fields.size('head_dim', Math.floor(hiddenSize / numHeads), 1024);
  if (numHeads % numKVHeads !== 0) throw fields.wrong('num_key_value_heads', `a divisor of num_attention_heads (${numHeads})`, numKVHeads);
  if (headSize % 2 !== 0) throw fields.wrong('head_dim', 'an even number', headSize);
  const activationKey = architecture.activationKey ?? 'hidden_act';
  const activationName = fields.text(activationKey, 'silu');
  const activation = lookUp(ACTIVATIONS, activationName);
  if (activation === undefined) throw fields.wrong(activationKey, Object.keys(ACTIVATIONS).join(', '), activationName);
  const quantization = parseQuantization(fields);
  const maxPositions = fields.size('max_position_embeddings', undefined, LARGEST_EXACT);

  return {
    architecture: name,
    vocabSize: fields.size('vocab_size', undefined, LARGEST_EXACT),
    hiddenSize,
    intermediateSize: fields.size('intermediate_size'),
    numLayers,
    numHeads,
    numKVHeads,
    headSize,
    activation,
    normEpsilon: fields.above(0, 'rms_norm_eps', 1e-6),
    normOffset: architecture.normOffset ?? 0,
    postNorms: architecture.postNorms ?? false,
    qkNorm: architecture.qkNorm ?? false,
    fused: (architecture.fused ?? false) && quantization === null,
    attentionBias: hasBias('attention_bias') ? 'qkvo' : architecture.qkvBias === true ? 'qkv' : 'none',
    mlpBias: hasBias('mlp_bias'),
    embeddingScale: architecture.scaledEmbedding ? Math.fround(Math.sqrt(hiddenSize)) : 1,
    tiedEmbedding: fields.flag('tie_word_embeddings', false),
    attentionScale: 1 / Math.sqrt(fields.above(0, 'query_pre_attn_scalar', headSize)),
    attentionSoftcap: softcap('attn_logit_softcapping'),
    logitSoftcap: softcap('final_logit_softcapping'),
    windows: parseWindows(fields, architecture, numLayers),
    rope: parseRope(fields, headSize, maxPositions),
    maxPositions,
    bosTokenId: tokenIds(generation, fields, 'bos_token_id')[0] ?? null,
    eosTokenIds: tokenIds(generation, fields, 'eos_token_id'),
    padTokenId: tokenIds(generation, fields, 'pad_token_id')[0] ?? null,
    quantization,
  };
}

function parseWindows(fields: Fields, architecture: Architecture, numLayers: number): number[] {
  const window = fields.value('sliding_window') == null ? 0 : fields.size('sliding_window');
  const types = fields.value('layer_types');
  if (types != null) {
    if (!Array.isArray(types) || types.length !== numLayers) throw fields.wrong('layer_types', `an array of ${numLayers}`, types);
    return types.map((type: unknown) => {
      if (type === 'full_attention') return 0;
      if (type === 'sliding_attention' && window > 0) return window;
      throw fields.wrong('layer_types', 'full_attention, or sliding_attention with a sliding_window', type);
    });
  }
  return Array.from({ length: numLayers }, (_, layer) => (architecture.window?.(layer, fields) ? window : 0));
}

function qwenWindow(layer: number, fields: Fields): boolean {
  return fields.flag('use_sliding_window', false) && layer >= fields.number('max_window_layers', 0);
}

/** transformers 5 has `rope_parameters`; before, `rope_theta`, `rope_scaling` and `partial_rotary_factor` stood apart. */
function parseRope(fields: Fields, headSize: number, maxPositions: number): RopeConfig {
  const parameters = fields.object('rope_parameters') ?? fields.object('rope_scaling') ?? fields.nested('rope_scaling', {});
  const saidType = parameters.text('rope_type', parameters.text('type', 'default'));
  const type = saidType === 'su' ? 'longrope' : saidType;
  if (!isRopeType(type)) throw parameters.wrong('rope_type', ROPE_TYPES.join(', '), type);
  const theta = parameters.above(1, 'rope_theta', fields.above(1, 'rope_theta', 10000));
  const partial = parameters.number('partial_rotary_factor', fields.number('partial_rotary_factor', 1));
  const rotaryDim = Math.floor(headSize * partial);
  if (rotaryDim < 2 || rotaryDim > headSize || rotaryDim % 2 !== 0) throw parameters.wrong('partial_rotary_factor', `an even share of head_dim ${headSize}`, partial);
  const originalMaxPositions = parameters.size('original_max_position_embeddings', fields.size('original_max_position_embeddings', maxPositions));
  const attentionFactor = parameters.value('attention_factor');
  const rope: RopeConfig = {
    type,
    theta,
    rotaryDim,
    factor: parameters.above(0, 'factor', type === 'longrope' ? maxPositions / originalMaxPositions : 1),
    originalMaxPositions,
    lowFreqFactor: parameters.above(0, 'low_freq_factor', 1),
    highFreqFactor: parameters.above(0, 'high_freq_factor', 4),
    betaFast: parameters.above(0, 'beta_fast', 32),
    betaSlow: parameters.above(0, 'beta_slow', 1),
    shortFactor: parameters.numbers('short_factor'),
    longFactor: parameters.numbers('long_factor'),
    attentionFactor: attentionFactor == null ? null : parameters.above(0, 'attention_factor'),
  };
  if (type === 'longrope') {
    for (const [key, factors] of [['short_factor', rope.shortFactor], ['long_factor', rope.longFactor]] as const) {
      if (factors.length !== rotaryDim / 2) throw parameters.wrong(key, `${rotaryDim / 2} numbers`, factors.length);
      if (!factors.every((factor) => factor > 0)) throw parameters.wrong(key, 'numbers above 0', factors);
    }
  }
  if (type === 'llama3' && rope.highFreqFactor <= rope.lowFreqFactor) throw parameters.wrong('high_freq_factor', `a number above low_freq_factor ${rope.lowFreqFactor}`, rope.highFreqFactor);
  return rope;
}

const ROPE_TYPES = ['default', 'linear', 'llama3', 'longrope', 'yarn'] as const;

function isRopeType(type: string): type is RopeConfig['type'] {
  return (ROPE_TYPES as readonly string[]).includes(type);
}

function parseQuantization(fields: Fields): QuantizationConfig | null {
  const value = fields.object('quantization_config');
  if (value === null) return null;
  const method = value.text('quant_method', '');
  if (method !== 'tetrad') throw value.wrong('quant_method', 'tetrad (quantize the full-precision checkpoint with `tetrad quantize`)', method);
  if (value.number('version', 0) !== 1) throw value.wrong('version', '1', value.value('version'));
  const groupSize = value.number('group_size', 0);
  if (groupSize !== 128 && groupSize !== -1) throw value.wrong('group_size', '128 or -1', groupSize);
  const storage = (key: string): WeightKind => {
    const kind = value.text(key, 'dense');
    if (kind !== 'w4' && kind !== 'w8' && kind !== 'dense') throw value.wrong(key, 'w4, w8 or dense', kind);
    return kind;
  };
  const steps = value.value('steps');
  return {
    quant_method: 'tetrad',
    version: 1,
    group_size: groupSize,
    embedding: storage('embedding'),
    head: storage('head'),
    steps: Array.isArray(steps) ? steps.map(String) : [],
  };
}

function tokenIds(generation: Fields, fields: Fields, key: string): number[] {
  const value = generation.value(key) ?? fields.value(key) ?? [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((id) => {
    if (!Number.isInteger(id) || (id as number) < 0) throw fields.wrong(key, 'a token id or an array of them', value);
    return id as number;
  });
}

/** Typed access to a JSON object with errors that name file and key. A key that is null counts as absent. */
class Fields {
  readonly #file: string;
  readonly #json: Json;

  constructor(file: string, json: Json) {
    this.#file = file;
    this.#json = json;
  }

  wrong(key: string, expected: string, seen: unknown): CheckpointError {
    return new CheckpointError(`${this.#file}: ${key}: expected ${expected}, seen ${show(seen)}`);
  }

  value(key: string): unknown {
    return this.#json[key];
  }

  number(key: string, fallback?: number): number {
    const value = this.#json[key] ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.wrong(key, 'a number', value);
    return value;
  }

  /** A number above `bound`. */
  above(bound: number, key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (!(value > bound)) throw this.wrong(key, `a number above ${bound}`, value);
    return value;
  }

  /** A positive integer. */
  size(key: string, fallback?: number, most = 1 << 30): number {
    const value = this.#json[key] ?? fallback;
    if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > most) throw this.wrong(key, `an integer from 1 to ${most}`, value);
    return value as number;
  }

  text(key: string, fallback: string): string {
    const value = this.#json[key] ?? fallback;
    if (typeof value !== 'string') throw this.wrong(key, 'a string', value);
    return value;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.#json[key] ?? fallback;
    if (typeof value !== 'boolean') throw this.wrong(key, 'true or false', value);
    return value;
  }

  numbers(key: string): number[] {
    const value = this.#json[key] ?? [];
    if (!Array.isArray(value) || !value.every((n) => typeof n === 'number' && Number.isFinite(n))) throw this.wrong(key, 'an array of numbers', value);
    return value as number[];
  }

  object(key: string): Fields | null {
    const value = this.#json[key];
    if (value == null) return null;
    if (!isRecord(value)) throw this.wrong(key, 'an object', value);
    return this.nested(key, value);
  }

  nested(key: string, json: Json): Fields {
    return new Fields(`${this.#file}: ${key}`, json);
  }
}
