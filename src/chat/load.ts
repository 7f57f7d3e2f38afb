import { existsSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { type EngineOptions, startEngine } from '../engine/client.ts';
import { loadTokenizer, type Tokenizer } from '../tokenizer/tokenizer.ts';
import type { ChatSampling } from './chat-model.ts';
import { LocalModel } from './local.ts';
import { type ChatTemplate, chatTemplate } from './template.ts';

export interface OpenOptions extends Partial<EngineOptions> {
  /** The name under which the model is served; the directory's by default. */
  readonly id?: string;
  /** Of loading, 0 to 1. */
  readonly onProgress?: (fraction: number) => void;
}

/** What stands around the weights. */
export interface TextFiles {
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate | null;
  readonly defaults: ChatSampling;
}

/** Reads the checkpoint's small files, so that their faults show before the long work begins. */
export function readTextFiles(directory: string): TextFiles {
  if (!existsSync(join(directory, 'config.json'))) throw new Error(`${directory} is not a checkpoint: it has no config.json`);
  const defaults = samplingDefaults(directory);
  const tokenizer = loadTokenizer(directory);
  return { tokenizer, template: chatTemplate(tokenizer), defaults };
}

/** Starts an engine over a checkpoint as it is. */
export async function openModel(directory: string, text: TextFiles, options: OpenOptions = {}): Promise<LocalModel> {
  const { id = basename(resolve(directory)), onProgress, ...engineOptions } = options;
  return new LocalModel({ id, engine: await startEngine(directory, engineOptions, onProgress), ...text });
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
