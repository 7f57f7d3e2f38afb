/**
 * The large files of test/fixtures lie in the repository as one compressed archive, since many of their tensors are alike; this unpacks
 * them where they belong. Weights are split into planes of their bytes before, which lets the exponents compress.
 *
 *     node scripts/fixtures.mjs [--pack FILE ...]      unpacks; or makes the archive of the files, given relative to test/fixtures
 */
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', 'test', 'fixtures');
const archive = join(root, 'large-files.br');

/** Line 1: what is in it; behind it the files' planes, compressed as one. */
export default function unpackFixtures() {
  if (!existsSync(archive)) return;
  const bytes = readFileSync(archive);
  const end = bytes.indexOf(0x0a);
  const files = JSON.parse(bytes.subarray(0, end).toString('utf8'));
  if (files.every(({ name }) => isFresh(join(root, name)))) return;
  const data = brotliDecompressSync(bytes.subarray(end + 1));
  let start = 0;
  for (const { name, size, planes } of files) {
    const partial = join(root, `${name}.${process.pid}`);
    writeFileSync(partial, interleave(data.subarray(start, start + size), planes));
    renameSync(partial, join(root, name));
    start += size;
  }
}

const isFresh = (file) => existsSync(file) && statSync(file).mtimeMs >= statSync(archive).mtimeMs;

function pack(names) {
  const files = names.map((name) => ({ name, bytes: readFileSync(join(root, name)), planes: planesOf(name) }));
  const data = Buffer.concat(files.map(({ bytes, planes }) => split(bytes, planes)));
  const packed = brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: data.length } });
  const index = files.map(({ name, bytes, planes }) => ({ name, size: bytes.length, planes }));
  writeFileSync(archive, Buffer.concat([Buffer.from(`${JSON.stringify(index)}\n`), packed]));
}

/** Bytes a number: bf16 weights, float32 logits, text. */
const planesOf = (name) => (!name.endsWith('.safetensors') ? 1 : basename(name).startsWith('reference') ? 4 : 2);

function split(bytes, planes) {
  const out = Buffer.alloc(bytes.length);
  let at = 0;
  for (let plane = 0; plane < planes; plane++) for (let i = plane; i < bytes.length; i += planes) out[at++] = bytes[i];
  return out;
}

function interleave(bytes, planes) {
  const out = Buffer.alloc(bytes.length);
  let at = 0;
  for (let plane = 0; plane < planes; plane++) for (let i = plane; i < bytes.length; i += planes) out[i] = bytes[at++];
  return out;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === '--pack') pack(process.argv.slice(3));
  else unpackFixtures();
}
