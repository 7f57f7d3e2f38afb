/** A GGUF file of random weights with Llama dimensions, so that llama.cpp can be timed on the same shapes. */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LETTER_OF_BYTE } from '../src/tokenizer/bpe.ts';
import { DIMENSIONS } from './random-model.ts';
import type { Dimensions } from './random-model.ts';

/** ggml's numbers: type, weights in a block, bytes of a block. */
const TYPES = { f32: [0, 1, 4], q4_0: [2, 32, 18], q8_0: [8, 32, 34] } as const;

const U32 = 4;
const I32 = 5;
const F32 = 6;
const STRING = 8;
const ARRAY = 9;
const ALIGNMENT = 32;
const LAYOUT = 1;
const CHUNK_BLOCKS = 1 << 18;

interface GgufTensor {
  readonly name: string;
  /** Innermost dimension first. */
  readonly shape: readonly number[];
  readonly type: keyof typeof TYPES;
}

/** The file, made once and kept in the temporary directory. */
export function randomGguf(name: string): string {
  const directory = join(tmpdir(), 'tetrad-bench');
  const file = join(directory, `${name}-${LAYOUT}.gguf`);
  if (existsSync(file)) return file;
  mkdirSync(directory, { recursive: true });
  write(`${file}.part`, DIMENSIONS[name]);
  renameSync(`${file}.part`, file);
  return file;
}

const bytesOf = ({ shape, type }: GgufTensor): number => (shape.reduce((a, b) => a * b, 1) / TYPES[type][1]) * TYPES[type][2];
const padded = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

function write(file: string, dimensions: Dimensions): void {
  const tensors = tensorsOf(dimensions);
  const metadata = metadataOf(dimensions);
  const out = openSync(file, 'w');
  let offset = 0;
  const entries = tensors.map((tensor) => {
    const entry = Buffer.concat([string(tensor.name), u32(tensor.shape.length), ...tensor.shape.map(u64), u32(TYPES[tensor.type][0]), u64(offset)]);
    offset += padded(bytesOf(tensor));
    return entry;
  });
  const header = Buffer.concat([Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(metadata.length), ...metadata, ...entries]);
  writeSync(out, Buffer.concat([header, Buffer.alloc(padded(header.length) - header.length)]));
  for (const tensor of tensors) {
    writeTensor(out, tensor);
    writeSync(out, Buffer.alloc(padded(bytesOf(tensor)) - bytesOf(tensor)));
  }
  closeSync(out);
}

function writeTensor(out: number, { shape, type }: GgufTensor): void {
  const elements = shape.reduce((a, b) => a * b, 1);
  if (type === 'f32') {
    writeSync(out, Buffer.from(new Float32Array(elements).fill(1).buffer));
    return;
  }
  const [, block, bytes] = TYPES[type];
  // An fp16 scale heads each block: 0x1800 is about 0.002, small enough for any depth.
  const chunk = Buffer.alloc(Math.min(CHUNK_BLOCKS, elements / block) * bytes);
  let state = elements;
  for (let i = 0; i < chunk.length; i++) chunk[i] = (state = Math.imul(state, 1664525) + 1013904223) >>> 24;
  for (let i = 0; i < chunk.length; i += bytes) chunk.writeUInt16LE(0x1800, i);
  for (let left = (elements / block) * bytes; left > 0; left -= chunk.length) writeSync(out, chunk, 0, Math.min(left, chunk.length));
}

function tensorsOf(d: Dimensions): GgufTensor[] {
  const C = d.hidden;
  const q = d.heads * d.headSize;
  const kv = d.kvHeads * d.headSize;
  const layers = Array.from({ length: d.layers }, (_, i) => `blk.${i}.`).flatMap((prefix): GgufTensor[] => [
    { name: `${prefix}attn_norm.weight`, shape: [C], type: 'f32' },
    { name: `${prefix}ffn_norm.weight`, shape: [C], type: 'f32' },
    { name: `${prefix}attn_q.weight`, shape: [C, q], type: 'q4_0' },
    { name: `${prefix}attn_k.weight`, shape: [C, kv], type: 'q4_0' },
    { name: `${prefix}attn_v.weight`, shape: [C, kv], type: 'q4_0' },
    { name: `${prefix}attn_output.weight`, shape: [q, C], type: 'q4_0' },
    { name: `${prefix}ffn_gate.weight`, shape: [C, d.intermediate], type: 'q4_0' },
    { name: `${prefix}ffn_up.weight`, shape: [C, d.intermediate], type: 'q4_0' },
    { name: `${prefix}ffn_down.weight`, shape: [d.intermediate, C], type: 'q4_0' },
  ]);
  const head: GgufTensor[] = d.tied ? [] : [{ name: 'output.weight', shape: [C, d.vocabulary], type: 'q8_0' }];
  return [{ name: 'token_embd.weight', shape: [C, d.vocabulary], type: 'q8_0' }, { name: 'output_norm.weight', shape: [C], type: 'f32' }, ...head, ...layers];
}

function metadataOf(d: Dimensions): Buffer[] {
  const number = (key: string, value: number): Buffer => Buffer.concat([string(key), u32(U32), u32(value)]);
  const float = (key: string, value: number): Buffer => Buffer.concat([string(key), u32(F32), f32(value)]);
  const text = (key: string, value: string): Buffer => Buffer.concat([string(key), u32(STRING), string(value)]);
  const array = (key: string, type: number, items: readonly Buffer[]): Buffer => Buffer.concat([string(key), u32(ARRAY), u32(type), u64(items.length), ...items]);
  const tokens = [...LETTER_OF_BYTE];
  while (tokens.length < d.vocabulary) tokens.push(`<f${tokens.length}>`);
  return [
    text('general.architecture', 'llama'),
    number('llama.block_count', d.layers),
    number('llama.context_length', 8192),
    number('llama.embedding_length', d.hidden),
    number('llama.feed_forward_length', d.intermediate),
    number('llama.attention.head_count', d.heads),
    number('llama.attention.head_count_kv', d.kvHeads),
    number('llama.attention.key_length', d.headSize),
    number('llama.attention.value_length', d.headSize),
    number('llama.rope.dimension_count', d.headSize),
    float('llama.rope.freq_base', 500000),
    float('llama.attention.layer_norm_rms_epsilon', 1e-5),
    number('llama.vocab_size', d.vocabulary),
    text('tokenizer.ggml.model', 'gpt2'),
    text('tokenizer.ggml.pre', 'llama-bpe'),
    array('tokenizer.ggml.tokens', STRING, tokens.map(string)),
    array('tokenizer.ggml.token_type', I32, tokens.map(() => u32(1))),
    array('tokenizer.ggml.merges', STRING, [string(`${tokens[0]} ${tokens[1]}`)]),
    number('tokenizer.ggml.bos_token_id', d.vocabulary - 2),
    number('tokenizer.ggml.eos_token_id', d.vocabulary - 1),
  ];
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

function u64(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}

function f32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeFloatLE(value);
  return buffer;
}
