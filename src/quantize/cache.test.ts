import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../model/config.ts';
import { ensureQuantized } from './cache.ts';
import { quantize } from './quantize.ts';

const LLAMA = 'test/fixtures/hf/llama3';

let root: string;
let cache: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tetrad-cache-'));
  cache = join(root, 'cache');
});
afterEach(() => rmSync(root, { recursive: true }));

describe('ensureQuantized', () => {
  it('returns a quantized checkpoint as it is', async () => {
    const quantized = join(root, 'quantized');
    await quantize(LLAMA, quantized);
    expect(await ensureQuantized(quantized, { cache })).toBe(quantized);
    expect(existsSync(cache)).toBe(false);
  });

  it('quantizes once', async () => {
    let worked = 0;
    const first = await ensureQuantized(LLAMA, { cache, onProgress: () => worked++ });
    expect(first).toMatch(/cache\/quantized\/llama3-[0-9a-f]{16}$/);
    expect(readConfig(first).quantization?.group_size).toBe(128);
    const before = worked;
    expect(await ensureQuantized(LLAMA, { cache, onProgress: () => worked++ })).toBe(first);
    expect(worked).toBe(before);
  });

  it('does the work once for several that ask at a time', async () => {
    let workers = 0;
    const ask = (): Promise<string> => {
      let worked = false;
      return ensureQuantized(LLAMA, { cache, onProgress: () => (worked ||= workers++ >= 0) });
    };
    const paths = await Promise.all([ask(), ask(), ask()]);
    expect(new Set(paths).size).toBe(1);
    expect(workers).toBe(1);
    expect(readdirSync(join(cache, 'quantized'))).toHaveLength(1);
  });

  it('notices that a file of the checkpoint changed', async () => {
    const source = join(root, 'source');
    cpSync(LLAMA, source, { recursive: true });
    const first = await ensureQuantized(source, { cache });
    utimesSync(join(source, 'model.safetensors'), new Date(), new Date(Date.now() + 5000));
    const second = await ensureQuantized(source, { cache });
    writeFileSync(join(source, 'tokenizer.json'), '{}');
    const third = await ensureQuantized(source, { cache });
    expect(new Set([first, second, third]).size).toBe(3);
    expect(existsSync(join(third, 'tokenizer.json'))).toBe(true);
  });

  it('takes over from a process that was killed', async () => {
    const path = await ensureQuantized(LLAMA, { cache });
    rmSync(path, { recursive: true });
    writeFileSync(`${path}.lock`, '');
    utimesSync(`${path}.lock`, new Date(), new Date(Date.now() - 60_000));
    expect(await ensureQuantized(LLAMA, { cache })).toBe(path);
    expect(readdirSync(join(cache, 'quantized'))).toHaveLength(1);
  });

  it('says what to do where the cache is no directory', async () => {
    writeFileSync(cache, '');
    await expect(ensureQuantized(LLAMA, { cache })).rejects.toThrow(/the cache can't be written \(E\w+\); set TETRAD_CACHE/);
  });

  it('stops waiting and working when told to, and leaves nothing', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(ensureQuantized(LLAMA, { cache, signal })).rejects.toThrow('enough');
    mkdirSync(join(cache, 'quantized'), { recursive: true });
    expect(readdirSync(join(cache, 'quantized'))).toEqual([]);
  });
});
