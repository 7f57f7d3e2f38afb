import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../model/safetensors.ts';
import { bytesOf } from './encode.ts';
import type { PlannedTensor } from './plan.ts';
import { CheckpointWriter } from './write.ts';

const TENSORS: PlannedTensor[] = [
  { name: 'a.qweight', dtype: 'U8', shape: [3, 5] },
  { name: 'a.m', dtype: 'I8', shape: [3, 1] },
  { name: 'a.s0', dtype: 'F32', shape: [3] },
  { name: 'b.weight', dtype: 'BF16', shape: [2, 4] },
  { name: 'c.weight', dtype: 'F32', shape: [4, 4] },
];

const CONTENT: Record<string, Uint8Array> = {
  'a.qweight': Uint8Array.from({ length: 15 }, (_, i) => 17 * i),
  'a.m': bytesOf(Int8Array.of(-1, 2, -3)),
  'a.s0': bytesOf(Float32Array.of(0.5, 1.5, 2.5)),
  'b.weight': Uint8Array.from({ length: 16 }, (_, i) => i),
  'c.weight': bytesOf(Float32Array.from({ length: 16 }, (_, i) => i / 3)),
};

let root: string;
let target: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tetrad-write-'));
  target = join(root, 'deep', 'out');
});
afterEach(() => rmSync(root, { recursive: true }));

function fill(writer: CheckpointWriter): void {
  for (const { name } of TENSORS) {
    const bytes = CONTENT[name];
    writer.write(name, 2, bytes.subarray(2));
    writer.write(name, 0, bytes.subarray(0, 2));
  }
}

describe('CheckpointWriter', () => {
  it.each([Infinity, 40, 1])('writes what the reader reads, in shards of %d bytes', (shardBytes) => {
    const writer = new CheckpointWriter(target, TENSORS, shardBytes);
    fill(writer);
    writer.writeFile('config.json', '{}');
    writer.commit(false);
    using checkpoint = openCheckpoint(target);
    for (const { name, dtype, shape } of TENSORS) {
      expect(checkpoint.entry(name)).toMatchObject({ dtype, shape });
      expect(checkpoint.read(name)).toEqual(CONTENT[name]);
    }
    const shards = readdirSync(target).filter((file) => file.endsWith('.safetensors'));
    expect(shards).toHaveLength(shardBytes === Infinity ? 1 : shardBytes === 1 ? 5 : 3);
    expect(readdirSync(join(root, 'deep'))).toEqual(['out']);
  });

  it('shows nothing before it is whole, and leaves nothing when given up', () => {
    const writer = new CheckpointWriter(target, TENSORS);
    expect(existsSync(target)).toBe(false);
    expect(() => writer.commit(false)).toThrow('a.s0: 0 of 12 bytes were written');
    expect(existsSync(target)).toBe(false);
    writer.abort();
    expect(readdirSync(join(root, 'deep'))).toEqual([]);
  });

  it('does not overwrite what stands there unless told to', () => {
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, 'mine'), 'mine');
    const refused = new CheckpointWriter(target, []);
    expect(() => refused.commit(false)).toThrow('ENOTEMPTY');
    refused.abort();
    expect(readdirSync(target)).toEqual(['mine']);
    const replacing = new CheckpointWriter(target, []);
    replacing.commit(true);
    expect(readdirSync(target)).toEqual(['model.safetensors']);
    expect(readdirSync(join(root, 'deep'))).toEqual(['out']);
  });

  it('refuses bytes that were not planned', () => {
    const writer = new CheckpointWriter(target, TENSORS);
    expect(() => writer.write('a.m', 1, new Uint8Array(3))).toThrow('3 bytes at 1 were not planned');
    expect(() => writer.write('z', 0, new Uint8Array(1))).toThrow('not planned');
    writer.abort();
  });

  it('removes what a killed process left for the same target, and nothing else', () => {
    const parent = join(root, 'deep');
    const left = (name: string): string => join(parent, name);
    const dead = `.out.tetrad-${hostname()}-4194303-0123abcd`;
    const alive = `.out.tetrad-${hostname()}-${process.pid}-0123abcd`;
    const elsewhere = `.out.tetrad-${hostname()}x-4194303-0123abcd`;
    const other = `.other.tetrad-${hostname()}-4194303-0123abcd`;
    for (const name of [dead, alive, elsewhere, other]) mkdirSync(left(name), { recursive: true });
    new CheckpointWriter(target, TENSORS).abort();
    expect(readdirSync(parent).sort()).toEqual([alive, elsewhere, other].sort());
  });
});
