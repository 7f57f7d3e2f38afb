/**
 * Writes a checkpoint directory so that it is whole or not there: everything goes to a hidden directory beside the
 * target, is synced, and takes the target's name in one rename.
 */
import { closeSync, existsSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, rmdirSync, writeFileSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { randomBytes } from 'node:crypto';
import type { PlannedTensor } from './plan.ts';

const DTYPE_BYTES: Record<PlannedTensor['dtype'], number> = { F32: 4, F16: 2, BF16: 2, U8: 1, I8: 1 };

export const SHARD_BYTES = 4 * 1024 ** 3;

interface Placed {
  readonly descriptor: number;
  readonly offset: number;
  readonly byteLength: number;
  written: number;
}

export class CheckpointWriter {
  readonly target: string;
  readonly #temporary: string;
  readonly #tensors = new Map<string, Placed>();
  readonly #descriptors: number[] = [];
  #open = true;

  constructor(target: string, tensors: readonly PlannedTensor[], shardBytes = SHARD_BYTES) {
    this.target = resolve(target);
    mkdirSync(dirname(this.target), { recursive: true });
    removeAbandoned(this.target);
    this.#temporary = join(dirname(this.target), `${prefixFor(this.target)}${process.pid}-${randomBytes(4).toString('hex')}`);
    mkdirSync(this.#temporary);
    try {
      this.#layOut(tensors, shardBytes);
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  /** Bytes of a tensor from `offset` on. Every byte is written once. */
  write(name: string, offset: number, bytes: Uint8Array): void {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined || offset + bytes.length > tensor.byteLength) throw new RangeError(`${name}: ${bytes.length} bytes at ${offset} were not planned`);
    writeAll(tensor.descriptor, bytes, tensor.offset + offset);
    tensor.written += bytes.length;
  }

  /** A file beside the tensors. */
  writeFile(name: string, content: string | Uint8Array): void {
    const descriptor = openSync(join(this.#temporary, name), 'wx');
    this.#descriptors.push(descriptor);
    writeFileSync(descriptor, content);
  }

  /**
   * Gives the directory its name. A directory that stands there is replaced where `replace` says so; otherwise this throws
   * (EEXIST, ENOTEMPTY) and `abort` is still to be called.
   */
  commit(replace: boolean): void {
    for (const [name, { written, byteLength }] of this.#tensors) {
      if (written !== byteLength) throw new Error(`${name}: ${written} of ${byteLength} bytes were written`);
    }
    this.#closeFiles(true);
    syncDirectory(this.#temporary);
    const old = `${this.#temporary}-old`;
    const replaced = replace && existsSync(this.target);
    if (replaced) renameSync(this.target, old);
    else if (existsSync(this.target)) rmdirSync(this.target); // an empty directory may stand there
    renameSync(this.#temporary, this.target);
    this.#open = false;
    syncDirectory(dirname(this.target));
    if (replaced) rmSync(old, { recursive: true, force: true });
  }

  /** Removes what was written; does nothing after `commit`. */
  abort(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#closeFiles(false);
    rmSync(this.#temporary, { recursive: true, force: true });
  }

  #layOut(tensors: readonly PlannedTensor[], shardBytes: number): void {
    const shards = shardTensors(tensors, shardBytes);
    const weightMap: Record<string, string> = {};
    let total = 0;
    shards.forEach((shard, i) => {
      const file = shards.length === 1 ? 'model.safetensors' : `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
      total += this.#openShard(file, shard);
      for (const { name } of shard) weightMap[name] = file;
    });
    if (shards.length > 1) this.writeFile('model.safetensors.index.json', JSON.stringify({ metadata: { total_size: total }, weight_map: weightMap }, null, 2));
  }

  #openShard(file: string, tensors: readonly PlannedTensor[]): number {
    let offset = 0;
    const entries: Record<string, unknown> = { __metadata__: { format: 'pt' } };
    for (const tensor of tensors) {
      const end = offset + byteLength(tensor);
      entries[tensor.name] = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [offset, end] };
      offset = end;
    }
    const json = JSON.stringify(entries);
    const header = new TextEncoder().encode(json + ' '.repeat((8 - (new TextEncoder().encode(json).length % 8)) % 8));
    const descriptor = openSync(join(this.#temporary, file), 'wx');
    this.#descriptors.push(descriptor);
    const length = new Uint8Array(8);
    new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);
    writeAll(descriptor, length, 0);
    writeAll(descriptor, header, 8);
    ftruncateSync(descriptor, 8 + header.length + offset);
    let at = 8 + header.length;
    for (const tensor of tensors) {
      this.#tensors.set(tensor.name, { descriptor, offset: at, byteLength: byteLength(tensor), written: 0 });
      at += byteLength(tensor);
    }
    return offset;
  }

  #closeFiles(sync: boolean): void {
    for (const descriptor of this.#descriptors.splice(0)) {
      if (sync) fsyncSync(descriptor);
      closeSync(descriptor);
    }
  }
}

const number = (n: number): string => String(n).padStart(5, '0');

const byteLength = ({ dtype, shape }: PlannedTensor): number => shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype]);

/** Consecutive tensors, as many to a shard as fit; larger elements first, so that every offset is aligned. */
function shardTensors(tensors: readonly PlannedTensor[], shardBytes: number): PlannedTensor[][] {
  let shard: PlannedTensor[] = [];
  let size = 0;
  const shards = [shard];
  for (const tensor of tensors) {
    if (shard.length > 0 && size + byteLength(tensor) > shardBytes) {
      shard = [];
      size = 0;
      shards.push(shard);
    }
    shard.push(tensor);
    size += byteLength(tensor);
  }
  return shards.map((members) => members.sort((a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype]));
}

function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
}

/** Windows can't open directories for this, and its renames need no help. */
function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(directory, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/** Names the host: a process id means something only there. */
const prefixFor = (target: string): string => `.${basename(target)}.tetrad-${hostname()}-`;

/** Removes what processes of this host left that were killed while they wrote the same target. */
function removeAbandoned(target: string): void {
  const prefix = prefixFor(target);
  for (const name of readdirSync(dirname(target))) {
    const pid = name.startsWith(prefix) ? /^(\d+)-[0-9a-f]{8}$/.exec(name.slice(prefix.length))?.[1] : undefined;
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(dirname(target), name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
