import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SPECIAL = ['<pad>', '<|im_start|>', '<|im_end|>'];
const VOCAB_SIZE = 512;

/** Byte-level letters, as GPT-2 has them: printable bytes stand for themselves, the others follow from U+0100 on. */
function byteLetters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCodePoint(printable ? byte : next++);
  });
}

/** A byte-level vocabulary of 512: special tokens, bytes, and pairs of small letters. */
function tokenizerJson(): object {
  const letters = byteLetters();
  const alphabet = 'abcdefghijklmnopqrstuvwxyz';
  const pairs = [...alphabet].flatMap((a) => [...alphabet].map((b) => [a, b])).slice(0, VOCAB_SIZE - SPECIAL.length - letters.length);
  const vocab = Object.fromEntries([...SPECIAL, ...letters, ...pairs.map((pair) => pair.join(''))].map((token, id) => [token, id]));
  return {
    version: '1.0',
    added_tokens: SPECIAL.map((content, id) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, vocab, merges: pairs },
  };
}

const CHAT_TEMPLATE =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

export interface TemporaryCheckpoint extends Disposable {
  readonly directory: string;
}

/** A fixture's random weights with a tokenizer and a chat template: everything that serving needs. */
export function temporaryCheckpoint(fixture = 'qwen3'): TemporaryCheckpoint {
  const directory = mkdtempSync(join(tmpdir(), 'tetrad-checkpoint-'));
  for (const name of ['config.json', 'generation_config.json', 'model.safetensors']) cpSync(join('test/fixtures/hf', fixture, name), join(directory, name));
  writeFileSync(join(directory, 'tokenizer.json'), JSON.stringify(tokenizerJson()));
  writeFileSync(join(directory, 'tokenizer_config.json'), JSON.stringify({ eos_token: '<|im_end|>', chat_template: CHAT_TEMPLATE }));
  return { directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) };
}
