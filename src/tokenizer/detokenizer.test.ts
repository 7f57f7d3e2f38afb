import fc from 'fast-check';
import { expect, test } from 'vitest';
import { byteTokenizer } from '../../test/support/byte-tokenizer.ts';
import { Detokenizer, type DetokenizerOptions } from './detokenizer.ts';

const tokenizer = byteTokenizer();
const encode = (text: string): number[] => tokenizer.encode(text);

function run(tokens: readonly number[], options: DetokenizerOptions = {}): { pieces: string[]; stopped: string | null } {
  const detokenizer = new Detokenizer(tokenizer, options);
  const pieces = tokens.map((token) => detokenizer.push(token));
  pieces.push(detokenizer.finish());
  return { pieces, stopped: detokenizer.stopped };
}

test('any bytes come out as they decode in one piece', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 255 })), (tokens) => {
      expect(run(tokens).pieces.join('')).toBe(tokenizer.decode(tokens));
    }),
  );
});

test('characters come out whole', () => {
  const { pieces } = run(encode('a€😀'));
  expect(pieces.filter((piece) => piece !== '')).toEqual(['a', '€', '😀']);
});

test('an incomplete character at the end is replaced', () => {
  expect(run(encode('€').slice(0, 2)).pieces.join('')).toBe('\uFFFD');
});

test('a byte order mark stays', () => {
  expect(run(encode('\uFEFFx')).pieces.join('')).toBe('\uFEFFx');
});

test('stop strings cut the text where the first of them is complete', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'é'), maxLength: 24 });
  const stop = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'é'), minLength: 1, maxLength: 4 }), { maxLength: 3 });
  fc.assert(
    fc.property(text, stop, (text, stop) => {
      const { pieces, stopped } = run(encode(text), { stop });
      let expected = text;
      let seen: string | null = null;
      for (let end = 1; end <= text.length && seen === null; end++) {
        const ending = stop.filter((candidate) => text.slice(0, end).endsWith(candidate)).sort((a, b) => b.length - a.length);
        if (ending.length > 0) {
          seen = ending[0];
          expected = text.slice(0, end - seen.length);
        }
      }
      expect(pieces.join('')).toBe(expected);
      expect(stopped).toBe(seen);
    }),
  );
});

test('nothing of a stop string leaks before it is refuted', () => {
  const { pieces } = run(encode('one <enx two <end> three'), { stop: ['<end>'] });
  expect(pieces.join('')).toBe('one <enx two ');
  expect(pieces.some((piece) => piece === '<')).toBe(false);
});

test('special tokens are skipped unless asked for', () => {
  const tokens = encode('<s>hi</s>');
  expect(run(tokens).pieces.join('')).toBe('hi');
  expect(run(tokens, { skipSpecialTokens: false }).pieces.join('')).toBe('<s>hi</s>');
  expect(run(tokens, { keep: new Set([257]) }).pieces.join('')).toBe('hi</s>');
});

test('offsets tell where a token begins and what was given out', () => {
  const detokenizer = new Detokenizer(tokenizer, { stop: ['bc'] });
  detokenizer.push(97);
  expect([detokenizer.decodedLength, detokenizer.releasedLength]).toEqual([1, 1]);
  detokenizer.push(98);
  expect([detokenizer.decodedLength, detokenizer.releasedLength]).toEqual([2, 1]);
});
