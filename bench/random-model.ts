/** Checkpoints of random weights with the dimensions of well-known models: speed does not depend on the values. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointWriter } from '../src/quantize/write.ts';

export interface Dimensions {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly intermediate: number;
  readonly vocabulary: number;
  readonly tied: boolean;
}

export const DIMENSIONS: Readonly<Record<string, Dimensions>> = {
  tiny: { hidden: 512, layers: 4, heads: 8, kvHeads: 2, headSize: 64, intermediate: 1536, vocabulary: 8192, tied: true },
  'llama-3.2-1b': { hidden: 2048, layers: 16, heads: 32, kvHeads: 8, headSize: 64, intermediate: 8192, vocabulary: 128256, tied: true },
  'llama-3-8b': { hidden: 4096, layers: 32, heads: 32, kvHeads: 8, headSize: 128, intermediate: 14336, vocabulary: 128256, tied: false },
};

const GROUP = 128;
const CHUNK = 8 << 20;
const LAYOUT = 2;

/** The directory of a W4A8KV4 checkpoint (group 128, embedding and head in 8 bits, as `quantize` makes them), made once and kept in the temporary directory. */
export function randomCheckpoint(name: string): string {
  const dimensions = DIMENSIONS[name];
  if (dimensions === undefined) throw new RangeError(`dimensions ${name} are not known; known: ${Object.keys(DIMENSIONS).join(', ')}`);
  const directory = join(tmpdir(), 'tetrad-bench', `${name}-${LAYOUT}`);
  if (existsSync(join(directory, 'config.json'))) return directory;
  const writer = new CheckpointWriter(directory, plan(dimensions));
  try {
    for (const { name: tensor, dtype, shape } of plan(dimensions)) fill(writer, tensor, dtype, shape.reduce((a, b) => a * b, 1));
    writer.writeFile('config.json', JSON.stringify(config(dimensions), null, 2));
    writer.commit(false);
  } finally {
    writer.abort();
  }
  return directory;
}

type Planned = { name: string; dtype: 'F32' | 'U8' | 'I8'; shape: number[] };

function plan(d: Dimensions): Planned[] {
  const q = d.heads * d.headSize;
  const kv = d.kvHeads * d.headSize;
  const linear = (name: string, N: number, K: number): Planned[] => [
    { name: `${name}.qweight`, dtype: 'U8', shape: [N, K / 2] },
    { name: `${name}.s1`, dtype: 'U8', shape: [N, K / GROUP] },
    { name: `${name}.m`, dtype: 'I8', shape: [N, K / GROUP] },
    { name: `${name}.s0`, dtype: 'F32', shape: [N] },
  ];
  const w8 = (name: string): Planned[] => [
    { name: `${name}.qweight`, dtype: 'I8', shape: [d.vocabulary, d.hidden] },
    { name: `${name}.s0`, dtype: 'F32', shape: [d.vocabulary] },
  ];
  const norm = (name: string): Planned => ({ name: `${name}.weight`, dtype: 'F32', shape: [d.hidden] });
  const layers = Array.from({ length: d.layers }, (_, i) => `model.layers.${i}.`).flatMap((prefix) => [
    norm(`${prefix}input_layernorm`),
    norm(`${prefix}post_attention_layernorm`),
    ...linear(`${prefix}self_attn.q_proj`, q, d.hidden),
    ...linear(`${prefix}self_attn.k_proj`, kv, d.hidden),
    ...linear(`${prefix}self_attn.v_proj`, kv, d.hidden),
    ...linear(`${prefix}self_attn.o_proj`, d.hidden, q),
    ...linear(`${prefix}mlp.gate_proj`, d.intermediate, d.hidden),
    ...linear(`${prefix}mlp.up_proj`, d.intermediate, d.hidden),
    ...linear(`${prefix}mlp.down_proj`, d.hidden, d.intermediate),
  ]);
  return [...w8('model.embed_tokens'), ...layers, norm('model.norm'), ...(d.tied ? [] : w8('lm_head'))];
}

/** Codes are random; scales make rows of about unit norm: s1 = 8 and m = −60 centre the group, s0 is small. */
function fill(writer: CheckpointWriter, name: string, dtype: Planned['dtype'], elements: number): void {
  if (dtype === 'F32') {
    const value = name.endsWith('.s0') ? 0.0005 : 1;
    writer.write(name, 0, new Uint8Array(new Float32Array(elements).fill(value).buffer));
    return;
  }
  const bytes = new Uint8Array(Math.min(CHUNK, elements));
  let state = 0x9e3779b9 ^ name.length;
  for (let start = 0; start < elements; start += bytes.length) {
    const chunk = bytes.subarray(0, Math.min(bytes.length, elements - start));
    if (name.endsWith('.s1')) chunk.fill(8);
    else if (name.endsWith('.m')) chunk.fill(256 - 60);
    else for (let i = 0; i < chunk.length; i++) chunk[i] = (state = Math.imul(state, 1664525) + 1013904223) >>> 24;
    if (dtype === 'I8') chunk.forEach((byte, i) => byte === 0x80 && (chunk[i] = 0)); // codes go from −127 to 127
    writer.write(name, start, chunk);
  }
}

function config(d: Dimensions): Record<string, unknown> {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: d.hidden,
    num_hidden_layers: d.layers,
    num_attention_heads: d.heads,
    num_key_value_heads: d.kvHeads,
    head_dim: d.headSize,
    intermediate_size: d.intermediate,
    vocab_size: d.vocabulary,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_type: 'default', rope_theta: 500000 },
    tie_word_embeddings: d.tied,
    quantization_config: { quant_method: 'tetrad', version: 1, group_size: GROUP, embedding: 'w8', head: 'w8', steps: ['random'] },
  };
}
