import { existsSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { type EngineOptions, startEngine } from '../engine/client.ts';
import { loadTokenizer } from '../tokenizer/tokenizer.ts';
import type { ChatSampling } from './chat-model.ts';
import { LocalModel } from './local.ts';

export interface OpenOptions extends Partial<EngineOptions> {
  /** The name under which the model is served; the directory's by default. */
  readonly id?: string;
  /** Of loading, 0 to 1. */
  readonly onProgress?: (fraction: number) => void;
}

/** Loads a checkpoint as it is and starts its engine. */
export async function openModel(directory: string, options: OpenOptions = {}): Promise<LocalModel> {
  const { id, onProgress, ...engineOptions } = options;
  // Faults of the small files show before the weights are read.
  const defaults = samplingDefaults(directory);
  const tokenizer = loadTokenizer(directory);
  const engine = await startEngine(directory, engineOptions, onProgress);
  try {
    return new LocalModel({ id: id ?? basename(resolve(directory)), engine, tokenizer, defaults });
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** generation_config.json, where the checkpoint has one. */
export function samplingDefaults(directory: string): ChatSampling {
  const path = join(directory, 'generation_config.json');
  if (!existsSync(path)) return {};
  const config = parse(path);
  const number = (name: string): number | undefined => {
    const value = config[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'number') throw new Error(`${path}: ${name} is ${JSON.stringify(value)}; expected a number`);
    return value;
  };
  return {
    temperature: config.do_sample === false ? 0 : number('temperature'),
    topK: number('top_k'),
    topP: number('top_p'),
    minP: number('min_p'),
    repetitionPenalty: number('repetition_penalty'),
    maxTokens: number('max_new_tokens'),
  };
}

function parse(path: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  } catch (error) {
    throw new Error(`${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
