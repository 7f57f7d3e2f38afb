import { readFileSync } from 'node:fs';
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { byteLevelBpe } from './bpe.ts';
import { loadTokenizer } from './tokenizer.ts';

const json = JSON.parse(readFileSync('test/fixtures/tokenizers/llama3/tokenizer.json', 'utf8')) as Record<string, object>;
const library = new LibraryTokenizer(json, { clean_up_tokenization_spaces: false });
const libraryIds = (text: string): number[] => (text === '' ? [] : library.encode(text, { add_special_tokens: false }).ids);

const encoderOf = (changes: { model?: object; pre_tokenizer?: object; normalizer?: object | null }): ReturnType<typeof byteLevelBpe> =>
  byteLevelBpe({ ...json, ...changes, model: { ...json.model, ...changes.model } });

/** Text as agents send it: words, spaces, JSON, numbers, other scripts, special tokens. */
const pieces = fc.constantFrom(' ', '  ', '\n', '\n\n', '\t', 'the', 'weather', "don't", "I'LL", '{"name": "get', '": ', '12345', '3.14', 'é', '漢字', '😀', '<|im_start|>', '</tool_call>', '_', '(', '==', 'a'.repeat(70), 'ab'.repeat(40));
const texts = fc.oneof(fc.array(pieces, { maxLength: 30 }).map((list) => list.join('')), fc.string({ unit: 'grapheme', maxLength: 120 }));

test('the same ids as the library, with ignore_merges and without', () => {
  const fast = encoderOf({});
  const slow = new LibraryTokenizer({ ...json, model: { ...json.model, ignore_merges: false } }, { clean_up_tokenization_spaces: false });
  const merging = encoderOf({ model: { ignore_merges: false } });
  fc.assert(
    fc.property(texts, (text) => {
      // JavaScript counts U+FEFF as white space and U+0085 as none; Unicode, and this encoder, the other way round.
      fc.pre(text !== '' && !/[\uFEFF\u0085]/.test(text));
      expect(fast?.encode(text)).toEqual(libraryIds(text));
      expect(merging?.encode(text)).toEqual(slow.encode(text, { add_special_tokens: false }).ids);
    }),
    { numRuns: 500 },
  );
});

test('decoding gives the text back', () => {
  const tokenizer = loadTokenizer('test/fixtures/tokenizers/llama3');
  fc.assert(
    fc.property(texts, (text) => {
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }),
  );
});

test('a single word of a megabyte is encoded without quadratic work', () => {
  const word = 'abcde'.repeat(200_000);
  const ids = encoderOf({})?.encode(word) ?? [];
  expect(Buffer.from(library.decode(ids, {})).length).toBe(word.length);
});

test('digits apart, NFC and the pattern of GPT-2 are understood', () => {
  const digits = { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, { type: 'ByteLevel', add_prefix_space: false, use_regex: true }] };
  const oracle = new LibraryTokenizer({ ...json, pre_tokenizer: digits, normalizer: { type: 'NFC' } }, { clean_up_tokenization_spaces: false });
  const encoder = encoderOf({ pre_tokenizer: digits, normalizer: { type: 'NFC' } });
  for (const text of ['in 2026, 12 of 345', 'cafe\u0301 costs 4', "it's 10 o'clock   now"]) {
    expect(encoder?.encode(text)).toEqual(oracle.encode(text, { add_special_tokens: false }).ids);
  }
});

test.each([
  ['a metaspace vocabulary', JSON.parse(readFileSync('test/fixtures/tokenizers/gemma/tokenizer.json', 'utf8')) as object],
  ['a possessive pattern', { ...json, pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Split', pattern: { Regex: '\\p{L}++' }, behavior: 'Isolated', invert: false }, { type: 'ByteLevel', add_prefix_space: false, use_regex: false }] } }],
  ['a prefix space', { ...json, pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true, use_regex: true } }],
  ['an unknown normalizer', { ...json, normalizer: { type: 'Lowercase' } }],
])('%s is left to the library', (_, other) => {
  expect(byteLevelBpe(other)).toBeNull();
});
