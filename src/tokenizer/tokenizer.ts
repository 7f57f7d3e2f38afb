/** Text ↔ tokens: the tokenizers library around a checkpoint's tokenizer.json, with a faster encoder for byte-level vocabularies. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { LETTER_OF_BYTE, byteLevelBpe } from './bpe.ts';
import type { BpeEncoder } from './bpe.ts';

export interface Tokenizer {
  /** Ids run from 0 to vocabSize − 1; not all need exist. */
  readonly vocabSize: number;
  /** Special tokens written in the text count as such; none are added. */
  encode(text: string): number[];
  decode(tokens: readonly number[], options?: { skipSpecialTokens?: boolean }): string;
  /** The token's own bytes; empty for an id that has none. Special tokens have the bytes of their text. */
  tokenBytes(token: number): Uint8Array;
  isSpecial(token: number): boolean;
  tokenId(text: string): number | undefined;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  readonly addBosToken: boolean;
  /** The Jinja chat template, where the checkpoint has one. */
  readonly chatTemplate: string | null;
}

/** The tokenizer files can't be used. */
export class TokenizerError extends Error {
  override name = 'TokenizerError';
}

type Json = Record<string, unknown>;

/** Reads tokenizer.json, tokenizer_config.json and chat_template.jinja of a checkpoint; only the first must be there. */
export function loadTokenizer(directory: string): Tokenizer {
  const config = readOptional(join(directory, 'tokenizer_config.json')) ?? {};
  const template = join(directory, 'chat_template.jinja');
  const chatTemplate = existsSync(template) ? readFileSync(template, 'utf8') : templateOf(config);
  const file = join(directory, 'tokenizer.json');
  const json = readTokenizerJson(file);
  try {
    return new CheckpointTokenizer(json, config, chatTemplate);
  } catch (error) {
    throw new TokenizerError(`${file}: this tokenizer can't be used: ${(error as Error).message}`, { cause: error });
  }
}

class CheckpointTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  readonly addBosToken: boolean;
  readonly chatTemplate: string | null;
  readonly #library: LibraryTokenizer;
  readonly #fast: BpeEncoder | null;
  readonly #bytes: readonly Uint8Array[];
  readonly #special: ReadonlySet<number>;

  constructor(json: Json, config: Json, chatTemplate: string | null) {
    this.#library = new LibraryTokenizer(json, { ...config, clean_up_tokenization_spaces: false });
    this.#fast = byteLevelBpe(json);
    const added = (json.added_tokens ?? []) as readonly { id: number; content: string; special: boolean }[];
    this.#special = new Set(added.filter((token) => token.special).map((token) => token.id));
    this.#bytes = byteTable(this.#library, json, added);
    this.vocabSize = this.#bytes.length;
    this.bosToken = tokenText(config.bos_token);
    this.eosToken = tokenText(config.eos_token);
    this.addBosToken = config.add_bos_token === true || postProcessorAdds(json, this.bosToken);
    this.chatTemplate = chatTemplate;
  }

  encode(text: string): number[] {
    return this.#fast?.encode(text) ?? this.#library.encode(text, { add_special_tokens: false }).ids;
  }

  decode(tokens: readonly number[], { skipSpecialTokens = false } = {}): string {
    const kept = skipSpecialTokens ? tokens.filter((token) => !this.#special.has(token)) : [...tokens];
    return kept.length === 0 ? '' : this.#library.decode(kept, { skip_special_tokens: false });
  }

  tokenBytes(token: number): Uint8Array {
    return this.#bytes[token] ?? NO_BYTES;
  }

  isSpecial(token: number): boolean {
    return this.#special.has(token);
  }

  tokenId(text: string): number | undefined {
    return this.#library.token_to_id(text);
  }
}

const NO_BYTES = new Uint8Array(0);

/** The bytes of every token: byte-level vocabularies spell bytes as letters, others have `<0xNN>` and ▁ for a space. */
function byteTable(library: LibraryTokenizer, json: Json, added: readonly { id: number; content: string }[]): Uint8Array[] {
  const utf8 = new TextEncoder();
  const byteLevel = JSON.stringify(json.decoder ?? null).includes('"ByteLevel"');
  const vocabulary = library.get_vocab(true);
  let size = 0;
  for (const id of [...vocabulary.values(), ...added.map((token) => token.id)]) size = Math.max(size, id + 1);
  const table: Uint8Array[] = Array.from({ length: size }, () => NO_BYTES);
  const spelled = byteLevel
    ? (text: string) => Uint8Array.from(Array.from(text, (letter) => BYTE_OF_LETTER.get(letter) ?? 0))
    : (text: string) => utf8.encode(text.replaceAll('▁', ' '));
  for (const [text, id] of vocabulary) table[id] = spelled(text);
  for (const { id, content } of added) table[id] = utf8.encode(content);
  if (!byteLevel) {
    for (let byte = 0; byte < 256; byte++) {
      const id = vocabulary.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
      if (id !== undefined) table[id] = Uint8Array.of(byte);
    }
  }
  return table;
}

const BYTE_OF_LETTER: ReadonlyMap<string, number> = new Map(LETTER_OF_BYTE.map((letter, byte) => [letter, byte]));

function readTokenizerJson(file: string): Json {
  const json = readOptional(file);
  if (json === null) throw new TokenizerError(`${file}: no such file; a checkpoint needs a tokenizer.json (convert other tokenizers with transformers' save_pretrained)`);
  if (!isObject(json.model)) throw new TokenizerError(`${file}: expected an object "model"`);
  const { vocab } = json.model;
  if (typeof vocab !== 'object' || vocab === null) throw new TokenizerError(`${file}: expected "vocab" in the model`);
  if (!Array.isArray(vocab)) for (const [text, id] of Object.entries(vocab)) checkId(file, text, id);
  const added = json.added_tokens ?? [];
  if (!Array.isArray(added)) throw new TokenizerError(`${file}: expected added_tokens to be an array`);
  for (const token of added as readonly unknown[]) {
    if (!isObject(token) || typeof token.content !== 'string') throw new TokenizerError(`${file}: expected objects with content and id in added_tokens, seen ${String(JSON.stringify(token)).slice(0, 100)}`);
    checkId(file, token.content, token.id);
  }
  return json;
}

/** Tables are as long as the largest id; beyond 2^24 ids are not exact in float32 either. */
const MOST_IDS = 1 << 24;

function checkId(file: string, text: string, id: unknown): void {
  if (Number.isInteger(id) && (id as number) >= 0 && (id as number) < MOST_IDS) return;
  throw new TokenizerError(`${file}: token ${JSON.stringify(text.slice(0, 100))}: expected an id from 0 to ${MOST_IDS - 1}, seen ${String(id).slice(0, 100)}`);
}

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

function readOptional(file: string): Json | null {
  if (!existsSync(file)) return null;
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new TokenizerError(`${file}: not valid JSON: ${(error as Error).message}`);
  }
  if (!isObject(json)) throw new TokenizerError(`${file}: expected a JSON object`);
  return json;
}

/** A template, or the one named default of several. */
function templateOf(config: Json): string | null {
  const template = config.chat_template;
  if (typeof template === 'string') return template;
  if (!Array.isArray(template)) return null;
  const named = template.filter((entry: unknown): entry is { name: string; template: string } => isObject(entry) && typeof entry.name === 'string' && typeof entry.template === 'string');
  return (named.find(({ name }) => name === 'default') ?? named[0])?.template ?? null;
}

function tokenText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null && 'content' in value && typeof value.content === 'string') return value.content;
  return null;
}

function postProcessorAdds(json: Json, token: string | null): boolean {
  return token !== null && json.post_processor != null && JSON.stringify(json.post_processor).includes(JSON.stringify(token));
}
