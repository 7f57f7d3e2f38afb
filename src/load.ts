import { basename, resolve } from 'node:path';
import { openModel, type OpenOptions, readTextFiles } from './chat/load.ts';
import type { LocalModel } from './chat/local.ts';
import { ensureQuantized } from './quantize/cache.ts';
import type { QuantizeProgress } from './quantize/quantize.ts';

export interface LoadOptions extends OpenOptions {
  /** A Hugging Face checkpoint. Unless `precision` is `full`, one that is not quantized is, once, into a cache. */
  readonly directory: string;
  readonly onQuantize?: (progress: QuantizeProgress) => void;
  /** Gives up loading. */
  readonly signal?: AbortSignal;
}

/** Loads a checkpoint into a model that chats and completes. Close it when done, or declare it with `await using`. */
export async function load(directoryOrOptions: string | LoadOptions): Promise<LocalModel> {
  const options = typeof directoryOrOptions === 'string' ? { directory: directoryOrOptions } : directoryOrOptions;
  const { directory, onQuantize, signal, ...rest } = options;
  const text = readTextFiles(directory);
  const weights = rest.precision === 'full' ? directory : await ensureQuantized(directory, { onProgress: onQuantize, signal });
  signal?.throwIfAborted();
  const model = await openModel(weights, text, { id: basename(resolve(directory)), ...rest });
  if (signal?.aborted !== true) return model;
  await model.close();
  throw signal.reason;
}
