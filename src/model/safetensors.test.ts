import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadModel } from './load.ts';
import { CheckpointError, openCheckpoint } from './safetensors.ts';

const SOURCE = 'test/fixtures/hf/llama3';
const scratch = mkdtempSync(join(tmpdir(), 'tetrad-'));
afterAll(() => rmSync(scratch, { recursive: true }));

let copies = 0;
function copy(): string {
  const directory = join(scratch, String(copies++));
  cpSync(SOURCE, directory, { recursive: true });
  return directory;
}

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>;

function readParts(file: string): { header: Header; data: Uint8Array } {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  return { header: JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Header, data: bytes.subarray(8 + length) };
}

function writeParts(file: string, header: unknown, data: Uint8Array): void {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(file, Buffer.concat([length, text, data]));
}

/** A copy of the checkpoint whose header and data were changed. */
function damaged(change: (header: Header, data: Uint8Array) => void): string {
  const directory = copy();
  const file = join(directory, 'model.safetensors');
  const { header, data } = readParts(file);
  const ownData = Buffer.from(data);
  change(header, ownData);
  writeParts(file, header, ownData);
  return directory;
}

/** A copy in two shards with an index. */
function sharded(changeIndex: (weightMap: Record<string, string>) => void = () => {}): string {
  const directory = copy();
  const file = join(directory, 'model.safetensors');
  const { header, data } = readParts(file);
  const names = Object.keys(header).filter((name) => name !== '__metadata__');
  const weightMap: Record<string, string> = {};
  for (const shard of [0, 1]) {
    const own: Header = {};
    const pieces: Uint8Array[] = [];
    let at = 0;
    for (const name of names.filter((_, i) => i % 2 === shard)) {
      const [start, end] = header[name].data_offsets;
      own[name] = { ...header[name], data_offsets: [at, at + end - start] };
      pieces.push(data.subarray(start, end));
      at += end - start;
      weightMap[name] = `model-0000${shard + 1}-of-00002.safetensors`;
    }
    writeParts(join(directory, `model-0000${shard + 1}-of-00002.safetensors`), own, Buffer.concat(pieces));
  }
  rmSync(file);
  changeIndex(weightMap);
  writeFileSync(join(directory, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
  return directory;
}

async function refusal(directory: string): Promise<string> {
  const error: unknown = await loadModel(directory, { backend: 'reference', cacheTokens: 64 }).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  return (error as Error).message;
}

test('shards read as one checkpoint', () => {
  using whole = openCheckpoint(SOURCE);
  using parts = openCheckpoint(sharded());
  expect(parts.names.sort()).toEqual(whole.names.sort());
  for (const name of whole.names) expect(parts.read(name)).toEqual(whole.read(name));
});

test('rows are read in pieces', () => {
  using checkpoint = openCheckpoint(SOURCE);
  const name = 'model.layers.0.mlp.down_proj.weight';
  const { shape, rowBytes } = checkpoint.entry(name);
  const all = checkpoint.read(name);
  expect(all.length).toBe(shape[0] * rowBytes);
  expect(checkpoint.read(name, 3, 17)).toEqual(all.slice(3 * rowBytes, 17 * rowBytes));
  const first = checkpoint.readPiece(name, 0, 9);
  expect(first).toEqual(all.slice(0, 9 * rowBytes));
  const second = checkpoint.readPiece(name, 9, 15);
  expect(second).toEqual(all.slice(9 * rowBytes, 15 * rowBytes));
  expect(second.buffer).toBe(first.buffer);
});

const TENSOR = 'model.layers.1.self_attn.q_proj.weight';

describe('refused, naming file, tensor, expected and seen:', () => {
  test('an empty directory', async () => {
    const directory = mkdtempSync(join(scratch, 'empty-'));
    expect(await refusal(directory)).toContain('config.json: no such file');
  });

  test('a file that was cut off', async () => {
    const directory = copy();
    truncateSync(join(directory, 'model.safetensors'), 500_000);
    expect(await refusal(directory)).toMatch(/model\.safetensors: tensor .* ends at byte \d+ but the file has 500000/);
  });

  test('a file cut off within its header', async () => {
    const directory = copy();
    truncateSync(join(directory, 'model.safetensors'), 100);
    expect(await refusal(directory)).toMatch(/header claims \d+ bytes; the file has 100/);
  });

  test('a header that claims terabytes', async () => {
    const directory = copy();
    const file = join(directory, 'model.safetensors');
    const bytes = readFileSync(file);
    bytes.writeBigUInt64LE(5_000_000_000_000n);
    writeFileSync(file, bytes);
    expect(await refusal(directory)).toContain('the header claims 5000000000000 bytes');
  });

  test('a header that is not JSON', async () => {
    const directory = copy();
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(4n);
    writeFileSync(join(directory, 'model.safetensors'), Buffer.concat([length, Buffer.from('nope')]));
    expect(await refusal(directory)).toContain('not valid JSON');
  });

  test('a missing tensor', async () => {
    const directory = damaged((header) => delete header[TENSOR]);
    expect(await refusal(directory)).toContain(`tensor ${TENSOR} is missing`);
  });

  test('a wrong shape', async () => {
    const directory = damaged((header) => header[TENSOR].shape.reverse().push(1));
    expect(await refusal(directory)).toContain(`tensor ${TENSOR}: expected shape [128, 128], seen [128, 128, 1]`);
  });

  test('a shape that does not fit its bytes', async () => {
    const directory = damaged((header) => (header[TENSOR].shape[0] = 1 << 30));
    expect(await refusal(directory)).toContain(`tensor ${TENSOR}: BF16`);
  });

  test('an unknown dtype', async () => {
    const directory = damaged((header) => (header[TENSOR].dtype = 'Q7'));
    expect(await refusal(directory)).toContain(`tensor ${TENSOR}: expected a dtype of`);
  });

  test.each([TENSOR, 'model.norm.weight'])('NaN in %s', async (name) => {
    const directory = damaged((header, data) => data.fill(0xff, header[name].data_offsets[0], header[name].data_offsets[0] + 2));
    expect(await refusal(directory)).toMatch(new RegExp(`${name}: expected finite numbers`));
  });

  test('an unknown architecture', async () => {
    const directory = copy();
    const file = join(directory, 'config.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('LlamaForCausalLM', 'MambaForCausalLM'));
    expect(await refusal(directory)).toMatch(/architecture "MambaForCausalLM" is not supported; supported: LlamaForCausalLM/);
  });

  test.each(['../../secret.safetensors', '/etc/secret.safetensors', '..\\secret.safetensors', 'a\0.safetensors', 'passwd', '.safetensors', `${'a'.repeat(5000)}.safetensors`])('%s in the shard index', async (path) => {
    const directory = sharded((map) => (map[TENSOR] = path));
    const message = await refusal(directory);
    expect(message).toContain(`tensor ${TENSOR}: expected the name of a .safetensors file in the same directory, seen "`);
    expect(message.length).toBeLessThan(600);
  });

  test.each(['null', '[]', '{"weight_map": []}'])('%s as shard index', async (text) => {
    const directory = sharded();
    writeFileSync(join(directory, 'model.safetensors.index.json'), text);
    expect(await refusal(directory)).toContain('expected an object weight_map');
  });

  test('an index that puts a tensor into another shard', async () => {
    const directory = sharded((map) => (map[TENSOR] = map[TENSOR].replace(/0000[12]-/, (shard) => (shard === '00001-' ? '00002-' : '00001-'))));
    expect(await refusal(directory)).toContain(`tensor ${TENSOR} is missing from model-0000`);
  });

  test('tensors that overlap', async () => {
    const directory = damaged((header) => (header[TENSOR].data_offsets = [0, 32768]));
    expect(await refusal(directory)).toMatch(/tensor .*: expected to begin at byte \d+, where .* ends, or later, seen \d+/);
  });

  test('a second entry for a tensor', async () => {
    const directory = copy();
    const file = join(directory, 'model.safetensors');
    const { header, data } = readParts(file);
    const text = JSON.stringify(header).replace(/}$/, `,${JSON.stringify(TENSOR)}:${JSON.stringify({ ...header[TENSOR], data_offsets: [0, 32768] })}}`);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    writeFileSync(file, Buffer.concat([length, Buffer.from(text), data]));
    expect(await refusal(directory)).toContain('ends, or later, seen');
  });

  test.each(['config.json', 'model.safetensors'])('a directory in place of %s', async (name) => {
    const directory = copy();
    rmSync(join(directory, name));
    mkdirSync(join(directory, name));
    expect(await refusal(directory)).toContain(`${name}: is not a file`);
  });

  test('a missing shard', async () => {
    const directory = sharded();
    rmSync(join(directory, 'model-00002-of-00002.safetensors'));
    expect(await refusal(directory)).toContain('model-00002-of-00002.safetensors: this shard is missing');
  });

  test('an index that names a tensor its shard lacks', async () => {
    const directory = sharded((map) => (map['model.extra'] = 'model-00001-of-00002.safetensors'));
    expect(await refusal(directory)).toContain('tensor model.extra is missing from model-00001-of-00002.safetensors');
  });
});
