/** Contexts come and go: memory stays flat, and a worker that dies in the middle of a program harms nobody. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { loadModel } from '../src/model/load.ts';
import { quantize } from '../src/quantize/quantize.ts';
import { NativeBackend } from '../src/backend/native.ts';
import { Random, expectSameBits, floats, library, uploadActivation, w4Source } from './support/kernels.ts';

const LLAMA = join(import.meta.dirname, 'fixtures/hf/llama3');

/** Copies 1 GiB in the background; its memory is never closed. */
const DYING = `
const { parentPort, workerData } = require('node:worker_threads');
const koffi = require(workerData.koffi);
const library = koffi.load(workerData.library);
const out = new BigUint64Array(1);
library.func('int tt_open(int, const char *, void *)')(2, '', out);
const context = Number(out[0]);
const BYTES = 1 << 24;
library.func('int tt_allocate(uintptr_t, double, void *)')(context, 2 * BYTES, out);
const memory = Number(out[0]);
const words = new Float64Array(Array.from({ length: 64 }, () => [0, 3, memory, memory + BYTES, BYTES]).flat());
library.func('int tt_submit(uintptr_t, void *, double, void *)')(context, words, words.length, new Float64Array(1));
parentPort.postMessage('running');
`;

describe.skipIf(library === null)('lifetime', () => {
  test('200 loads and closes stay flat', async () => {
    const root = mkdtempSync(join(tmpdir(), 'tetrad-lifetime-'));
    try {
      await quantize(LLAMA, join(root, 'model'));
      const loads = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++) {
          (await loadModel(join(root, 'model'), { backend: 'cpu', threads: 2, cacheTokens: 256, maxStepTokens: 32 })).close();
          await nextTurn(); // views of native memory are let go by the event loop
        }
      };
      await loads(50);
      const before = process.memoryUsage.rss();
      await loads(200);
      console.info(`rss ${(before / 1e6).toFixed(0)} → ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB`);
      expect(process.memoryUsage.rss() - before).toBeLessThan(48 << 20);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

  test('a worker is terminated while its program runs', async () => {
    const backend = new NativeBackend({ name: 'cpu', library: library!, threads: 2 });
    const weight = backend.packLinear([w4Source(new Random(1), 64, 256, 128)], null);
    const input = uploadActivation(backend, 'int8', 4, 256, 2);
    const linear = (): Float32Array => {
      const out = backend.allocate('f32', 4 * 64);
      backend.linear({ size: 4, input, weight, out });
      return floats(backend, out);
    };
    const before = linear();
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(DYING, { eval: true, workerData: { koffi: createRequire(import.meta.url).resolve('koffi'), library } });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      await worker.terminate();
      expectSameBits(linear(), before);
    }
    const other = new NativeBackend({ name: 'cpu', library: library!, threads: 2 });
    other.close();
    backend.close();
  });
});
