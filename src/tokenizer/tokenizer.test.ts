import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { TokenizerError, loadTokenizer } from './tokenizer.ts';

const FIXTURES = 'test/fixtures/tokenizers';

describe.each(['llama3', 'gemma'])('%s', (kind) => {
  const tokenizer = loadTokenizer(`${FIXTURES}/${kind}`);
  const cases = JSON.parse(readFileSync(`${FIXTURES}/${kind}/cases.json`, 'utf8')) as { text: string; ids: number[]; decoded: string }[];

  test.each(cases)('encodes and decodes $text', ({ text, ids, decoded }) => {
    expect(tokenizer.encode(text)).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(decoded);
  });

  test.each(cases)('the bytes of the tokens are those of the text: $text', ({ ids, decoded }) => {
    expect(Buffer.concat(ids.map((id) => tokenizer.tokenBytes(id))).toString()).toBe(decoded);
  });
});

/** The smallest file that works, changed. */
function refusal(change: object | null, config?: string): unknown {
  const directory = mkdtempSync(join(tmpdir(), 'tetrad-tokenizer-'));
  const json = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] } };
  writeFileSync(join(directory, 'tokenizer.json'), JSON.stringify(change && { ...json, ...change }));
  if (config !== undefined) writeFileSync(join(directory, 'tokenizer_config.json'), config);
  try {
    return loadTokenizer(directory).encode('ab');
  } catch (error) {
    return error;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('the smallest tokenizer works', () => {
  expect(refusal({})).toEqual([2]);
});

test.each([
  [null, undefined, /tokenizer\.json: expected a JSON object/],
  [{ model: null }, undefined, /expected an object "model"/],
  [{ model: { type: 'BPE', merges: [] } }, undefined, /expected "vocab"/],
  [{ model: { type: 'BPE', vocab: { a: 3e9 }, merges: [] } }, undefined, /token "a": expected an id from 0 to 16777215, seen 3000000000/],
  [{ added_tokens: {} }, undefined, /expected added_tokens to be an array/],
  [{ added_tokens: [null] }, undefined, /objects with content and id in added_tokens, seen null/],
  [{ added_tokens: [{ id: -1, content: '<x>' }] }, undefined, /token "<x>": expected an id from 0/],
  [{ decoder: { type: 'Foo' } }, undefined, /tokenizer\.json: this tokenizer can't be used: Unknown Decoder/],
  [{}, 'null', /tokenizer_config\.json: expected a JSON object/],
])('%o with the config %s is refused', (change, config, message) => {
  const error = refusal(change, config);
  expect(error).toBeInstanceOf(TokenizerError);
  expect((error as Error).message).toMatch(message);
});
