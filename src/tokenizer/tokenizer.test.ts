import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadTokenizer } from './tokenizer.ts';

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
