/**
 * Reads Hugging Face checkpoints: one model.safetensors, or shards named by model.safetensors.index.json. Only headers are
 * held; the values of a tensor are read in pieces, by rows.
 */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToFloat32 } from '../backend/float.ts';

/** The checkpoint can't be used. The message names the file, the tensor, what was expected and what was seen. */
export class CheckpointError extends Error {
  override name = 'CheckpointError';
}

export type TensorDType = 'F32' | 'F16' | 'BF16' | 'U8' | 'I8' | 'I32' | 'I64';

const DTYPE_BYTES: Record<string, number> = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1, F8_E4M3: 1, F8_E5M2: 1 };

/** Dtypes a weight may have in full precision, by the backend's names. */
export const DENSE_DTYPES: Record<string, 'f32' | 'f16' | 'bf16'> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };

/** Real headers stay far below; a larger claim is an attack or damage. */
const MAX_HEADER_BYTES = 100 * 1024 * 1024;

export interface TensorEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Elements and bytes of one index of the first dimension. */
  readonly rowElements: number;
  readonly rowBytes: number;
  readonly byteLength: number;
}

interface Located extends TensorEntry {
  readonly file: string;
  readonly descriptor: number;
  readonly offset: number;
}

export class Checkpoint {
  readonly directory: string;
  readonly #tensors: ReadonlyMap<string, Located>;
  readonly #descriptors: readonly number[];
  #piece = new Uint8Array(0);

  constructor(directory: string, tensors: ReadonlyMap<string, Located>, descriptors: readonly number[]) {
    this.directory = directory;
    this.#tensors = tensors;
    this.#descriptors = descriptors;
  }

  get names(): string[] {
    return [...this.#tensors.keys()];
  }

  get byteLength(): number {
    let sum = 0;
    for (const tensor of this.#tensors.values()) sum += tensor.byteLength;
    return sum;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  fileOf(name: string): string {
    return (this.entry(name) as Located).file;
  }

  /** The tensor's header entry, checked against the expected shape and the dtypes that are allowed. */
  entry(name: string, shape?: readonly number[], dtypes?: readonly TensorDType[]): TensorEntry {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) {
      throw new CheckpointError(`${this.directory}: tensor ${name} is missing (the checkpoint has ${this.#tensors.size} tensors)`);
    }
    if (shape !== undefined && (shape.length !== tensor.shape.length || shape.some((size, i) => size !== tensor.shape[i]))) {
      throw new CheckpointError(`${tensor.file}: tensor ${name}: expected shape [${shape.join(', ')}], seen [${tensor.shape.join(', ')}]`);
    }
    if (dtypes !== undefined && !dtypes.includes(tensor.dtype as TensorDType)) {
      throw new CheckpointError(`${tensor.file}: tensor ${name}: expected dtype ${dtypes.join(' or ')}, seen ${tensor.dtype}`);
    }
    return tensor;
  }

  /** Bytes of rows [start, end) of the first dimension; all of it by default. The buffer is fresh and 8-byte aligned. */
  read(name: string, start = 0, end?: number): Uint8Array {
    return this.#read(name, start, end, (length) => new Uint8Array(length));
  }

  /**
   * The same in a buffer that the next piece overwrites. Buffers are freed when the collector gets to it: a checkpoint read through
   * fresh ones would leave tens of megabytes behind.
   */
  readPiece(name: string, start: number, end: number): Uint8Array {
    return this.#read(name, start, end, (length) => {
      if (this.#piece.length < length) this.#piece = new Uint8Array(length);
      return this.#piece.subarray(0, length);
    });
  }

  #read(name: string, start: number, end: number | undefined, allocate: (length: number) => Uint8Array): Uint8Array {
    const tensor = this.entry(name) as Located;
    const rows = tensor.shape.length === 0 ? 1 : tensor.shape[0];
    const stop = end ?? rows;
    if (!(0 <= start && start <= stop && stop <= rows)) throw new RangeError(`${name}: rows ${start}..${stop} of ${rows}`);
    const bytes = allocate((stop - start) * tensor.rowBytes);
    let done = 0;
    while (done < bytes.length) {
      const position = tensor.offset + start * tensor.rowBytes + done;
      const count = readSync(tensor.descriptor, bytes, done, Math.min(bytes.length - done, 1 << 30), position);
      if (count === 0) throw new CheckpointError(`${tensor.file}: tensor ${name}: the file ends early, at byte ${position}; download it again`);
      done += count;
    }
    return bytes;
  }

  /** All values as float32. */
  readFloat32(name: string, shape?: readonly number[]): Float32Array {
    const { dtype } = this.entry(name, shape, ['F32', 'F16', 'BF16']);
    return bytesToFloat32(DENSE_DTYPES[dtype], this.read(name));
  }

  close(): void {
    for (const descriptor of this.#descriptors) closeSync(descriptor);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const single = (directory: string): string => join(directory, 'model.safetensors');
const index = (directory: string): string => join(directory, 'model.safetensors.index.json');

export function openCheckpoint(directory: string): Checkpoint {
  if (existsSync(index(directory))) return openShards(directory);
  if (!existsSync(single(directory))) {
    throw new CheckpointError(`${directory}: neither model.safetensors nor model.safetensors.index.json is there; only safetensors checkpoints can be loaded`);
  }
  return openFiles(directory, [single(directory)]);
}

/** One safetensors file by its path, e.g. reference logits. */
export function openTensorFile(file: string): Checkpoint {
  if (!existsSync(file)) throw new CheckpointError(`${file}: no such file`);
  return openFiles(file, [file]);
}

/** Writes one safetensors file of small tensors, whole or not at all. */
export function writeTensorFile(file: string, tensors: Record<string, { dtype: 'F32' | 'I32'; shape: readonly number[]; values: Float32Array | Int32Array }>): void {
  let end = 0;
  const header = Object.entries(tensors).map(([name, { dtype, shape, values }]) => [name, { dtype, shape, data_offsets: [end, (end += values.byteLength)] }] as const);
  const text = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const padded = Buffer.concat([text, Buffer.alloc(-text.length & 7, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const parts = Object.values(tensors).map(({ values }) => Buffer.from(values.buffer, values.byteOffset, values.byteLength));
  writeFileSync(`${file}.part`, Buffer.concat([length, padded, ...parts]));
  renameSync(`${file}.part`, file);
}

/** A plain name: nothing that leads out of the directory, on any system. */
const SHARD_NAME = /^[\w.+@-]{1,200}\.safetensors$/;

function openShards(directory: string): Checkpoint {
  const file = index(directory);
  const content = readJson(file);
  const weightMap = isRecord(content) ? content.weight_map : undefined;
  if (!isRecord(weightMap)) throw new CheckpointError(`${file}: expected an object weight_map`);
  const shards = new Set<string>();
  for (const [tensor, shard] of Object.entries(weightMap)) {
    if (typeof shard !== 'string' || !SHARD_NAME.test(shard)) {
      throw new CheckpointError(`${file}: tensor ${tensor}: expected the name of a .safetensors file in the same directory, seen ${show(shard)}`);
    }
    shards.add(shard);
  }
  const checkpoint = openFiles(directory, [...shards].sort().map((shard) => join(directory, shard)));
  for (const [tensor, shard] of Object.entries(weightMap)) {
    if (!checkpoint.has(tensor) || checkpoint.fileOf(tensor) !== join(directory, String(shard))) {
      checkpoint.close();
      throw new CheckpointError(`${file}: tensor ${tensor} is missing from ${String(shard)}`);
    }
  }
  return checkpoint;
}

function openFiles(directory: string, files: readonly string[]): Checkpoint {
  const tensors = new Map<string, Located>();
  const descriptors: number[] = [];
  try {
    for (const file of files) {
      if (!existsSync(file)) throw new CheckpointError(`${file}: this shard is missing; download the checkpoint again`);
      const descriptor = openFile(file);
      descriptors.push(descriptor);
      for (const tensor of readHeader(file, descriptor)) {
        if (tensors.has(tensor.name)) throw new CheckpointError(`${file}: tensor ${tensor.name} is there twice`);
        tensors.set(tensor.name, tensor);
      }
    }
  } catch (error) {
    for (const descriptor of descriptors) closeSync(descriptor);
    throw error;
  }
  return new Checkpoint(directory, tensors, descriptors);
}

/** Opening a pipe would wait for its writer. */
function openFile(file: string): number {
  if (!statSync(file).isFile()) throw new CheckpointError(`${file}: is not a file`);
  try {
    return openSync(file, 'r');
  } catch (error) {
    throw unreadable(file, error);
  }
}

const unreadable = (file: string, error: unknown): CheckpointError => new CheckpointError(`${file}: can't be read: ${(error as Error).message}`);

function readHeader(file: string, descriptor: number): Located[] {
  const size = fstatSync(descriptor).size;
  if (size < 8) throw new CheckpointError(`${file}: ${size} bytes; a safetensors file begins with 8 bytes of header length`);
  const prefix = new Uint8Array(8);
  readSync(descriptor, prefix, 0, 8, 0);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  if (length > BigInt(Math.min(MAX_HEADER_BYTES, size - 8))) {
    throw new CheckpointError(`${file}: the header claims ${length} bytes; the file has ${size}, and at most ${MAX_HEADER_BYTES} are allowed. It is damaged or cut off`);
  }
  const bytes = new Uint8Array(Number(length));
  if (readSync(descriptor, bytes, 0, bytes.length, 8) !== bytes.length) throw new CheckpointError(`${file}: the header is cut off`);
  const header = parseJson(file, new TextDecoder().decode(bytes));
  if (!isRecord(header)) throw new CheckpointError(`${file}: the header is not a JSON object`);

  const begin = 8 + bytes.length;
  const out: Located[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    out.push(checkEntry(file, descriptor, begin, size, name, value));
  }
  checkOverlaps(file, out);
  return out;
}

/** Bytes of two tensors at once are damage, or one name with two entries. */
function checkOverlaps(file: string, tensors: readonly Located[]): void {
  const sorted = tensors.filter(({ byteLength }) => byteLength > 0).sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < sorted.length; i++) {
    const [before, own] = [sorted[i - 1], sorted[i]];
    const end = before.offset + before.byteLength;
    if (own.offset < end) throw new CheckpointError(`${file}: tensor ${own.name}: expected to begin at byte ${end}, where ${before.name} ends, or later, seen ${own.offset}`);
  }
}

function checkEntry(file: string, descriptor: number, begin: number, size: number, name: string, value: unknown): Located {
  const refuse = (what: string): never => {
    throw new CheckpointError(`${file}: tensor ${name}: ${what}`);
  };
  if (!isRecord(value)) return refuse('its header entry is not an object');
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) return refuse(`expected a dtype of ${Object.keys(DTYPE_BYTES).join(', ')}, seen ${show(dtype)}`);
  if (!isIntegers(shape)) return refuse(`expected a shape of non-negative integers, seen ${show(shape)}`);
  if (!isIntegers(offsets) || offsets.length !== 2) return refuse(`expected two data_offsets, seen ${show(offsets)}`);
  const rowElements = shape.slice(1).reduce((product, n) => product * n, 1);
  const elements = shape.length === 0 ? 1 : shape[0] * rowElements;
  const byteLength = elements * DTYPE_BYTES[dtype];
  if (!Number.isSafeInteger(byteLength)) return refuse(`shape [${shape.join(', ')}] is impossibly large`);
  const [start, end] = offsets;
  if (end - start !== byteLength) return refuse(`${dtype} [${shape.join(', ')}] takes ${byteLength} bytes, data_offsets give ${end - start}`);
  if (begin + end > size) return refuse(`it ends at byte ${begin + end} but the file has ${size}; it is cut off, download it again`);
  return { name, dtype, shape, rowElements, rowBytes: rowElements * DTYPE_BYTES[dtype], byteLength, file, descriptor, offset: begin + start };
}

const SHOWN = 120;

/** A value as an error message shows it: a file may hold megabytes where a word belongs. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}… (${text.length} characters)`;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isIntegers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** A JSON file of a checkpoint; unreadable or malformed is a CheckpointError. */
export function readJson(file: string): unknown {
  if (!existsSync(file)) throw new CheckpointError(`${file}: no such file`);
  if (!statSync(file).isFile()) throw new CheckpointError(`${file}: is not a file`);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
  return parseJson(file, text);
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CheckpointError(`${file}: not valid JSON: ${(error as Error).message}`);
  }
}
