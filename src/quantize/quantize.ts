/** A full-precision Hugging Face checkpoint becomes a 4-bit one: no data needed, one weight in memory at a time. */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { readConfig } from '../model/config.ts';
import type { ModelConfig, QuantizationConfig } from '../model/config.ts';
import { CheckpointError, isRecord, openCheckpoint, readJson } from '../model/safetensors.ts';
import { modelCard } from './card.ts';
import { bytesOf, encodeWeight } from './encode.ts';
import type { WeightError } from './encode.ts';
import { COPIED_FILES, isOwnFile, weightFiles } from './files.ts';
import { planCheckpoint, tensorsOf } from './plan.ts';
import type { Plan, StorageOptions } from './plan.ts';
import { Rotation, rotationOf } from './rotate.ts';
import { CheckpointWriter, SHARD_BYTES } from './write.ts';

export interface QuantizeOptions extends StorageOptions {
  /** Where it is exact. */
  readonly rotate: boolean;
  /** Replace a Tetrad checkpoint that stands at the target. */
  readonly force: boolean;
  readonly shardBytes: number;
  readonly signal: AbortSignal | null;
}

export const QUANTIZE_DEFAULTS: QuantizeOptions = {
  groupSize: 128,
  embedding: 'w8',
  head: 'w8',
  rotate: true,
  force: false,
  shardBytes: SHARD_BYTES,
  signal: null,
};

export interface QuantizeProgress {
  readonly stage: 'check' | 'quantize';
  /** What is being worked on: a file, or a weight. */
  readonly name: string;
  /** Bytes checked, or weights quantized. */
  readonly done: number;
  readonly total: number;
}

/** `quantization_config` as it is written: what the loader needs, and what was done. */
export interface QuantizationRecord extends QuantizationConfig {
  readonly source: { readonly name: string; readonly sha256: string };
  /** Steps that were asked for and left out, with the reason. */
  readonly skipped: readonly string[];
  /** ‖W − Ŵ‖ / ‖W‖ of every weight of 4 or 8 bits; `block` over all weights of a layer, `total` over all of 4 bits together. */
  readonly errors: {
    readonly layers: readonly Readonly<Record<string, number>>[];
    readonly embedding: number | null;
    readonly head: number | null;
    readonly total: number;
  };
}

export interface QuantizeResult {
  /** `present`: the same source was quantized to the target with the same options before. */
  readonly status: 'written' | 'present';
  readonly target: string;
  readonly record: QuantizationRecord;
  readonly sourceBytes: number;
  readonly targetBytes: number;
}

type OnProgress = (progress: QuantizeProgress) => void;

/** Throws CheckpointError for an unusable source or target; the signal's reason when stopped. Either way the target is untouched. */
export async function quantize(source: string, target: string, options: Partial<QuantizeOptions> = {}, onProgress: OnProgress = () => {}): Promise<QuantizeResult> {
  const settings = { ...QUANTIZE_DEFAULTS, ...options };
  const config = readConfig(source);
  if (config.quantization !== null) throw new CheckpointError(`${source}: is quantized already; give the full-precision checkpoint`);
  const turns = new Turns(settings.signal);
  const standing = readTarget(source, target);
  using checkpoint = openCheckpoint(source);
  const identity = await identify(source, config, settings, turns, onProgress);
  if (standing !== null && !settings.force) {
    checkSame(target, standing, identity.record);
    return describe('present', source, target, standing);
  }

  const rotation = identity.rotation;
  const plan = planCheckpoint(checkpoint, config, rotation, settings);
  const writer = new CheckpointWriter(target, tensorsOf(plan, settings.groupSize), settings.shardBytes);
  try {
    const errors = await encodeAll(plan, writer, rotation, settings, turns, onProgress);
    for (const { name, values } of plan.vectors) writer.write(name, 0, bytesOf(values));
    const record: QuantizationRecord = { ...identity.record, errors: summarize(plan, errors, config.numLayers) };
    writeCompanions(writer, source, plan, record);
    await turns.take();
    writer.commit(settings.force);
    return describe('written', source, target, record);
  } catch (error) {
    writer.abort();
    const other = isOccupied(error) ? readTarget(source, target) : null;
    if (other === null) throw isRefusedWrite(error) ? new CheckpointError(`${target}: can't be written: ${error.message}`, { cause: error }) : error;
    checkSame(target, other, identity.record);
    return describe('present', source, target, other);
  }
}

async function encodeAll(
  plan: Plan,
  writer: CheckpointWriter,
  rotation: Rotation | null,
  settings: QuantizeOptions,
  turns: Turns,
  onProgress: OnProgress,
): Promise<WeightError[]> {
  const total = plan.weights.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  let done = 0;
  const errors: WeightError[] = [];
  for (const weight of plan.weights) {
    const onPiece = async (weights: number): Promise<void> => {
      done += weights;
      onProgress({ stage: 'quantize', name: weight.name, done, total });
      await turns.take();
    };
    const write = (name: string, offset: number, bytes: Uint8Array): void => writer.write(name, offset, bytes);
    errors.push(await encodeWeight(weight, { rotation, groupSize: settings.groupSize, write, onPiece }));
  }
  return errors;
}

/** What makes two runs the same, and the part of the record that is known before the work. */
interface Identity {
  readonly record: Omit<QuantizationRecord, 'errors'>;
  readonly rotation: Rotation | null;
}

async function identify(source: string, config: ModelConfig, settings: QuantizeOptions, turns: Turns, onProgress: OnProgress): Promise<Identity> {
  const found = settings.rotate ? rotationOf(config) : null;
  const rotation = found instanceof Rotation ? found : null;
  const skipped = found !== null && !(found instanceof Rotation) ? [`rotate: ${found.reason}`] : [];
  const sha256 = await hashCheckpoint(source, turns, onProgress);
  return {
    rotation,
    record: {
      quant_method: 'tetrad',
      version: 1,
      group_size: settings.groupSize,
      embedding: settings.embedding,
      head: settings.head,
      steps: [...(rotation === null ? [] : ['rotate']), 'ranges'],
      skipped,
      source: { name: basename(resolve(source)), sha256 },
    },
  };
}

const HASH_PIECE = 1 << 22;

/** Over config.json and every weight file: a checkpoint that was trained further has the same names and sizes. */
async function hashCheckpoint(source: string, turns: Turns, onProgress: OnProgress): Promise<string> {
  const files = ['config.json', ...weightFiles(source)];
  const sizes = files.map((file) => statSync(join(source, file)).size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const hash = createHash('sha256');
  const piece = new Uint8Array(HASH_PIECE);
  let done = 0;
  for (const [i, file] of files.entries()) {
    hash.update(`${file}\0${sizes[i]}\0`);
    const descriptor = openSync(join(source, file), 'r');
    try {
      for (let count = readSync(descriptor, piece); count > 0; count = readSync(descriptor, piece)) {
        hash.update(piece.subarray(0, count));
        done += count;
        onProgress({ stage: 'check', name: file, done, total });
        await turns.take();
      }
    } finally {
      closeSync(descriptor);
    }
  }
  return hash.digest('hex');
}

/** The record of the Tetrad checkpoint at the target, null where the target is free; throws where it may never be touched. */
function readTarget(source: string, target: string): QuantizationRecord | null {
  if (!existsSync(target)) return null;
  if (!statSync(target).isDirectory()) throw new CheckpointError(`${target}: is a file; give a directory that does not exist yet`);
  if (realpathSync(source) === realpathSync(target)) throw new CheckpointError(`${target}: is the source; give another directory`);
  const files = readdirSync(target);
  if (files.length === 0) return null;
  const foreign = files.find((file) => !isOwnFile(file));
  if (foreign !== undefined) throw new CheckpointError(`${target}: exists and holds ${foreign}, which Tetrad did not write; give another directory`);
  const record = readRecord(target);
  if (record === null) throw new CheckpointError(`${target}: exists and is no Tetrad checkpoint; give another directory`);
  return record;
}

/** Whether the record tells of the same work; otherwise throws what differs. */
function checkSame(target: string, record: QuantizationRecord, wanted: Identity['record']): void {
  for (const key of ['group_size', 'embedding', 'head', 'steps'] as const) {
    const [seen, asked] = [JSON.stringify(record[key]), JSON.stringify(wanted[key])];
    if (seen !== asked) throw new CheckpointError(`${target}: was made with ${key} ${seen}, asked is ${asked}; --force replaces it`);
  }
  if (record.source.sha256 !== wanted.source.sha256) throw new CheckpointError(`${target}: was made from another checkpoint (${record.source.name}); --force replaces it`);
  openCheckpoint(target).close();
}

/** What a Tetrad checkpoint says about itself; null for anything else. */
export function readRecord(directory: string): QuantizationRecord | null {
  if (!existsSync(join(directory, 'config.json'))) return null;
  const config = readJson(join(directory, 'config.json'));
  const record = isRecord(config) ? config.quantization_config : undefined;
  if (!isRecord(record) || record.quant_method !== 'tetrad' || !isRecord(record.source)) return null;
  return record as unknown as QuantizationRecord;
}

function writeCompanions(writer: CheckpointWriter, source: string, plan: Plan, record: QuantizationRecord): void {
  for (const file of COPIED_FILES) if (existsSync(join(source, file))) writer.writeFile(file, readFileSync(join(source, file)));
  writer.writeFile('README.md', modelCard(record));
  const config = readJson(join(source, 'config.json')) as Record<string, unknown>;
  const written = { ...config, tie_word_embeddings: plan.tiedEmbedding, quantization_config: record };
  writer.writeFile('config.json', `${JSON.stringify(written, null, 2)}\n`);
}

function summarize(plan: Plan, errors: readonly WeightError[], numLayers: number): QuantizationRecord['errors'] {
  const relative = (chosen: (weight: Plan['weights'][number]) => boolean): number | null => {
    let error = 0;
    let norm = 0;
    plan.weights.forEach((weight, i) => {
      if (weight.format === 'dense' || !chosen(weight)) return;
      error += errors[i].error;
      norm += errors[i].norm;
    });
    return norm === 0 ? null : Number(Math.sqrt(error / norm).toPrecision(4));
  };
  const layers = Array.from({ length: numLayers }, (_, layer) => {
    const ofLayer = plan.weights.filter((weight) => weight.layer === layer);
    const entries = ofLayer.map((weight) => [weight.name.slice(weight.name.lastIndexOf('.') + 1), relative((w) => w === weight) ?? 0]);
    return Object.fromEntries([...entries, ['block', relative((w) => w.layer === layer) ?? 0]]) as Record<string, number>;
  });
  return {
    layers,
    embedding: relative((w) => w.name === 'model.embed_tokens'),
    head: relative((w) => w.name === 'lm_head'),
    total: relative((w) => w.format === 'w4') ?? 0,
  };
}

function describe(status: QuantizeResult['status'], source: string, target: string, record: QuantizationRecord): QuantizeResult {
  return { status, target, record, sourceBytes: weightBytes(source), targetBytes: weightBytes(target) };
}

const weightBytes = (directory: string): number =>
  weightFiles(directory)
    .reduce((sum, file) => sum + statSync(join(directory, file)).size, 0);

/** The system's own words for a full disk do not say which. */
function isRefusedWrite(error: unknown): error is Error {
  return error instanceof Error && ['ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** Another run was faster: its directory has the name now. */
function isOccupied(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'EPERM';
}

/** Lets signals, timers and other work have their turn, and stops where the caller wants it. */
class Turns {
  readonly #signal: AbortSignal | null;
  #last = performance.now();

  constructor(signal: AbortSignal | null) {
    this.#signal = signal;
  }

  async take(): Promise<void> {
    if (performance.now() - this.#last > 20) {
      await nextTurn();
      this.#last = performance.now();
    }
    this.#signal?.throwIfAborted();
  }
}
