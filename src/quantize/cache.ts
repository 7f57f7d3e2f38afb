/** Full-precision checkpoints are quantized once, into a cache, when somebody asks to serve them. */
import { createHash } from 'node:crypto';
import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../model/config.ts';
import { CheckpointError } from '../model/safetensors.ts';
import { COPIED_FILES, WEIGHT_INDEX, weightFiles } from './files.ts';
import { QUANTIZE_DEFAULTS, quantize, readRecord } from './quantize.ts';
import type { QuantizeProgress } from './quantize.ts';

export interface EnsureOptions {
  /** Default: $TETRAD_CACHE, or ~/.cache/tetrad. */
  readonly cache?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: QuantizeProgress) => void;
}

/** The directory itself where it is quantized already, else the one that its quantized form is cached in. */
export async function ensureQuantized(directory: string, options: EnsureOptions = {}): Promise<string> {
  if (readConfig(directory).quantization !== null) return directory;
  const cache = options.cache ?? process.env.TETRAD_CACHE ?? join(homedir(), '.cache', 'tetrad');
  const target = join(cache, 'quantized', `${basename(resolve(directory))}-${fingerprint(directory)}`);
  const isThere = (): boolean => readRecord(target) !== null;
  if (isThere()) return target;
  await withLock(`${target}.lock`, isThere, options.signal, async () => {
    await quantize(directory, target, { signal: options.signal ?? null }, options.onProgress);
  });
  return target;
}

/** Changes when a file of the checkpoint or the way of quantizing does. Contents of weights are not read: this runs at every start. */
function fingerprint(directory: string): string {
  const { groupSize, embedding, head, rotate } = QUANTIZE_DEFAULTS;
  const hash = createHash('sha256').update(JSON.stringify({ version: 1, groupSize, embedding, head, rotate }));
  hash.update(readFileSync(join(directory, 'config.json')));
  for (const file of [...weightFiles(directory), WEIGHT_INDEX, ...COPIED_FILES]) {
    const path = join(directory, file);
    if (!existsSync(path)) continue;
    const { size, mtimeMs } = statSync(path);
    hash.update(`\0${file}\0${size}\0${Math.trunc(mtimeMs)}`);
  }
  return hash.digest('hex').slice(0, 16);
}

const POLL_MS = 100;
const HEARTBEAT_MS = 2000;
/** A lock that nobody touched for so long belongs to a process that was killed. */
const STALE_MS = 30_000;

/**
 * Runs `work` in one process at a time; those who waited return as soon as `isDone`. The lock spares double work and no more: the
 * atomic rename at the end of `work` keeps two that run at once (after a pause longer than STALE_MS) from harm.
 */
async function withLock(path: string, isDone: () => boolean, signal: AbortSignal | undefined, work: () => Promise<void>): Promise<void> {
  makeDirectory(dirname(path));
  while (!acquire(path)) {
    await sleep(POLL_MS, undefined, { signal });
    if (isDone()) return;
    if (isStale(path)) rmSync(path, { force: true });
  }
  const heartbeat = setInterval(() => existsSync(path) && utimesSync(path, new Date(), new Date()), HEARTBEAT_MS);
  try {
    if (!isDone()) await work();
  } finally {
    clearInterval(heartbeat);
    rmSync(path, { force: true });
  }
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
  } catch (error) {
    throw new CheckpointError(`${directory}: the cache can't be written (${(error as NodeJS.ErrnoException).code}); set TETRAD_CACHE to a directory that can`);
  }
}

function acquire(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx'));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function isStale(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && Date.now() - stats.mtimeMs > STALE_MS;
}
