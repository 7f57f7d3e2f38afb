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

describe('rotation', () => {
  it.each(ROTATED)('leaves the logits of %s as they are', async (name) => {
    const source = join(FIXTURES, name);
    const target = join(directory, name);
    await writeRotated(source, target);
    const { inputIds } = readReferenceLogits(join(source, 'reference.safetensors'));
    const logits = await Promise.all(
      [source, target].map(async (path) => {
        const model = await loadModel(path, { backend: 'reference', precision: 'full', cacheTokens: inputIds.length });
        const out = sequenceLogits(model, inputIds);
        model.close();
        return out;
      }),
    );
    expect(relativeError(logits[1], logits[0])).toBeLessThan(1e-4);
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

