/** Every op at the shapes of a 1B-class model: bytes and operations a second, beside what the machine can do, measured in the same run. */
import { BackendError, GROUP, SAMPLE_ENTRY, SAMPLE_PARAMS, SAMPLE_RESULT, groupsOf } from '../src/backend/backend.ts';
import type { Activation, Backend, PackedLinear, StepInputs, Tensor, WeightRows, WeightSource } from '../src/backend/backend.ts';
import { NativeBackend, findLibrary } from '../src/backend/native.ts';
import type { BenchResult } from './report.ts';

export interface KernelBenchOptions {
  readonly threads: number;
  readonly quick: boolean;
}

/** Llama-3.2-1B. */
const C = 2048;
const F = 8192;
const H = 32;
const G = 8;
const D = 64;
const V = 128256;
const LAYERS = 16;
const B = 32;
const QKV = (H + 2 * G) * D;

/** Weights are visited in turn, so many that none is found in a processor cache: where rows are few, reading them is all that counts. */
const COLD_BYTES = 512 * 2 ** 20;
const QUICK_COLD_BYTES = 160 * 2 ** 20;
const FEW_ROWS = 16;

interface Work {
  readonly op: string;
  readonly shape: string;
  /** Memory that must be moved, and multiply-adds times two, of one run. */
  readonly bytes: number;
  readonly operations: number;
  run(turn: number): void;
}

export async function benchKernels({ threads, quick }: KernelBenchOptions): Promise<BenchResult> {
  const library = findLibrary('cpu');
  if (library === null) throw new BackendError("the CPU kernels are not built: run 'node kernels/build.mjs'");
  const backend = new NativeBackend({ name: 'cpu', library, threads, path: process.env.TETRAD_CPU_PATH });
  try {
    const before = backend.ceilings();
    const rows: Record<string, string | number>[] = [];
    for (const make of works(backend, quick)) {
      const resources: Parameters<Backend['free']>[0][] = [];
      const work = make(resources);
      const seconds = time(backend, work, quick ? 0.1 : 0.5);
      rows.push({ op: work.op, shape: work.shape, microseconds: seconds * 1e6, 'GB/s': work.bytes / seconds / 1e9, GOPS: work.operations / seconds / 1e9 });
      for (const resource of resources) backend.free(resource);
    }
    const after = backend.ceilings();
    const readBytes = Math.max(before.readBytes, after.readBytes);
    const int8Operations = Math.max(before.int8Operations, after.int8Operations);
    for (const row of rows) {
      row['% read'] = Math.round((Number(row['GB/s']) * 1e11) / readBytes);
      row['% int8'] = Math.round((Number(row.GOPS) * 1e11) / int8Operations);
    }
    const { path, threads: count, processor } = backend.describe();
    return {
      bench: 'kernels',
      configuration: { processor, path, threads: count, readGBs: Number((readBytes / 1e9).toPrecision(3)), int8GOPS: Number((int8Operations / 1e9).toPrecision(3)) },
      rows,
      summary: { readBytes, int8Operations },
    };
  } finally {
    backend.close();
  }
}

/** Seconds of one run: the best of some rounds that last `least` seconds together, as the ceilings are the best of some. */
function time(backend: NativeBackend, work: Work, least: number): number {
  const probe = new Float32Array(1);
  const target = backend.allocate('f32', 1);
  let turn = 0;
  const round = (count: number): number => {
    const start = performance.now();
    for (let i = 0; i < count; i++) work.run(turn++);
    backend.read(target, probe);
    return (performance.now() - start) / 1000 / count;
  };
  const first = round(3);
  const rounds = 15;
  const count = Math.max(1, Math.ceil(least / rounds / first));
  const result = Math.min(...Array.from({ length: rounds }, () => round(count)));
  backend.free(target);
  return result;
}

type Resources = Parameters<Backend['free']>[0][];
type Make = (resources: Resources) => Work;

function works(backend: NativeBackend, quick: boolean): Make[] {
  const keep = <T extends Resources[number]>(resources: Resources, resource: T): T => {
    resources.push(resource);
    return resource;
  };
  const floats = (resources: Resources, length: number): Tensor => {
    const tensor = keep(resources, backend.allocate('f32', length));
    backend.write(tensor, Float32Array.from({ length }, (_, i) => Math.sin(i * 0.7)));
    return tensor;
  };
  const ints = (resources: Resources, values: ArrayLike<number>): Tensor => {
    const tensor = keep(resources, backend.allocate('i32', values.length));
    backend.write(tensor, Int32Array.from(values));
    return tensor;
  };
  const activation = (resources: Resources, kind: Activation['kind'], rows: number, width: number): Activation => {
    const made = keep(resources, backend.allocateActivation(kind, rows, width));
    if (made.kind === 'int8') backend.write(made.values, Int8Array.from({ length: made.values.length }, (_, i) => (i * 37) % 255));
    else backend.write(made.values, Float32Array.from({ length: made.values.length }, (_, i) => Math.sin(i)));
    return made;
  };
  const copies = (resources: Resources, source: WeightSource, rows: number): PackedLinear[] => {
    const first = keep(resources, backend.packLinear([source], null));
    const count = rows > FEW_ROWS ? 1 : Math.ceil((quick ? QUICK_COLD_BYTES : COLD_BYTES) / first.bytes);
    return [first, ...Array.from({ length: count - 1 }, () => keep(resources, backend.packLinear([source], null)))];
  };
  const linear = (name: string, kind: 'w4' | 'w8' | 'bf16', N: number, K: number, T: number): Make => (resources) => {
    const source = { w4: w4Source, w8: w8Source, bf16: bf16Source }[kind](N, K);
    const weights = copies(resources, source, T);
    const input = activation(resources, kind === 'bf16' ? 'float' : 'int8', T, K);
    const out = floats(resources, T * N);
    return {
      op: `linear ${kind}`,
      shape: `${name} ${N}x${K}, ${T} rows`,
      bytes: weights[0].bytes + T * (kind === 'bf16' ? 4 * K : K) + 4 * T * N,
      operations: 2 * T * N * K,
      run: (turn) => backend.linear({ size: T, input, weight: weights[turn % weights.length], out }),
    };
  };
  const step = (resources: Resources, row: number[], position: number[], blocksPerRow: number): StepInputs => ({
    size: row.length,
    row: ints(resources, row),
    position: ints(resources, position),
    ropeRow: ints(resources, position),
    tokens: ints(resources, [0]),
    tokensPerRow: 1,
    blockTables: ints(resources, Array.from({ length: (Math.max(...row) + 1) * blocksPerRow }, (_, i) => i)),
    blocksPerRow,
  });
  /** `rows` requests with `context` tokens each, of which the last `tokens` are asked. */
  const attend = (rows: number, context: number, tokens: number): Make => (resources) => {
    const blocksPerRow = Math.ceil(context / B);
    const cache = keep(resources, backend.allocateCache({ precision: 'kv4', numLayers: LAYERS, numBlocks: rows * blocksPerRow, blockSize: B, numKVHeads: G, headSize: D }));
    const every = step(resources, Array.from({ length: context }, () => 0), Array.from({ length: context }, (_, p) => p), blocksPerRow);
    const ropeTable = floats(resources, context * D);
    const filled = floats(resources, context * QKV);
    for (let layer = 0; layer < LAYERS; layer++) backend.ropeStore({ step: every, layer, cache, numHeads: H, qkv: filled, qNorm: null, kNorm: null, epsilon: 1e-6, ropeTable, rotaryDim: D });
    const row = Array.from({ length: rows * tokens }, (_, i) => Math.floor(i / tokens));
    const asked = step(resources, row, row.map((_, i) => context - tokens + (i % tokens)), blocksPerRow);
    const qkv = floats(resources, row.length * QKV);
    const out = activation(resources, 'int8', row.length, H * D);
    const seen = row.reduce((sum, _, i) => sum + context - tokens + (i % tokens) + 1, 0);
    return {
      op: 'attend kv4',
      shape: `${rows} x ${tokens} tokens, context ${context}`,
      bytes: rows * context * G * (D + 8),
      operations: seen * H * D * 4,
      run: (turn) => backend.attend({ step: asked, layer: turn % LAYERS, cache, numHeads: H, qkv, scale: 0.125, window: 0, softcap: 0, out }),
    };
  };
  const norm = (T: number): Make => (resources) => {
    const residual = floats(resources, T * C);
    const delta = floats(resources, T * C);
    const weight = floats(resources, C);
    const out = activation(resources, 'int8', T, C);
    return {
      op: 'normQuantize',
      shape: `${T} rows of ${C}`,
      bytes: T * C * 13,
      operations: T * C * 8,
      run: () => backend.normQuantize({ size: T, width: C, residual, delta, deltaNorm: null, weight, epsilon: 1e-5, gather: null, out }),
    };
  };
  const gate = (T: number): Make => (resources) => {
    const gateUp = floats(resources, T * 2 * F);
    const out = activation(resources, 'int8', T, F);
    return {
      op: 'gateQuantize',
      shape: `${T} rows of ${F}`,
      bytes: T * F * 9,
      operations: T * F * 20,
      run: () => backend.gateQuantize({ size: T, gateUp, activation: 'silu', out }),
    };
  };
  const rope = (T: number): Make => (resources) => {
    const blocksPerRow = Math.ceil(T / B);
    const cache = keep(resources, backend.allocateCache({ precision: 'kv4', numLayers: 1, numBlocks: blocksPerRow, blockSize: B, numKVHeads: G, headSize: D }));
    const tokens = step(resources, Array.from({ length: T }, () => 0), Array.from({ length: T }, (_, p) => p), blocksPerRow);
    const qkv = floats(resources, T * QKV);
    const ropeTable = floats(resources, T * D);
    return {
      op: 'ropeStore',
      shape: `${T} tokens`,
      bytes: T * (H * D * 8 + G * D * 8 + G * (D + 8)),
      operations: T * (H + G) * D * 3,
      run: () => backend.ropeStore({ step: tokens, layer: 0, cache, numHeads: H, qkv, qNorm: null, kNorm: null, epsilon: 1e-6, ropeTable, rotaryDim: D }),
    };
  };
  const sample = (name: string, params: Partial<Record<(typeof SAMPLE_PARAMS)[number], number>>, logprobs: number): Make => (resources) => {
    const logits = keep(resources, backend.allocate('f32', V));
    backend.write(logits, Float32Array.from({ length: V }, (_, i) => 12 * Math.cos(i * 0.7) ** 31 + 3 * Math.sin(i * i * 0.3)));
    const tokens = step(resources, [0], [0], 1);
    const history = { ...tokens, tokens: ints(resources, [1, 2, 3, 4]), tokensPerRow: 4 };
    const defaults = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, ...params };
    const values = keep(resources, backend.allocate('f32', SAMPLE_PARAMS.length));
    backend.write(values, Float32Array.from(SAMPLE_PARAMS, (key) => defaults[key]));
    const entry = { row: 0, position: 1, promptLength: 1, seedLow: 1, seedHigh: 2, mask: -1, biasStart: 0, biasCount: 0, topLogprobs: logprobs };
    const entries = ints(resources, SAMPLE_ENTRY.map((key) => entry[key]));
    const none = ints(resources, [0]);
    const noBias = floats(resources, 1);
    const result = keep(resources, backend.allocate('f32', SAMPLE_RESULT));
    return {
      op: 'sample',
      shape: `${name}, ${V} tokens`,
      bytes: V * 4,
      operations: V * 20,
      run: () => backend.sample({ size: 1, vocabSize: V, logits, step: history, entries, params: values, masks: none, biasIds: none, biasValues: noBias, result }),
    };
  };

  return [
    linear('qkv', 'w4', QKV, C, 1),
    linear('o', 'w4', C, C, 1),
    linear('gateUp', 'w4', 2 * F, C, 1),
    linear('down', 'w4', C, F, 1),
    linear('head', 'w8', V, C, 1),
    linear('head', 'w4', V, C, 1),
    linear('gateUp', 'w4', 2 * F, C, 4),
    linear('gateUp', 'w4', 2 * F, C, 8),
    linear('gateUp', 'w4', 2 * F, C, 16),
    linear('gateUp', 'w4', 2 * F, C, 32),
    linear('qkv', 'w4', QKV, C, 512),
    linear('gateUp', 'w4', 2 * F, C, 512),
    linear('down', 'w4', C, F, 512),
    linear('qkv', 'bf16', QKV, C, 1),
    linear('qkv', 'bf16', QKV, C, 64),
    attend(1, 512, 1),
    attend(1, 4096, 1),
    attend(8, 1024, 1),
    attend(1, 512, 512),
    norm(1),
    norm(512),
    gate(1),
    gate(512),
    rope(1),
    rope(512),
    sample('greedy', {}, 0),
    sample('temperature', { temperature: 0.8 }, 0),
    sample('top-p', { temperature: 0.8, topP: 0.95 }, 0),
    sample('top-k, logprobs', { temperature: 0.8, topK: 50 }, 20),
    (resources) => embed(backend, resources, keep, ints),
  ];
}

function embed(backend: NativeBackend, resources: Resources, keep: <T extends Resources[number]>(to: Resources, resource: T) => T, ints: (to: Resources, values: ArrayLike<number>) => Tensor): Work {
  const T = 512;
  const table = keep(resources, backend.packLinear([w4Source(32000, C)], null));
  const out = keep(resources, backend.allocate('f32', T * C));
  const index = Array.from({ length: T }, (_, i) => i);
  const step: StepInputs = {
    size: T,
    row: ints(resources, index.map(() => 0)),
    position: ints(resources, index),
    ropeRow: ints(resources, index),
    tokens: ints(resources, index.map((i) => (i * 61) % 32000)),
    tokensPerRow: T,
    blockTables: ints(resources, [0]),
    blocksPerRow: 1,
  };
  return { op: 'embed w4', shape: `${T} tokens of ${C}`, bytes: T * C * 4.5, operations: T * C * 2, run: () => backend.embed({ step, table, scale: 1, out }) };
}

function w4Source(N: number, K: number): WeightSource {
  const groups = groupsOf(K);
  const rows = (start: number, end: number): WeightRows => {
    const count = end - start;
    return {
      kind: 'w4',
      q: new Uint8Array((count * K) / 2).map((_, i) => i * 73),
      s1: new Uint8Array(count * groups).fill(9),
      m: new Int8Array(count * groups).fill(-GROUP / 2),
      s0: new Float32Array(count).fill(0.001),
    };
  };
  return { name: 'random', kind: 'w4', groupSize: GROUP, outFeatures: N, inFeatures: K, rows };
}

function w8Source(N: number, K: number): WeightSource {
  const rows = (start: number, end: number): WeightRows => ({
    kind: 'w8',
    q: new Int8Array((end - start) * K).map((_, i) => i * 37),
    s0: new Float32Array(end - start).fill(0.001),
  });
  return { name: 'random', kind: 'w8', groupSize: -1, outFeatures: N, inFeatures: K, rows };
}

function bf16Source(N: number, K: number): WeightSource {
  const rows = (start: number, end: number): WeightRows => ({ kind: 'dense', dtype: 'bf16', values: new Uint8Array((end - start) * K * 2).fill(0x3c) });
  return { name: 'random', kind: 'dense', groupSize: -1, outFeatures: N, inFeatures: K, rows };
}
