/** What the native backend refuses, and what it survives. */
import { describe, expect, test } from 'vitest';
import { BackendError } from './backend.ts';
import { NativeBackend } from './native.ts';
import { library, Random, denseSource, w4Source, uploadActivation, uploadStep } from '../../test/support/kernels.ts';

describe.skipIf(library === null)('errors', () => {
  const open = (): NativeBackend => new NativeBackend({ name: 'cpu', library: library!, threads: 2 });

  test('an unknown path', () => {
    expect(() => new NativeBackend({ name: 'cpu', library: library!, path: 'abacus' })).toThrow(/no path 'abacus'.*portable/);
  });

  test('sizes, kinds and addresses that do not agree', () => {
    const backend = open();
    const random = new Random(17);
    const weight = backend.packLinear([w4Source(random, 32, 128, 128)], null);
    const input = uploadActivation(backend, 'int8', 2, 128, 18);
    const out = backend.allocate('f32', 64);
    const linear = (change: object): (() => void) => () => {
      backend.linear({ size: 2, input, weight, out, ...change });
      backend.read(out, new Float32Array(64));
    };
    expect(linear({ size: 3 })).toThrow(/linear: input has 256 bytes; 384 are needed/);
    expect(linear({ input: uploadActivation(backend, 'float', 2, 128, 19) })).toThrow(/linear: a w4 weight \[32, 128\] cannot take float32 input/);
    expect(linear({ input: uploadActivation(backend, 'int8', 2, 64, 19) })).toThrow(/cannot take int8 input of width 64/);
    expect(linear({ out: { ...out, data: 4096 } })).toThrow(/linear: out is not memory of this context/);
    expect(linear({ out: { ...out, data: 0 } })).toThrow(/linear: out is null/);
    expect(linear({ weight: { ...weight, data: 64 } })).toThrow(/linear: weight is not open/);
    expect(linear({ size: 1.5 })).toThrow(/linear: size is 1.5/);
    expect(linear({ size: -1 })).toThrow(BackendError);
    expect(linear({})).not.toThrow();
    expect(() => backend.allocate('f32', 1e15)).toThrow(/allocate f32/);
    expect(() => backend.allocate('f32', 1e11)).toThrow(/MiB are free/);
    expect(() => backend.allocateCache({ precision: 'kv4', numLayers: 0, numBlocks: 1, blockSize: 1, numKVHeads: 1, headSize: 8 })).toThrow(/allocateCache/);
    expect(() => backend.packLinear([w4Source(random, 2, 128, 64)], null)).toThrow(/group size 64/);
    expect(() => backend.read(out, new Float32Array(65))).toThrow(/260 bytes wanted of 256/);
    expect(() => backend.write(out, new Float32Array(65))).toThrow(BackendError);
    backend.close();
  });

  test('what the data names must exist; the program stops there and the next one runs', () => {
    const backend = open();
    const table = backend.packLinear([denseSource(new Random(20), 8, 16, 'f32')], null);
    const out = backend.allocate('f32', 16);
    const embed = (token: number, row = 0, position = 0): void => {
      const step = uploadStep(backend, { row: [row], position: [position], tokens: Int32Array.from([token, 0]), tokensPerRow: 1 });
      backend.embed({ step, table, scale: 1, out });
      backend.read(out, new Float32Array(16));
    };
    expect(() => embed(8)).toThrow(/embed.*token 8 at step index 0; the table has 8 rows/);
    expect(() => embed(0, 2)).toThrow(/embed.*row 2/);
    expect(() => embed(0, 0, 1)).toThrow(/embed.*position 1/);
    expect(() => embed(7)).not.toThrow();
    const cache = backend.allocateCache({ precision: 'kv4', numLayers: 1, numBlocks: 2, blockSize: 4, numKVHeads: 1, headSize: 8 });
    const step = uploadStep(backend, { row: [0], position: [3], blockTables: Int32Array.from([2]) });
    backend.attend({ step, layer: 0, cache, numHeads: 1, qkv: backend.allocate('f32', 24), scale: 1, window: 0, softcap: 0, out: backend.allocateActivation('float', 1, 8) });
    expect(() => backend.read(out, new Float32Array(16))).toThrow(/attend.*block 2; the cache has 2 blocks/);
    backend.close();
  });

  test('closing twice, while a program runs, and using what is closed', () => {
    const backend = open();
    const weight = backend.packLinear([denseSource(new Random(21), 256, 512, 'f32')], null);
    const input = uploadActivation(backend, 'float', 64, 512, 22);
    const out = backend.allocate('f32', 64 * 256);
    for (let i = 0; i < 50; i++) backend.linear({ size: 64, input, weight, out });
    backend.fence();
    backend.close();
    backend.close();
    expect(() => backend.linear({ size: 64, input, weight, out })).toThrow(/closed/);
    expect(() => backend.allocate('f32', 1)).toThrow(/closed/);
  });

  test('what is freed is gone, and memory stays flat', () => {
    const backend = open();
    const tensor = backend.allocate('f32', 16);
    backend.free(tensor);
    expect(() => backend.free(tensor)).toThrow(/free f32/);
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 100; i++) {
      const other = open();
      const weight = other.packLinear([w4Source(new Random(23), 64, 256, 128)], null);
      other.allocate('f32', 1 << 18);
      other.free(weight);
      other.close();
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 << 20);
    backend.close();
  });
});
