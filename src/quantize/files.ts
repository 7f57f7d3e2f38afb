/** The files of a checkpoint directory that matter. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isRecord, readJson } from '../model/safetensors.ts';

/** Taken over as they are: tokenizer, generation defaults and licence. */
export const COPIED_FILES: readonly string[] = [
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
  'chat_template.jinja',
  'chat_template.json',
  'LICENSE',
  'LICENSE.txt',
  'LICENSE.md',
  'NOTICE',
  'NOTICE.txt',
];

export const WEIGHT_INDEX = 'model.safetensors.index.json';
export const SINGLE_WEIGHT_FILE = 'model.safetensors';

/** The shards that an index names; null where it is none. */
export function shardsOf(index: unknown): string[] | null {
  const map = isRecord(index) ? index.weight_map : undefined;
  return isRecord(map) ? [...new Set(Object.values(map).map(String))].sort() : null;
}

/** The weight files of a checkpoint directory. */
export function weightFiles(directory: string): string[] {
  const index = join(directory, WEIGHT_INDEX);
  return (existsSync(index) ? shardsOf(readJson(index)) : null) ?? [SINGLE_WEIGHT_FILE];
}

const OWN_WEIGHT_FILE = /^model(-\d{5}-of-\d{5})?\.safetensors$/;

/** What a directory written by Tetrad consists of. */
export const isOwnFile = (name: string): boolean =>
  name === 'config.json' || name === 'README.md' || name === WEIGHT_INDEX || OWN_WEIGHT_FILE.test(name) || COPIED_FILES.includes(name);
