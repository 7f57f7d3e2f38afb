import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readReferenceLogits, relativeError, sequenceLogits } from '../evaluate/logits.ts';
import { readConfig } from '../model/config.ts';
import { loadModel } from '../model/load.ts';
import { openCheckpoint, type Checkpoint } from '../model/safetensors.ts';
import { bytesOf, encodeWeight } from './encode.ts';
import { planCheckpoint, tensorsOf, type Plan } from './plan.ts';
import { quantize } from './quantize.ts';
import { Rotation, rotationOf } from './rotate.ts';
import { CheckpointWriter } from './write.ts';

const FIXTURES = 'test/fixtures/hf';
const ROTATED = ['llama3', 'llama-head128', 'ministral', 'mistral-swa', 'qwen2', 'qwen3', 'phi4-mini'];

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tetrad-rotate-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** The checkpoint rotated and nothing else, in float32. */
async function writeRotated(source: string, target: string): Promise<void> {
  const config = readConfig(source);
  const rotation = rotationOf(config);
  if (!(rotation instanceof Rotation)) throw new Error(rotation.reason);
  using checkpoint = openCheckpoint(source);
  const plan = inFloat32(planCheckpoint(checkpoint, config, rotation, { groupSize: 128, embedding: 'dense', head: 'dense' }), checkpoint);
  const writer = new CheckpointWriter(target, tensorsOf(plan, 128));
  for (const weight of plan.weights) {
    await encodeWeight(weight, { rotation, groupSize: 128, write: (name, offset, bytes) => writer.write(name, offset, bytes), onPiece: async () => {} });
  }
  for (const { name, values } of plan.vectors) writer.write(name, 0, bytesOf(values));
  const json = JSON.parse(readFileSync(join(source, 'config.json'), 'utf8')) as Record<string, unknown>;
  // Phi-3 differs from Llama in its fused weights alone, which are split now.
  const architectures = config.fused ? ['LlamaForCausalLM'] : json.architectures;
  writer.writeFile('config.json', JSON.stringify({ ...json, architectures, tie_word_embeddings: plan.tiedEmbedding }));
  if (existsSync(join(source, 'generation_config.json'))) writer.writeFile('generation_config.json', readFileSync(join(source, 'generation_config.json')));
  writer.commit(false);
}

function inFloat32(plan: Plan, checkpoint: Checkpoint): Plan {
  const weights = plan.weights.map((weight) => {
    const values = checkpoint.readFloat32(`${weight.source.name}.weight`);
    const rows = (start: number, end: number) => ({ kind: 'dense' as const, dtype: 'f32' as const, values: bytesOf(values.slice(start * weight.columns, end * weight.columns)) });
    return { ...weight, format: 'dense' as const, source: { ...weight.source, rows } };
  });
  return { ...plan, weights };
}

/** A checkpoint with random weights whose hidden size is 12 · 8 and whose linears all have biases. */
function writeBiased(target: string): void {
  const [C, F, V] = [96, 160, 64];
  const shapes: Record<string, number[]> = { 'model.embed_tokens.weight': [V, C], 'model.norm.weight': [C] };
  for (const layer of ['model.layers.0.', 'model.layers.1.']) {
    shapes[`${layer}input_layernorm.weight`] = [C];
    shapes[`${layer}post_attention_layernorm.weight`] = [C];
    const linears = { 'self_attn.q_proj': [C, C], 'self_attn.k_proj': [48, C], 'self_attn.v_proj': [48, C], 'self_attn.o_proj': [C, C], 'mlp.gate_proj': [F, C], 'mlp.up_proj': [F, C], 'mlp.down_proj': [C, F] };
    for (const [name, shape] of Object.entries(linears)) {
      shapes[`${layer}${name}.weight`] = shape;
      shapes[`${layer}${name}.bias`] = [shape[0]];
    }
  }
  const writer = new CheckpointWriter(target, Object.entries(shapes).map(([name, shape]) => ({ name, shape, dtype: 'F32' })));
  let seed = 1;
  for (const [name, shape] of Object.entries(shapes)) {
    const length = shape.reduce((product, size) => product * size, 1);
    const values = Float32Array.from({ length }, () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return (seed / 2 ** 32 - 0.5) * 0.5 + (name.includes('norm') ? 1 : 0);
    });
    writer.write(name, 0, bytesOf(values));
  }
  const json = JSON.parse(readFileSync(join(FIXTURES, 'llama3', 'config.json'), 'utf8')) as Record<string, unknown>;
  const sizes = { hidden_size: C, intermediate_size: F, vocab_size: V, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 24 };
  writer.writeFile('config.json', JSON.stringify({ ...json, ...sizes, attention_bias: true, mlp_bias: true, tie_word_embeddings: true }));
  writer.commit(false);
}

async function logitsOf(path: string, ids: Int32Array): Promise<Float32Array> {
  const model = await loadModel(path, { backend: 'reference', cacheTokens: ids.length });
  const out = sequenceLogits(model, ids);
  model.close();
  return out;
}

describe('rotation', () => {
  it.each(ROTATED)('leaves the logits of %s as they are', async (name) => {
    const source = join(FIXTURES, name);
    const target = join(directory, name);
    await writeRotated(source, target);
    const { inputIds } = readReferenceLogits(join(source, 'reference.safetensors'));
    expect(relativeError(await logitsOf(target, inputIds), await logitsOf(source, inputIds))).toBeLessThan(1e-4);
  });

  it('is exact with biases, a tied head and a size that is no power of two, and quantizes with short groups', async () => {
    const [source, target, quantized] = ['biased', 'biased-rotated', 'biased-quantized'].map((name) => join(directory, name));
    writeBiased(source);
    await writeRotated(source, target);
    const ids = Int32Array.from({ length: 40 }, (_, i) => (i * i) % 64);
    const before = await logitsOf(source, ids);
    expect(relativeError(await logitsOf(target, ids), before)).toBeLessThan(1e-4);
    const { record } = await quantize(source, quantized);
    expect(record.steps).toContain('rotate');
    expect(record.errors.total).toBeLessThan(0.11);
    expect(relativeError(await logitsOf(quantized, ids), before)).toBeLessThan(0.7); // as in quantize.test.ts
  });

  it('changes every weight that meets the residual stream', async () => {
    using before = openCheckpoint(join(FIXTURES, 'llama3'));
    using after = openCheckpoint(join(directory, 'llama3'));
    for (const name of before.names.filter((name) => name.includes('proj') || name.includes('embed') || name === 'lm_head.weight')) {
      expect(relativeError(after.readFloat32(name), before.readFloat32(name)), name).toBeGreaterThan(0.5);
    }
    expect(new Set(after.readFloat32('model.norm.weight'))).toEqual(new Set([1]));
  });

  it('spreads an outlier over all channels', () => {
    const rotation = rotationOf(readConfig(join(FIXTURES, 'llama3'))) as Rotation;
    const v = new Float64Array(128);
    v[17] = 1;
    rotation.vector(v);
    for (const x of v) expect(Math.abs(x)).toBeCloseTo(1 / Math.sqrt(128), 12);
  });

  it('is refused where it would not be exact', () => {
    expect(rotationOf(readConfig(join(FIXTURES, 'gemma2')))).toEqual({ reason: 'norms before the residual add make it inexact' });
    expect(rotationOf({ ...readConfig(join(FIXTURES, 'llama3')), hiddenSize: 130 })).toEqual({ reason: 'no Hadamard matrix of hidden size 130 is known' });
  });

  it('takes the offset of stored norm weights into account', async () => {
    const source = join(FIXTURES, 'llama3');
    using checkpoint = openCheckpoint(source);
    const config = readConfig(source);
    const rotation = rotationOf(config) as Rotation;
    const storage = { groupSize: 128, embedding: 'dense', head: 'dense' } as const;
    const plain = planCheckpoint(checkpoint, config, rotation, storage);
    const offset = planCheckpoint(checkpoint, { ...config, normOffset: 1 }, rotation, storage);
    const query = (plan: Plan) => plan.weights.find((weight) => weight.name.endsWith('0.self_attn.q_proj'))!;
    const norm = (plan: Plan) => plan.vectors.find((vector) => vector.name === 'model.norm.weight')!;
    expect(query(offset).norm).toEqual(query(plain).norm!.map((w) => w + 1));
    expect(norm(plain).values.every((w) => w === 1)).toBe(true);
    expect(norm(offset).values.every((w) => w === 0)).toBe(true);
  });
});

