/** How commands that use models name and open them. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { LocalModel } from '../chat/local.ts';
import type { EngineOptions } from '../engine/client.ts';
import { load } from '../load.ts';
import { formatBytes, interruptible, progress } from './terminal.ts';

export interface ModelFlags {
  readonly precision: 'w4a8kv4' | 'full';
  readonly backend: NonNullable<EngineOptions['backend']>;
  readonly threads: number;
  readonly cacheTokens?: number;
  readonly maxBatchSize?: number;
  readonly maxModelLength?: number;
  readonly drafts: boolean;
}

export function modelOptions(command: Command): Command {
  return command
    .addOption(new Option('--precision <name>', 'w4a8kv4: a checkpoint that is not quantized is, once, into a cache').choices(['w4a8kv4', 'full']).default('w4a8kv4'))
    .addOption(new Option('--backend <name>', 'where to run').choices(['auto', 'reference', 'cpu', 'cuda']).default('auto'))
    .option('--threads <n>', 'threads of the backend; 0: one per core', integerFrom(0), 0)
    .option('--cache-tokens <n>', 'tokens that the cache holds; by default what memory allows, within reason', integerFrom(1))
    .option('--max-batch-size <n>', 'requests that run at once', integerFrom(1))
    .option('--max-model-length <n>', 'longest prompt plus answer, in tokens', integerFrom(2))
    .option('--no-drafts', 'compute one token at a time: the answers are the same, calls of tools slower');
}

export interface SamplingFlags {
  readonly system?: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed?: number;
}

export function samplingOptions(command: Command): Command {
  return command
    .option('--system <text>', 'system message')
    .option('--max-tokens <n>', 'longest answer', integerFrom(1))
    .option('--temperature <x>', '0: always the likeliest token', temperature)
    .option('--top-p <x>', 'share of the probability to draw from', share)
    .option('--seed <n>', 'the same seed gives the same answer', integerFrom(0));
}

export const integerFrom =
  (least: number, most = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`expected an integer from ${least} ${most === Number.MAX_SAFE_INTEGER ? 'on' : `to ${most}`}.`);
  };

function temperature(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 2)) throw new InvalidArgumentError('expected a number from 0 to 2.');
  return value;
}

function share(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError('expected a number above 0, up to 1.');
  return value;
}

const MODELS = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../../models' : '../../../models', import.meta.url));
const EMBEDDED = 'tetrad-nano';

/** The embedded model, or else the largest of those in models/. */
export function defaultModel(models = MODELS): string {
  const embedded = join(models, EMBEDDED);
  if (isCheckpoint(embedded)) return embedded;
  const directories = existsSync(models) ? readdirSync(models).map((name) => join(models, name)).filter(isCheckpoint) : [];
  if (directories.length === 0) throw new Error(`There is no model in ${models}: name one with --model <dir>, or fetch one with "tetrad pull <owner/name>"`);
  return directories.reduce((best, directory) => (weightBytes(directory) > weightBytes(best) ? directory : best));
}

const isCheckpoint = (directory: string): boolean => existsSync(join(directory, 'config.json')) && existsSync(join(directory, 'tokenizer.json'));

const weightBytes = (directory: string): number =>
  readdirSync(directory).filter((name) => name.endsWith('.safetensors')).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);

/** Opens a model with a progress bar; Ctrl-C stops it. */
export function openWithProgress(directory: string, flags: ModelFlags, id?: string): Promise<LocalModel> {
  const { precision, backend, threads, cacheTokens, maxBatchSize, maxModelLength, drafts } = flags;
  const engine = { backend, threads, drafts, ...(cacheTokens && { cacheTokens }), ...(maxBatchSize && { maxBatchSize }), ...(maxModelLength && { maxModelLength }) };
  return interruptible(async (signal) => {
    const bar = progress();
    try {
      return await load({
        directory,
        precision,
        ...engine,
        ...(id !== undefined && { id }),
        signal,
        // Off a terminal the lines would outlast what they tell.
        onProgress: process.stderr.isTTY ? (fraction) => bar.update('loading', fraction, 1) : undefined,
        onQuantize: ({ stage, name, done, total }) => bar.update(stage === 'check' ? `checking ${name}` : `quantizing ${name}`, done, total),
      });
    } finally {
      bar.stop();
    }
  });
}

/** One line: what runs where, and what it takes. */
export function describeModel(model: LocalModel, precision: string): string {
  const { backend, backendDescription, weightBytes, cacheBytes, numBlocks, blockSize, maxModelLength } = model.description;
  const count = (value: number): string => value.toLocaleString('en-US');
  return (
    `${model.id}: ${precision} on ${backend} (${backendDescription}); weights ${formatBytes(weightBytes)}, ` +
    `cache ${formatBytes(cacheBytes)} for ${count(numBlocks * blockSize)} tokens, context ${count(maxModelLength)}`
  );
}
