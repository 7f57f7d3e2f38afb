import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseConfig } from './config.ts';
import { ropeClass, ropeTable } from './rope.ts';

type Json = Record<string, unknown>;
const fixture = (name: string): Json => JSON.parse(readFileSync(`test/fixtures/hf/${name}/config.json`, 'utf8')) as Json;

/** The same settings as they were spelled before transformers 5. */
function older(config: Json): Json {
  const { rope_parameters: rope, dtype, ...rest } = config as { rope_parameters: Json; dtype: string };
  const { rope_theta, rope_type, partial_rotary_factor, original_max_position_embeddings: original, ...scaling } = rope;
  const scaled = rope_type !== 'default';
  const partial = partial_rotary_factor === undefined ? {} : { partial_rotary_factor };
  const inScaling = rope_type === 'llama3' ? { original_max_position_embeddings: original } : {};
  return { ...rest, ...partial, torch_dtype: dtype, rope_theta, rope_scaling: scaled ? { ...scaling, ...inScaling, [rope_type === 'llama3' ? 'rope_type' : 'type']: rope_type } : null };
}

test.each(['llama3', 'phi4-mini', 'qwen2', 'qwen3', 'gemma2', 'mistral-swa', 'ministral', 'llama-head128'])('%s: older spelling means the same', (name) => {
  expect(parseConfig(older(fixture(name)))).toEqual(parseConfig(fixture(name)));
});

test('windows follow layer_types, the pattern of the family, or nothing', () => {
  expect(parseConfig(fixture('gemma2')).windows).toEqual([16, 0, 16, 0]);
  expect(parseConfig({ ...fixture('gemma2'), layer_types: undefined }).windows).toEqual([16, 0, 16, 0]);
  expect(parseConfig(fixture('mistral-swa')).windows).toEqual([24, 24, 24]);
  expect(parseConfig({ ...fixture('qwen2'), sliding_window: 32, layer_types: undefined }).windows).toEqual([0, 0, 0]);
  expect(parseConfig({ ...fixture('qwen2'), sliding_window: 32, use_sliding_window: true, max_window_layers: 1, layer_types: undefined }).windows).toEqual([0, 32, 32]);
});

const without = (name: string, ...keys: string[]): Json => Object.fromEntries(Object.entries(fixture(name)).filter(([key]) => !keys.includes(key)));

test('absent keys mean what the architecture assumes; null means none', () => {
  const mistral = without('mistral-swa', 'num_key_value_heads', 'sliding_window', 'layer_types');
  expect(parseConfig({ ...mistral, num_attention_heads: 16 })).toMatchObject({ numKVHeads: 8, windows: [4096, 4096, 4096] });
  expect(parseConfig({ ...mistral, num_attention_heads: 16, num_key_value_heads: null, sliding_window: null })).toMatchObject({ numKVHeads: 16, windows: [0, 0, 0] });
  expect(parseConfig({ ...without('qwen2', 'max_window_layers', 'layer_types'), sliding_window: 8, use_sliding_window: true }).windows).toEqual([0, 0, 0]);
  expect(parseConfig(without('qwen3', 'head_dim')).headSize).toBe(128);
  const gemma = without('gemma2', 'head_dim', 'query_pre_attn_scalar', 'attn_logit_softcapping', 'final_logit_softcapping', 'tie_word_embeddings');
  expect(parseConfig(gemma)).toMatchObject({ headSize: 256, attentionScale: 1 / 16, attentionSoftcap: 50, logitSoftcap: 30, tiedEmbedding: true });
  expect(parseConfig({ ...gemma, attn_logit_softcapping: null, final_logit_softcapping: null })).toMatchObject({ attentionSoftcap: 0, logitSoftcap: 0 });
});

test('keys that an architecture does not know are passed over, as transformers does', () => {
  expect(parseConfig({ ...fixture('qwen2'), attention_bias: true, mlp_bias: true })).toMatchObject({ attentionBias: 'qkv', mlpBias: false });
  expect(parseConfig({ ...fixture('mistral-swa'), attention_bias: true }).attentionBias).toBe('none');
  expect(parseConfig({ ...fixture('qwen3'), attention_bias: true }).attentionBias).toBe('qkvo');
  expect(parseConfig({ ...without('gemma2', 'hidden_activation'), hidden_act: 'gelu' }).activation).toBe('gelu_tanh');
});

test('generation_config.json has the last word on the end of sequence', () => {
  expect(parseConfig(fixture('llama3'), { eos_token_id: [7, 9] }).eosTokenIds).toEqual([7, 9]);
  expect(parseConfig(fixture('llama3'), {}).eosTokenIds).toEqual([2]);
});

test.each([
  [{ hidden_size: 0 }, /hidden_size: expected an integer from 1/],
  [{ num_key_value_heads: 3 }, /num_key_value_heads: expected a divisor/],
  [{ hidden_act: 'relu' }, /hidden_act: expected silu/],
  [{ max_position_embeddings: 'many' }, /max_position_embeddings/],
  [{ max_position_embeddings: 2 ** 30 }, /max_position_embeddings: expected an integer from 1 to 16777216/],
  [{ rope_parameters: { rope_type: 'dynamic' } }, /rope_type: expected default, linear, llama3, longrope, yarn, seen "dynamic"/],
  [{ quantization_config: { quant_method: 'gptq' } }, /quant_method: expected tetrad/],
  [{ layer_types: ['full_attention'] }, /layer_types: expected an array of 3/],
  [{ architectures: [] }, /architecture null is not supported/],
  [{ architectures: ['constructor'] }, /architecture "constructor" is not supported/],
  [{ hidden_act: 'toString' }, /hidden_act: expected silu/],
  [{ rms_norm_eps: -1 }, /rms_norm_eps: expected a number above 0, seen -1/],
  [{ rope_parameters: { rope_type: 'default', rope_theta: 0 } }, /rope_theta: expected a number above 1, seen 0/],
  [{ rope_parameters: { rope_type: 'linear', factor: 0 } }, /factor: expected a number above 0, seen 0/],
  [{ rope_parameters: { rope_type: 'llama3', factor: 8, high_freq_factor: 1 } }, /high_freq_factor: expected a number above low_freq_factor 1/],
])('%o is refused', (change, message) => {
  expect(() => parseConfig({ ...fixture('llama3'), ...change })).toThrow(message);
});

test('an error shows the beginning of what is too long to show', () => {
  expect(() => parseConfig({ ...fixture('llama3'), hidden_act: 'x'.repeat(5e6) })).toThrow(/seen "x{119}… \(5000002 characters\)$/);
});

test('longrope has a class of short and a class of long factors', () => {
  const config = parseConfig(fixture('phi4-mini'));
  expect([ropeClass(config.rope, 64), ropeClass(config.rope, 65)]).toEqual([0, 1]);
  const table = ropeTable(config, 100);
  expect(table.length).toBe(2 * 100 * config.rope.rotaryDim);
  const factor = Math.sqrt(1 + Math.log(4) / Math.log(64));
  expect(table[0]).toBeCloseTo(factor, 6);
  expect(table[100 * config.rope.rotaryDim + config.rope.rotaryDim + 1]).toBeCloseTo(Math.cos(10000 ** (-2 / 24) / 1.3) * factor, 6);
});

test('linear and yarn scaling stretch the wavelengths', () => {
  const base = { ...fixture('llama3'), max_position_embeddings: 4096 };
  const plain = ropeTable(parseConfig({ ...base, rope_parameters: { rope_type: 'default', rope_theta: 10000 } }), 400);
  const linear = ropeTable(parseConfig({ ...base, rope_parameters: { rope_type: 'linear', rope_theta: 10000, factor: 4 } }), 400);
  const D = 32;
  for (let i = 0; i < D; i++) expect(linear[80 * D + i]).toBeCloseTo(plain[20 * D + i], 5);

  const yarn = parseConfig({ ...base, rope_parameters: { rope_type: 'yarn', rope_theta: 10000, factor: 4, original_max_position_embeddings: 1024 } });
  const table = ropeTable(yarn, 400);
  const factor = 0.1 * Math.log(4) + 1;
  expect(table[80 * D]).toBeCloseTo(plain[80 * D] * factor, 5);
  expect(table[80 * D + 15]).toBeCloseTo(plain[20 * D + 15] * factor, 5);
});
