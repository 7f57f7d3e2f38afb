import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readReferenceLogits, relativeError, sequenceLogits } from '../evaluate/logits.ts';
import { readConfig } from '../model/config.ts';
import { loadModel } from '../model/load.ts';
import { CheckpointError, openCheckpoint } from '../model/safetensors.ts';
import type { Checkpoint } from '../model/safetensors.ts';
import { bytesOf } from './encode.ts';
import type { PlannedTensor } from './plan.ts';
import { quantize } from './quantize.ts';
import type { QuantizeOptions } from './quantize.ts';
import { CheckpointWriter } from './write.ts';

const FIXTURES = 'test/fixtures/hf';
const LLAMA = join(FIXTURES, 'llama3');

let root: string;
let target: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tetrad-quantize-'));
  target = join(root, 'out');
});
afterEach(() => rmSync(root, { recursive: true }));

/** W of a 4-bit weight, written out as in the documentation of the format. */
function dequantize(checkpoint: Checkpoint, name: string, groupSize: number): Float32Array {
  const [N, half] = checkpoint.entry(`${name}.qweight`, undefined, ['U8']).shape;
  const K = 2 * half;
  const groups = groupSize === -1 ? 1 : Math.ceil(K / groupSize);
  checkpoint.entry(`${name}.s1`, [N, groups], ['U8']);
  checkpoint.entry(`${name}.m`, [N, groups], ['I8']);
  checkpoint.entry(`${name}.s0`, [N], ['F32']);
  const q = checkpoint.read(`${name}.qweight`);
  const s1 = checkpoint.read(`${name}.s1`);
  const m = new Int8Array(checkpoint.read(`${name}.m`).buffer);
  const s0 = checkpoint.readFloat32(`${name}.s0`);
  return Float32Array.from({ length: N * K }, (_, i) => {
    const row = Math.floor(i / K);
    const column = i % K;
    const group = row * groups + (groupSize === -1 ? 0 : Math.floor(column / groupSize));
    const nibble = (q[row * half + (column >> 1)] >> (4 * (column & 1))) & 15;
    return (nibble * s1[group] + m[group]) * s0[row];
  });
}

/** A copy of the fixture in float32 whose tensors a callback may change. */
function writeVariant(directory: string, change: (values: Map<string, Float32Array>) => void, config: Record<string, unknown> = {}): void {
  using checkpoint = openCheckpoint(LLAMA);
  const shapes = new Map(checkpoint.names.map((name) => [name, checkpoint.entry(name).shape]));
  const values = new Map(checkpoint.names.map((name) => [name, checkpoint.readFloat32(name)]));
  change(values);
  const tensors = [...values].map(([name, v]): PlannedTensor => ({ name, dtype: 'F32', shape: shapes.get(name) ?? [v.length] }));
  const writer = new CheckpointWriter(directory, tensors);
  for (const [name, v] of values) writer.write(name, 0, bytesOf(v));
  const json = JSON.parse(readFileSync(join(LLAMA, 'config.json'), 'utf8')) as Record<string, unknown>;
  writer.writeFile('config.json', JSON.stringify({ ...json, ...config }));
  writer.commit(false);
}

describe('quantize', () => {
  it.each<[string, Partial<QuantizeOptions>]>([
    ['llama3', {}],
    ['llama3', { groupSize: -1, rotate: false }],
    ['qwen2', { embedding: 'w4', head: 'w4' }],
    ['phi4-mini', { head: 'w4', rotate: false }],
    ['gemma2', {}],
    ['gemma2', { head: 'w4' }],
    ['qwen2', { embedding: 'dense', head: 'dense' }],
  ])('%s with %j runs in W4A8KV4', async (name, options) => {
    await quantize(join(FIXTURES, name), target, options);
    const reference = readReferenceLogits(join(FIXTURES, name, 'reference.safetensors'));
    const model = await loadModel(target, { backend: 'reference', precision: 'w4a8kv4', cacheTokens: 96 });
    const error = relativeError(sequenceLogits(model, reference.inputIds), reference.logits);
    model.close();
    // Random weights forgive little: 9 % on every weight grows to about half of the logits' norm, nonsense is 1.4 and more.
    expect(error).toBeLessThan(0.7);
  });

  it('reports the errors that the file has, weight by weight', async () => {
    const { record, status } = await quantize(LLAMA, target, { rotate: false, embedding: 'w4', head: 'dense' });
    expect(status).toBe('written');
    expect(record.steps).toEqual(['ranges']);
    using before = openCheckpoint(LLAMA);
    using after = openCheckpoint(target);
    for (const [layer, errors] of record.errors.layers.entries()) {
      for (const [linear, error] of Object.entries(errors).filter(([linear]) => linear !== 'block')) {
        const name = `model.layers.${layer}.${/gate|up|down/.test(linear) ? 'mlp' : 'self_attn'}.${linear}`;
        expect(relativeError(dequantize(after, name, 128), before.readFloat32(`${name}.weight`)), name).toBeCloseTo(error, 4);
      }
      expect(errors.block).toBeGreaterThan(0.05);
      expect(errors.block).toBeLessThan(0.12);
    }
    expect(relativeError(dequantize(after, 'model.embed_tokens', 128), before.readFloat32('model.embed_tokens.weight'))).toBeCloseTo(record.errors.embedding!, 4);
    expect(record.errors.head).toBeNull();
    expect(after.read('lm_head.weight')).toEqual(before.read('lm_head.weight'));
  });

  it('keeps head and embedding in 8 bits, one scale a row', async () => {
    const { record } = await quantize(LLAMA, target, { rotate: false });
    using before = openCheckpoint(LLAMA);
    using after = openCheckpoint(target);
    for (const [name, error] of [['lm_head', record.errors.head], ['model.embed_tokens', record.errors.embedding]] as const) {
      const bytes = after.read(`${name}.qweight`);
      const q = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      const s0 = after.readFloat32(`${name}.s0`);
      const columns = q.length / s0.length;
      const wanted = before.readFloat32(`${name}.weight`);
      expect(relativeError(Float32Array.from(q, (x, i) => x * s0[Math.floor(i / columns)]), wanted)).toBeCloseTo(error!, 5);
      expect(error).toBeLessThan(0.01);
    }
    expect(after.has('lm_head.weight')).toBe(false);
  });

  it('splits fused weights', async () => {
    await quantize(join(FIXTURES, 'phi4-mini'), target, { rotate: false });
    using before = openCheckpoint(join(FIXTURES, 'phi4-mini'));
    using after = openCheckpoint(target);
    const fused = before.readFloat32('model.layers.1.self_attn.qkv_proj.weight');
    const parts = ['q', 'k', 'v'].flatMap((part) => [...dequantize(after, `model.layers.1.self_attn.${part}_proj`, 128)]);
    expect(relativeError(Float32Array.from(parts), fused)).toBeLessThan(0.12);
    expect(after.has('model.layers.1.self_attn.qkv_proj.qweight')).toBe(false);
  });

  it('keeps a tied head tied where nothing parts them', async () => {
    const source = join(FIXTURES, 'qwen2');
    const tied = async (options: Partial<QuantizeOptions>): Promise<boolean> => {
      await quantize(source, target, { ...options, force: true });
      using checkpoint = openCheckpoint(target);
      expect(readConfig(target).tiedEmbedding).toBe(!checkpoint.names.some((name) => name.startsWith('lm_head')));
      return readConfig(target).tiedEmbedding;
    };
    expect(await tied({ rotate: false })).toBe(true);
    expect(await tied({ rotate: false, embedding: 'w4', head: 'w4' })).toBe(true);
    expect(await tied({ rotate: false, head: 'w4' })).toBe(false);
    expect(await tied({})).toBe(false);
  });

  it('rotates the biases of what writes the residual stream, and only those', async () => {
    const source = join(root, 'biased');
    const bias = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(i) / 10);
    writeVariant(
      source,
      (values) => {
        for (let i = 0; i < 3; i++) {
          const sizes = { 'self_attn.q_proj': 128, 'self_attn.k_proj': 64, 'self_attn.v_proj': 64, 'self_attn.o_proj': 128, 'mlp.gate_proj': 256, 'mlp.up_proj': 256, 'mlp.down_proj': 128 };
          for (const [name, size] of Object.entries(sizes)) values.set(`model.layers.${i}.${name}.bias`, bias(size));
        }
      },
      { attention_bias: true, mlp_bias: true },
    );
    await quantize(source, target);
    using after = openCheckpoint(target);
    expect(after.readFloat32('model.layers.0.self_attn.q_proj.bias')).toEqual(bias(128));
    expect(after.readFloat32('model.layers.0.mlp.up_proj.bias')).toEqual(bias(256));
    for (const name of ['self_attn.o_proj', 'mlp.down_proj']) {
      const rotated = after.readFloat32(`model.layers.2.${name}.bias`);
      expect(relativeError(rotated, bias(128))).toBeGreaterThan(0.5);
      expect(Math.hypot(...rotated)).toBeCloseTo(Math.hypot(...bias(128)), 5);
    }
  });

  it('writes config, card, tokenizer and shards', async () => {
    const source = join(root, 'source');
    cpSync(LLAMA, source, { recursive: true });
    writeFileSync(join(source, 'tokenizer.json'), '{"tokenizer":1}');
    writeFileSync(join(source, 'chat_template.jinja'), '{{ messages }}');
    const { targetBytes } = await quantize(source, target, { shardBytes: 100_000 });
    const files = readdirSync(target);
    expect(files).toEqual(expect.arrayContaining(['README.md', 'config.json', 'generation_config.json', 'tokenizer.json', 'chat_template.jinja', 'model.safetensors.index.json']));
    expect(files).not.toContain('reference.safetensors');
    expect(files.filter((file) => file.endsWith('.safetensors')).reduce((sum, file) => sum + statSync(join(target, file)).size, 0)).toBe(targetBytes);
    expect(readFileSync(join(target, 'tokenizer.json'), 'utf8')).toBe('{"tokenizer":1}');
    expect(readFileSync(join(target, 'README.md'), 'utf8')).toMatch(/# source, 4-bit weights[\s\S]*\| 2 \| \d/);
    const config = JSON.parse(readFileSync(join(target, 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(config).toMatchObject({ hidden_size: 128, tie_word_embeddings: false, quantization_config: { quant_method: 'tetrad', steps: ['rotate', 'ranges'], source: { name: 'source' } } });
    expect(readConfig(target).quantization).toMatchObject({ group_size: 128, embedding: 'w8', head: 'w8' });
  });

  it('is the same bytes every time, and is not done twice', async () => {
    const first = await quantize(LLAMA, target);
    const files = readdirSync(target).map((file) => [file, readFileSync(join(target, file)).toString('base64'), statSync(join(target, file)).mtimeMs]);
    const again = await quantize(LLAMA, target);
    expect(again).toEqual({ ...first, status: 'present' });
    expect(readdirSync(target).map((file) => [file, readFileSync(join(target, file)).toString('base64'), statSync(join(target, file)).mtimeMs])).toEqual(files);
    const elsewhere = join(root, 'elsewhere');
    await quantize(LLAMA, elsewhere);
    expect(readFileSync(join(elsewhere, 'model.safetensors')).equals(readFileSync(join(target, 'model.safetensors')))).toBe(true);
  });

  it('replaces its own work only when told to, and nothing else ever', async () => {
    await quantize(LLAMA, target);
    await expect(quantize(LLAMA, target, { groupSize: -1 })).rejects.toThrow('was made with group_size 128, asked is -1; --force replaces it');
    await expect(quantize(join(FIXTURES, 'qwen2'), target)).rejects.toThrow('was made from another checkpoint (llama3); --force replaces it');
    expect((await quantize(LLAMA, target, { groupSize: -1, force: true })).record.group_size).toBe(-1);
    expect(readConfig(target).quantization?.group_size).toBe(-1);
    writeFileSync(join(target, 'notes.txt'), 'mine');
    await expect(quantize(LLAMA, target, { force: true })).rejects.toThrow('holds notes.txt, which Tetrad did not write');
    const plain = join(root, 'plain');
    mkdirSync(plain);
    copyFileSync(join(LLAMA, 'config.json'), join(plain, 'config.json'));
    await expect(quantize(LLAMA, plain, { force: true })).rejects.toThrow('is no Tetrad checkpoint');
    await expect(quantize(LLAMA, LLAMA, { force: true })).rejects.toThrow('is the source');
    await expect(quantize(LLAMA, join(plain, 'config.json'))).rejects.toThrow('is a file');
    expect(readdirSync(root).sort()).toEqual(['out', 'plain']);
  });

  it('leaves nothing when it is stopped, at whatever point', async () => {
    let calls = 0;
    await quantize(LLAMA, join(root, 'counted'), {}, () => calls++);
    rmSync(join(root, 'counted'), { recursive: true });
    for (const stopAt of [1, 2, Math.floor(calls / 2), calls]) {
      const controller = new AbortController();
      let seen = 0;
      const stopped = quantize(LLAMA, target, { signal: controller.signal }, () => ++seen === stopAt && controller.abort(new Error('enough')));
      await expect(stopped).rejects.toThrow('enough');
      expect(readdirSync(root)).toEqual([]);
    }
    expect((await quantize(LLAMA, target)).status).toBe('written');
  });

  it('keeps the old checkpoint when replacing it is stopped', async () => {
    await quantize(LLAMA, target);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(quantize(LLAMA, target, { force: true, groupSize: -1, signal })).rejects.toThrow('enough');
    expect(readConfig(target).quantization?.group_size).toBe(128);
  });

  it('agrees with another run that finishes first', async () => {
    const results = await Promise.all([quantize(LLAMA, target), quantize(LLAMA, target)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['present', 'written']);
    expect(readdirSync(root)).toEqual(['out']);
  });

  it.each([NaN, Infinity, -Infinity])('refuses %d in a weight by the name of the tensor', async (bad) => {
    for (const name of ['model.layers.1.mlp.down_proj.weight', 'model.layers.2.self_attn.k_proj.weight', 'model.embed_tokens.weight']) {
      const source = join(root, 'damaged');
      writeVariant(source, (values) => values.get(name)!.set([bad], 300));
      await expect(quantize(source, target)).rejects.toThrow(`damaged: tensor ${name}: expected finite numbers`);
      expect(existsSync(target)).toBe(false);
      rmSync(source, { recursive: true });
    }
  });

  it('refuses weights that overflow when the norm is folded into them', async () => {
    const source = join(root, 'overflowing');
    writeVariant(source, (values) => {
      values.get('model.layers.1.mlp.up_proj.weight')!.set([3e38], 300);
      values.get('model.layers.1.post_attention_layernorm.weight')!.fill(1e10);
    });
    await expect(quantize(source, target)).rejects.toThrow('tensor model.layers.1.mlp.up_proj.weight: row 2 is too large for float32 after folding the norm');
    expect(existsSync(target)).toBe(false);
  });

  it('survives zero rows, constant rows and huge outliers', async () => {
    const source = join(root, 'odd');
    writeVariant(source, (values) => {
      const w = values.get('model.layers.0.mlp.gate_proj.weight')!;
      w.fill(0, 0, 128);
      w.fill(-0.125, 128, 256);
      w[300] = 1e30;
    });
    for (const groupSize of [128, -1] as const) {
      await quantize(source, target, { groupSize, rotate: false, force: true });
      using after = openCheckpoint(target);
      const w = dequantize(after, 'model.layers.0.mlp.gate_proj', groupSize);
      expect(w.subarray(0, 128).every((v) => v === 0)).toBe(true);
      expect(w.subarray(128, 256).every((v) => Math.abs(v + 0.125) < 1e-6)).toBe(true);
      expect(w.every((v) => Number.isFinite(v))).toBe(true);
    }
  });

  it('refuses a source whose shard index leads out of it or names what is not there', async () => {
    for (const shard of ['../secret.safetensors', 'model-00007-of-00009.safetensors']) {
      const source = join(root, 'shards');
      cpSync(LLAMA, source, { recursive: true });
      writeFileSync(join(source, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { 'model.norm.weight': shard } }));
      await expect(quantize(source, target)).rejects.toThrow(CheckpointError);
      expect(readdirSync(root)).toEqual(['shards']);
    }
  });

  it.each([
    ['s0', Float32Array.of(NaN), /tensor model\.layers\.1\.mlp\.up_proj\.s0: expected finite scales ≥ 0, seen NaN in row 0/],
    ['s0', Float32Array.of(-1), /s0: expected finite scales ≥ 0, seen -1 in row 0/],
    ['s1', Uint8Array.of(255), /s1: row 0, group 0: expected 8-bit weights within ±127/],
    ['m', Int8Array.of(127), /s1: row 0, group 0: expected 8-bit weights within ±127, seen 127 to/],
    ['m', Int8Array.of(-128), /s1: row 0, group 0: expected 8-bit weights within ±127, seen -128 to/],
    ['qweight', null, /tensor model\.layers\.1\.mlp\.up_proj\.qweight is missing/],
    ['m', null, /tensor model\.layers\.1\.mlp\.up_proj\.m is missing/],
  ])('a result whose %s was damaged to %o does not load', async (part, value, message) => {
    await quantize(LLAMA, target);
    const file = join(target, 'model.safetensors');
    const bytes = readFileSync(file);
    const begin = 8 + Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, begin)) as Record<string, { data_offsets: number[] }>;
    const name = `model.layers.1.mlp.up_proj.${part}`;
    if (value === null) bytes.write(bytes.toString('utf8', 8, begin).replace(`"${name}"`, `"${name.replaceAll('1', 'x')}"`), 8);
    else bytes.set(bytesOf(value), begin + header[name].data_offsets[0]);
    writeFileSync(file, bytes);
    await expect(loadModel(target, { backend: 'reference', cacheTokens: 32 })).rejects.toThrow(message);
  });

  it('refuses what is quantized already', async () => {
    await quantize(LLAMA, target);
    await expect(quantize(target, join(root, 'again'))).rejects.toThrow('is quantized already');
  });
});
