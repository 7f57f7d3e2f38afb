/**
 * Every op of every path that this machine can run, against the reference: by normalised error where rounding may differ, exactly
 * where it may not; and each row alone against the same row among others, bit for bit.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SAMPLE_ENTRY, SAMPLE_PARAMS, SAMPLE_RESULT } from './backend.ts';
import type { Activation, Backend, CachePrecision, KVCache, PackedLinear } from './backend.ts';
import { NativeBackend } from './native.ts';
import { ReferenceBackend } from './reference.ts';
import { built, library, paths, Random, errorOf, expectSameBits, upload, download, floats, readActivation, expectActivation, expectSameActivation, denseSource, w4Source, w8Source, uploadActivation, sliceActivation, uploadStep } from '../../test/support/kernels.ts';
import type { ActivationRow, StepShape } from '../../test/support/kernels.ts';

test('the kernels build', () => {
  if (library === null) console.warn('missing' in built ? built.missing : '');
  expect('missing' in built ? built.missing : '').not.toMatch(/did not (compile|link)/);
});

const reference = new ReferenceBackend();

describe.each(paths)('%s', (path) => {
  let native: NativeBackend;
  beforeAll(() => {
    native = new NativeBackend({ name: 'cpu', library: library!, threads: 3, path });
  });
  afterAll(() => native.close());

  const both = <T>(run: (backend: Backend) => T): { seen: T; wanted: T } => ({ seen: run(native), wanted: run(reference) });

  describe('embed', () => {
    test.each([
      ['f32', 96],
      ['f16', 33],
      ['bf16', 130],
      ['w4', 200],
      ['w4', 64],
      ['w8', 131],
    ] as const)('%s, width %i', (kind, C) => {
      const V = 37;
      const random = new Random(1);
      const source = kind === 'w4' ? w4Source(random, V, C, 128) : kind === 'w8' ? w8Source(random, V, C) : denseSource(random, V, C, kind);
      const tokens = Int32Array.from({ length: 3 * 5 }, () => random.integer(0, V - 1));
      const run = (backend: Backend, shape: Pick<StepShape, 'row' | 'position'>): Float32Array => {
        const table = backend.packLinear([source], null);
        const step = uploadStep(backend, { ...shape, tokens, tokensPerRow: 5 });
        const out = upload(backend, new Float32Array(shape.row.length * C).fill(7));
        backend.embed({ step, table, scale: 1.5, out });
        return floats(backend, out);
      };
      const shape = { row: [2, -1, 0, 1], position: [4, 0, 0, 3] };
      const { seen, wanted } = both((backend) => run(backend, shape));
      expect(errorOf(seen, wanted)).toBeLessThan(2e-7);
      expectSameBits(run(native, { row: [1], position: [3] }), seen.slice(3 * C));
    });
  });

  describe('normQuantize', () => {
    test.each([
      ['int8', 1, 128, false, false],
      ['int8', 5, 96, true, false],
      ['int8', 3, 300, true, true],
      ['float', 9, 77, true, true],
      ['int8', 40, 513, true, false],
    ] as const)('%s, %i rows of %i, delta %s, delta norm %s', (kind, size, C, withDelta, withNorm) => {
      const run = (backend: Backend, gather: number[] | null): { rows: ActivationRow[]; residual: Float32Array } => {
        const random = new Random(2);
        const residual = upload(backend, random.normals(size * C));
        const delta = withDelta ? upload(backend, random.normals(size * C, 0.5)) : null;
        const weight = upload(backend, random.normals(C));
        const deltaNorm = withNorm ? upload(backend, random.normals(C)) : null;
        const rows = gather?.length ?? size;
        const out = backend.allocateActivation(kind, rows, C);
        backend.normQuantize({ size: rows, width: C, residual, delta, deltaNorm, weight, epsilon: 1e-5, gather: gather && upload(backend, Int32Array.from(gather)), out });
        return { rows: readActivation(backend, out, rows), residual: floats(backend, residual) };
      };
      const all = both((backend) => run(backend, null));
      expect(errorOf(all.seen.residual, all.wanted.residual)).toBeLessThan(1e-6);
      all.seen.rows.forEach((row, i) => expectActivation(row, all.wanted.rows[i]));
      const picked = both((backend) => run(backend, [size - 1]));
      expect(errorOf(picked.seen.residual, picked.wanted.residual)).toBeLessThan(1e-6);
      expectSameActivation(picked.seen.rows[0], all.seen.rows[size - 1]);
    });

    test('a row of zeros', () => {
      const { seen } = both((backend) => {
        const out = backend.allocateActivation('int8', 1, 130);
        const weight = upload(backend, new Float32Array(130).fill(1));
        backend.normQuantize({ size: 1, width: 130, residual: upload(backend, new Float32Array(130)), delta: null, deltaNorm: null, weight, epsilon: 1e-6, gather: null, out });
        return readActivation(backend, out, 1)[0];
      });
      expect(seen.scale).toBe(0);
      expect(seen.values.every((x) => x === 0)).toBe(true);
    });
  });

  describe('linear', () => {
    test.each([
      [1, 16, 128, 128, false],
      [1, 50, 300, 128, true],
      [3, 33, 256, -1, true],
      [5, 160, 130, 128, false],
      [8, 64, 1024, 128, false],
      [16, 17, 640, 128, true],
      [17, 70, 384, 128, true],
      [41, 130, 514, -1, true],
      [100, 48, 128, 128, false],
      [19, 16, 4352, 128, true],
    ])('w4: %i rows, N %i, K %i, group %i, bias %s', (size, N, K, groupSize, withBias) => {
      const random = new Random(3);
      const parts = N > 20 ? [w4Source(random, 20, K, groupSize), w4Source(random, N - 20, K, groupSize)] : [w4Source(random, N, K, groupSize)];
      const bias = withBias ? random.normals(N) : null;
      const run = (backend: Backend, weight: PackedLinear, input: Activation, rows: number): Float32Array => {
        const out = backend.allocate('f32', rows * N);
        backend.linear({ size: rows, input, weight, out });
        return floats(backend, out);
      };
      const { seen, wanted } = both((backend) => {
        const weight = backend.packLinear(parts, bias);
        const input = uploadActivation(backend, 'int8', size, K, 4);
        return { weight, input, out: run(backend, weight, input, size) };
      });
      expect(errorOf(seen.out, wanted.out)).toBeLessThan(3e-7);
      for (const t of new Set([0, size >> 1, size - 1])) {
        expectSameBits(run(native, seen.weight, sliceActivation(native, seen.input, t), 1), seen.out.slice(t * N, (t + 1) * N));
      }
      native.free(seen.weight);
    });

    test.each([
      [1, 16, 128, false],
      [2, 50, 301, true],
      [3, 33, 256, true],
      [5, 160, 130, false],
      [8, 64, 1024, false],
      [21, 17, 641, true],
    ])('w8: %i rows, N %i, K %i, bias %s', (size, N, K, withBias) => {
      const random = new Random(24);
      const source = w8Source(random, N, K);
      const bias = withBias ? random.normals(N) : null;
      const { seen, wanted } = both((backend) => {
        const out = backend.allocate('f32', size * N);
        backend.linear({ size, input: uploadActivation(backend, 'int8', size, K, 25), weight: backend.packLinear([source], bias), out });
        return floats(backend, out);
      });
      expectSameBits(seen, wanted);
    });

    test.each([
      ['f32', 1, 16, 64, true],
      ['f16', 3, 50, 33, true],
      ['bf16', 7, 70, 127, false],
      ['f32', 13, 65, 1100, true],
      ['bf16', 25, 130, 2050, true],
    ] as const)('%s: %i rows, N %i, K %i, bias %s', (dtype, size, N, K, withBias) => {
      const random = new Random(5);
      const source = denseSource(random, N, K, dtype);
      const bias = withBias ? random.normals(N) : null;
      const run = (backend: Backend, weight: PackedLinear, input: Activation, rows: number): Float32Array => {
        const out = backend.allocate('f32', rows * N);
        backend.linear({ size: rows, input, weight, out });
        return floats(backend, out);
      };
      const { seen, wanted } = both((backend) => {
        const weight = backend.packLinear([source], bias);
        const input = uploadActivation(backend, 'float', size, K, 6);
        return { weight, input, out: run(backend, weight, input, size) };
      });
      expect(errorOf(seen.out, wanted.out)).toBeLessThan(2e-6);
      for (const t of new Set([0, size >> 1, size - 1])) {
        expectSameBits(run(native, seen.weight, sliceActivation(native, seen.input, t), 1), seen.out.slice(t * N, (t + 1) * N));
      }
    });

    test('parts of different dense types', () => {
      const random = new Random(7);
      const parts = [denseSource(random, 10, 40, 'f32'), denseSource(random, 9, 40, 'bf16')];
      const { seen, wanted } = both((backend) => {
        const out = backend.allocate('f32', 2 * 19);
        backend.linear({ size: 2, input: uploadActivation(backend, 'float', 2, 40, 8), weight: backend.packLinear(parts, null), out });
        return floats(backend, out);
      });
      expect(errorOf(seen, wanted)).toBeLessThan(1e-6);
    });
  });

  describe('gateQuantize', () => {
    test.each([
      ['silu', 'int8', 1, 128],
      ['gelu_tanh', 'int8', 4, 300],
      ['silu', 'float', 7, 77],
      ['gelu_tanh', 'float', 3, 1031],
      ['silu', 'int8', 33, 257],
    ] as const)('%s to %s, %i rows of %i', (activation, kind, size, F) => {
      const gateUp = new Random(9).normals(size * 2 * F, 3);
      const run = (backend: Backend, values: Float32Array): ActivationRow[] => {
        const rows = values.length / (2 * F);
        const out = backend.allocateActivation(kind, rows, F);
        backend.gateQuantize({ size: rows, gateUp: upload(backend, values), activation, out });
        return readActivation(backend, out, rows);
      };
      const { seen, wanted } = both((backend) => run(backend, gateUp));
      seen.forEach((row, i) => expectSameActivation(row, wanted[i]));
      expectSameActivation(run(native, gateUp.slice((size - 1) * 2 * F))[0], seen[size - 1]);
    });
  });

  test.each([
    ['int8', 0, 'w4'],
    ['int8', 0, 'w8'],
    ['float', 30, 'dense'],
  ] as const)('logits from %s, softcap %d, %s', (kind, softcap, stored) => {
    const random = new Random(10);
    const K = 192;
    const V = 211;
    const source = stored === 'w4' ? w4Source(random, V, K, 128) : stored === 'w8' ? w8Source(random, V, K) : denseSource(random, V, K, 'bf16');
    const run = (backend: Backend, input: Activation, size: number): Float32Array => {
      const out = backend.allocate('f32', size * V);
      backend.logits({ size, input, weight: backend.packLinear([source], null), softcap, out });
      return floats(backend, out);
    };
    const { seen, wanted } = both((backend) => {
      const input = uploadActivation(backend, kind, 3, K, 11);
      return { input, out: run(backend, input, 3) };
    });
    expect(errorOf(seen.out, wanted.out)).toBeLessThan(2e-6);
    expectSameBits(run(native, sliceActivation(native, seen.input, 1), 1), seen.out.slice(V, 2 * V));
  });

  interface AttentionCase {
    readonly H: number;
    readonly G: number;
    readonly D: number;
    readonly B: number;
    readonly precision: CachePrecision;
    readonly kind: Activation['kind'];
    readonly lengths: readonly number[];
    /** Last tokens of each row that one step attends. */
    readonly queries: readonly number[];
    readonly window: number;
    readonly softcap: number;
    readonly rotate: boolean;
  }
  const base: AttentionCase = { H: 4, G: 2, D: 64, B: 32, precision: 'kv4', kind: 'float', lengths: [70, 33, 1], queries: [5, 1, 1], window: 0, softcap: 0, rotate: false };

  /** Fills a cache with whole requests, then attends some of their last tokens. */
  function attention(backend: Backend, shape: AttentionCase): { cache: KVCache; out: ActivationRow[]; q: Float32Array; only: (index: number) => ActivationRow } {
    const { H, G, D, B, lengths, queries } = shape;
    const random = new Random(12);
    const width = (H + 2 * G) * D;
    const blocksPerRow = Math.max(...lengths.map((length) => Math.ceil(length / B))) + 1;
    const numBlocks = lengths.length * blocksPerRow + 3;
    const cache = backend.allocateCache({ precision: shape.precision, numLayers: 2, numBlocks, blockSize: B, numKVHeads: G, headSize: D });
    const blocks = Array.from({ length: numBlocks }, (_, i) => i).sort((a, b) => ((a * 7919) % 101) - ((b * 7919) % 101) || a - b);
    const blockTables = Int32Array.from({ length: lengths.length * blocksPerRow }, (_, i) => blocks[i]);
    const rotaryDim = shape.rotate ? Math.floor(D / 4) * 2 : D;
    const positions = Math.max(...lengths);
    const ropeTable = new Float32Array(positions * rotaryDim);
    for (let p = 0; p < positions; p++) {
      for (let i = 0; i < rotaryDim / 2; i++) {
        const angle = shape.rotate ? p / 100 ** ((2 * i) / rotaryDim) : 0;
        ropeTable[p * rotaryDim + i] = Math.cos(angle);
        ropeTable[p * rotaryDim + rotaryDim / 2 + i] = Math.sin(angle);
      }
    }
    const norm = shape.rotate ? upload(backend, random.normals(D)) : null;
    const table = upload(backend, ropeTable);
    const tables = { blockTables, blocksPerRow };
    const all = lengths.flatMap((length, row) => Array.from({ length }, (_, position) => ({ row, position })));
    const qkv = random.normals(all.length * width);
    const filled = upload(backend, qkv);
    const common = { layer: 1, cache, numHeads: H };
    const rope = { ...common, qNorm: norm, kNorm: norm, epsilon: 1e-6, ropeTable: table, rotaryDim };
    backend.ropeStore({ ...rope, step: uploadStep(backend, { row: all.map((t) => t.row), position: all.map((t) => t.position), ...tables }), qkv: filled });
    const rotated = floats(backend, filled);

    const wanted: number[] = [];
    let first = 0;
    lengths.forEach((length, row) => {
      for (let i = length - queries[row]; i < length; i++) wanted.push(first + i);
      first += length;
    });
    const attend = (indices: number[]): ActivationRow[] => {
      const padded = [...indices, -1];
      const step = uploadStep(backend, { row: padded.map((i) => (i < 0 ? -1 : all[i].row)), position: padded.map((i) => (i < 0 ? 0 : all[i].position)), ...tables });
      const out = backend.allocateActivation(shape.kind, padded.length, H * D);
      const rows = new Float32Array(padded.length * width);
      indices.forEach((i, t) => rows.set(rotated.subarray(i * width, (i + 1) * width), t * width));
      backend.attend({ ...common, step, qkv: upload(backend, rows), scale: 1 / Math.sqrt(D), window: shape.window, softcap: shape.softcap, out });
      return readActivation(backend, out, indices.length);
    };
    const q = new Float32Array(all.length * H * D);
    all.forEach((_, i) => q.set(rotated.subarray(i * width, i * width + H * D), i * H * D));
    return { cache, out: attend(wanted), q, only: (index) => attend([wanted[index]])[0] };
  }

  describe('attend', () => {
    const cases: [string, Partial<AttentionCase>][] = [
      ...[32, 64, 80, 96, 128, 256].map((D): [string, Partial<AttentionCase>] => [`head size ${D}`, { D }]),
      ...[1, 2, 4, 7].map((ratio): [string, Partial<AttentionCase>] => [`${ratio} query heads to a KV head`, { H: 2 * ratio, D: 32 }]),
      ['full cache', { precision: 'full' }],
      ['full cache, odd sizes', { precision: 'full', D: 80, H: 6, B: 20, lengths: [61, 40], queries: [9, 40] }],
      ['whole prompts', { lengths: [50, 33, 7], queries: [50, 33, 7], D: 32 }],
      ['blocks of 16', { B: 16, lengths: [16, 17, 48], queries: [2, 2, 48] }],
      ['blocks of 8', { B: 8, lengths: [30, 9], queries: [4, 9], D: 32 }],
      ['blocks of 20', { B: 20, lengths: [530, 9], queries: [4, 9], D: 32, H: 2, G: 1 }],
      ['blocks of 64', { B: 64, lengths: [130, 63], queries: [3, 4], D: 32 }],
      ['window', { window: 24, lengths: [100, 20], queries: [30, 20], D: 32 }],
      ['window over segments', { window: 100, lengths: [1100], queries: [3], D: 32, H: 2, G: 1 }],
      ['softcap', { softcap: 5, D: 32 }],
      ['segments, few tokens', { lengths: [1300, 513, 512], queries: [2, 1, 1], D: 32 }],
      ['segments, many tokens', { lengths: [1100], queries: [90], D: 32, H: 8, G: 2 }],
      ['full cache, segments', { lengths: [1100, 600], queries: [3, 1], D: 32, precision: 'full' }],
      ['int8 out', { kind: 'int8', D: 80, H: 6, G: 2 }],
    ];
    test.each(cases)('%s', (_, change) => {
      const shape = { ...base, ...change };
      const { seen, wanted } = both((backend) => attention(backend, shape));
      seen.out.forEach((row, i) => {
        if (shape.precision === 'kv4') expectSameActivation(row, wanted.out[i]);
        else if (shape.kind === 'int8') expectActivation(row, wanted.out[i]);
        else expect(errorOf(row.values, wanted.out[i].values)).toBeLessThan(2e-5);
      });
      for (const t of new Set([0, seen.out.length >> 1, seen.out.length - 1])) expectSameActivation(seen.only(t), seen.out[t]);
      native.free(seen.cache);
    });
  });

  test.each([
    ['kv4', 64],
    ['full', 80],
    ['kv4', 96],
  ] as const)('ropeStore with norms and partial rotation: %s, head size %i', (precision, D) => {
    const { seen, wanted } = both((backend) => attention(backend, { ...base, precision, D, rotate: true }));
    expect(errorOf(seen.q, wanted.q)).toBeLessThan(1e-6);
    /* A four-bit code may round the other way. */
    seen.out.forEach((row, i) => expect(errorOf(row.values, wanted.out[i].values)).toBeLessThan(precision === 'kv4' ? 1e-2 : 1e-5));
    for (const t of [0, seen.out.length - 1]) expectSameActivation(seen.only(t), seen.out[t]);
  });

  describe('sample', () => {
    const V = 1003;
    const PLAIN = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0 };
    const rules: [string, Partial<typeof PLAIN>][] = [
      ['greedy', { temperature: 0 }],
      ['temperature 1', {}],
      ['temperature 0.3', { temperature: 0.3 }],
      ['top-k 1', { topK: 1 }],
      ['top-k 40', { topK: 40, temperature: 1.5 }],
      ['top-k beyond the vocabulary', { topK: 5000 }],
      ['top-p 0.9', { topP: 0.9 }],
      ['top-p 0.999', { topP: 0.999, temperature: 2 }],
      ['top-p near 0', { topP: 1e-6 }],
      ['min-p', { minP: 0.05 }],
      ['all three', { topK: 50, topP: 0.8, minP: 0.01 }],
      ['repetition', { repetitionPenalty: 1.3 }],
      ['presence and frequency', { presencePenalty: 0.7, frequencyPenalty: 0.4 }],
      ['all penalties, greedy', { temperature: 0, repetitionPenalty: 1.5, presencePenalty: -0.5, frequencyPenalty: 1 }],
    ];
    const S = 24;
    const tokensPerRow = 40;

    interface Sampled {
      readonly result: Float32Array;
      readonly tokens: Int32Array;
    }
    function sample(backend: Backend, change: Partial<typeof PLAIN>, entriesWanted: readonly number[], ties: boolean): Sampled {
      const random = new Random(13);
      const logits = random.normals(S * V, 3);
      if (ties) logits.forEach((x, i) => (logits[i] = Math.round(x)));
      const history = Int32Array.from({ length: S * tokensPerRow }, () => random.integer(0, V - 1));
      const words = Math.ceil(V / 32);
      const masks = Int32Array.from({ length: 3 * words }, (_, i) => (i < 2 * words ? random.integer(-(2 ** 31), 2 ** 31 - 1) : 0));
      masks[2 * words + 5] = 1 << 7;
      const params = { ...PLAIN, ...change };
      const entries: number[] = [];
      const allParams: number[] = [];
      const rows: number[] = [];
      const values = Array.from({ length: S }, (_, s) => {
        const entry = {
          row: S - 1 - s,
          position: 10 + s,
          promptLength: 6,
          seedLow: random.integer(-(2 ** 31), 2 ** 31 - 1),
          seedHigh: random.integer(0, 2 ** 21),
          mask: s % 4 === 0 ? (s / 4) % 3 : -1,
          biasStart: s % 5,
          biasCount: s % 3 === 0 ? 3 : 0,
          topLogprobs: (s * 3) % 21,
        };
        return SAMPLE_ENTRY.map((name) => entry[name]);
      });
      for (const s of entriesWanted) {
        entries.push(...values[s]);
        allParams.push(...SAMPLE_PARAMS.map((name) => params[name]));
        rows.push(s);
      }
      const picked = new Float32Array(rows.length * V);
      rows.forEach((s, i) => picked.set(logits.subarray(s * V, (s + 1) * V), i * V));
      const step = uploadStep(backend, { row: [0], position: [0], tokens: history, tokensPerRow });
      const result = backend.allocate('f32', rows.length * SAMPLE_RESULT);
      backend.sample({
        size: rows.length,
        vocabSize: V,
        logits: upload(backend, picked),
        step,
        entries: upload(backend, Int32Array.from(entries)),
        params: upload(backend, Float32Array.from(allParams)),
        masks: upload(backend, masks),
        biasIds: upload(backend, Int32Array.from([3, 500, 1002, 3, 17, 400, 9, 77])),
        biasValues: upload(backend, Float32Array.from([5, -4, 6, 1.5, 100, -100, 2, 8])),
        result,
      });
      return { result: floats(backend, result), tokens: download(backend, step.tokens, new Int32Array(history.length)) };
    }

    test.each(rules)('%s', (_, change) => {
      const every = Array.from({ length: S }, (_unused, s) => s);
      for (const ties of [false, true]) {
        const { seen, wanted } = both((backend) => sample(backend, change, every, ties));
        expect(seen.tokens).toEqual(wanted.tokens);
        for (let s = 0; s < S; s++) {
          for (let i = 0; i < SAMPLE_RESULT; i++) {
            const at = s * SAMPLE_RESULT + i;
            if (i === 0 || (i >= 3 && i % 2 === 1)) expect(seen.result[at]).toBe(wanted.result[at]);
            else expect(Math.abs(seen.result[at] - wanted.result[at])).toBeLessThan(2e-6 * Math.max(1, Math.abs(wanted.result[at])));
          }
        }
        const alone = sample(native, change, [8], ties);
        expectSameBits(alone.result, seen.result.slice(8 * SAMPLE_RESULT, 9 * SAMPLE_RESULT));
      }
    });

    test('a large vocabulary', () => {
      const size = 40000;
      const logits = new Random(14).normals(size, 2);
      for (const change of [{ topP: 0.95 }, { topK: 700 }, { topP: 0.99, temperature: 3 }]) {
        const { seen, wanted } = both((backend) => {
          const step = uploadStep(backend, { row: [0], position: [0], tokens: new Int32Array(8), tokensPerRow: 8 });
          const result = backend.allocate('f32', SAMPLE_RESULT);
          const none = backend.allocate('i32', 1);
          const params = { ...PLAIN, ...change };
          backend.sample({
            size: 1,
            vocabSize: size,
            logits: upload(backend, logits),
            step,
            entries: upload(backend, Int32Array.from([0, 0, 0, 5, 6, -1, 0, 0, 20])),
            params: upload(backend, Float32Array.from(SAMPLE_PARAMS, (name) => params[name])),
            masks: none,
            biasIds: none,
            biasValues: backend.allocate('f32', 1),
            result,
          });
          return floats(backend, result);
        });
        expect(seen[0]).toBe(wanted[0]);
        expect(errorOf(seen, wanted)).toBeLessThan(1e-6);
      }
    });
  });

  test('writes are ordered with ops', () => {
    const random = new Random(15);
    const weight = native.packLinear([denseSource(random, 16, 16, 'f32')], null);
    const input = native.allocateActivation('float', 1, 16);
    const outs = Array.from({ length: 300 }, () => native.allocate('f32', 16));
    const host = new Float32Array(16);
    outs.forEach((out, i) => {
      host.fill(i);
      native.write(input.values, host);
      native.linear({ size: 1, input, weight, out });
    });
    const first = floats(native, outs[1]);
    outs.forEach((out, i) => expect(errorOf(floats(native, out), first.map((x) => x * i))).toBeLessThan(1e-5));
  });

  test('a write larger than what is staged at once', () => {
    const values = new Random(16).normals(300_001);
    const tensor = native.allocate('f32', values.length + 1);
    native.write(tensor, values, 1);
    expectSameBits(floats(native, tensor).slice(1), values);
  });
});
