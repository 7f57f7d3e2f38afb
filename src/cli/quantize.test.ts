import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadModel } from '../model/load.ts';
import { quantizeCommand } from './quantize.ts';

const LLAMA = 'test/fixtures/hf/llama3';

let root: string;
let target: string;
/** Called when a line of progress appears. */
let onProgress: () => void;
beforeEach(() => {
  onProgress = () => {};
  root = mkdtempSync(join(tmpdir(), 'tetrad-cli-'));
  target = join(root, 'out');
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  rmSync(root, { recursive: true });
});

async function command(...args: string[]): Promise<{ stdout: string; stderr: string; exitCode: typeof process.exitCode }> {
  const out = { stdout: '', stderr: '' };
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out.stdout += String(text)), true)),
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      out.stderr += String(text);
      if (String(text).includes(' % ')) onProgress();
      return true;
    }),
  ];
  await quantizeCommand().exitOverride().parseAsync(args, { from: 'user' });
  for (const spy of spies) spy.mockRestore();
  return { ...out, exitCode: process.exitCode };
}

describe('tetrad quantize', () => {
  it('makes a checkpoint that loads', async () => {
    const { stdout, stderr, exitCode } = await command(LLAMA, target);
    expect(exitCode).toBeUndefined();
    expect(stdout).toMatch(/out: 1\.2 MB → \d+\.\d kB\nsteps: rotate, ranges\n[\s\S]*all 4-bit weights: 9\.\d\d %\n$/);
    expect(stderr).toMatch(/100 % lm_head\n$/);
    const model = await loadModel(target, { backend: 'reference', cacheTokens: 32 });
    expect(model.config.quantization).toMatchObject({ group_size: 128, steps: ['rotate', 'ranges'] });
    model.close();
  });

  it('takes every option and prints JSON', async () => {
    const { stdout, exitCode } = await command(LLAMA, target, '--group-size', '-1', '--no-rotate', '--embedding', 'w4', '--head', 'w4', '--json');
    expect(exitCode).toBeUndefined();
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'written',
      target,
      record: { group_size: -1, embedding: 'w4', head: 'w4', steps: ['ranges'], skipped: [], errors: { layers: [{}, {}, {}] } },
    });
  });

  it('is safe to run again', async () => {
    await command(LLAMA, target);
    const { stdout, exitCode } = await command(LLAMA, target);
    expect(exitCode).toBeUndefined();
    expect(stdout).toContain('is there already, made from this checkpoint with these options');
    const other = await command(LLAMA, target, '--head', 'w4');
    expect(other).toMatchObject({ exitCode: 1, stdout: '' });
    expect(other.stderr).toContain('tetrad: ');
    expect(other.stderr).toContain('was made with head "w8", asked is "w4"; --force replaces it');
    process.exitCode = undefined;
    expect((await command(LLAMA, target, '--head', 'w4', '--force')).exitCode).toBeUndefined();
  });

  it('ends with 1 and one line for an unusable source', async () => {
    expect(await command(join(root, 'nothing'), target)).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringMatching(/^tetrad: .*config\.json: no such file\n$/) as string });
    expect(readdirSync(root)).toEqual([]);
  });

  it('ends with 130 at Ctrl-C and leaves nothing', async () => {
    onProgress = () => process.emit('SIGINT', 'SIGINT');
    expect(await command(LLAMA, target)).toMatchObject({ exitCode: 130, stdout: '', stderr: expect.stringMatching(/tetrad: stopped\n$/) as string });
    expect(readdirSync(root)).toEqual([]);
    expect(process.listenerCount('SIGINT')).toBe(0);
  });

  it('refuses formats that it does not know', async () => {
    await expect(command(LLAMA, target, '--head', 'w2')).rejects.toThrow('Allowed choices are w8, w4, dense');
    await expect(command(LLAMA, target, '--group-size', '64')).rejects.toThrow('Allowed choices are 128, -1');
  });
});
