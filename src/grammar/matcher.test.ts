import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Automaton, REJECT } from './automaton.ts';
import { compileGrammar } from './compile.ts';
import type { GrammarSource } from './compile.ts';
import type { Grammar } from './grammar.ts';
import { createMatcher } from './matcher.ts';
import type { GrammarMatcher } from './matcher.ts';
import { Vocabulary, specialBytes } from './trie.ts';
import { loadTokenizer } from '../tokenizer/tokenizer.ts';

const utf8 = new TextEncoder();
const EOS = 0;

/** Tokens of whole bytes, then words; the first is the end of text, and two spell the same. */
const WORDS = ['{"', '":', '",', '"}', '"a"', '"a":', 'a', 'ab', 'abc', ' ', '  ', '\n', '\n  ', 'true', 'tr', 'null', '12', '0.5', '1', '[1', '],', '"]', 'é', '\\"', '\\u00', '😀', 'ab"', 'ab":', '"a', 'the quick brown', '<', '<to', '<tool>', 'x<tool', 'ol>', '</tool>', ' text <tool>{"', '}</', '>{"a'];
const SPECIALS = ['<|call|>', '<|call', '<tool>'];
const CONTENTS = [utf8.encode('<end>'), ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)), ...[...WORDS, ...SPECIALS].map((word) => utf8.encode(word))];
const isSpecial = (token: number): boolean => token === EOS || token >= CONTENTS.length - SPECIALS.length;
/** A lone 0xFF is no text, and must not be taken for the mark of a special token. */
const SPELLED = CONTENTS.map((bytes, token) => (token === EOS || bytes[0] === 0xff ? null : isSpecial(token) ? specialBytes(bytes) : bytes));

const vocabulary = new Vocabulary({ vocabSize: SPELLED.length, tokenBytes: (token) => CONTENTS[token], isSpecial }, [EOS]);

const SOURCES: Record<string, Grammar> = {
  person: compileGrammar({
    kind: 'schema',
    schema: { type: 'object', properties: { a: { type: 'string' }, abc: { type: 'array', items: { type: 'number' } }, b: { enum: ['ab', 'abc', 1, null] } }, required: ['a'], additionalProperties: { type: 'string', maxLength: 9 } },
    options: { order: 'any' },
  }),
  ordered: compileGrammar({ kind: 'schema', schema: { type: 'object', properties: { a: { type: 'string', pattern: '^[a-c]+$' }, ab: { type: 'boolean' } }, required: ['ab'], additionalProperties: false } }),
  object: compileGrammar({ kind: 'json-object' }),
  regex: compileGrammar({ kind: 'regex', pattern: '(ab|é)*(1|0\\.5)?' }),
  choice: compileGrammar({ kind: 'choice', choices: ['ab', 'abc', 'true', 'the quick brown fox'] }),
  ebnf: compileGrammar({ kind: 'ebnf', text: 'root ::= "[" (item ("," item)*)? "]"\nitem ::= root | [0-9]+' }),
  answer: compileGrammar(answer({ kind: 'literal', text: '<tool>' }, { kind: 'literal', text: '</tool>' })),
  'answer with special tokens': compileGrammar(answer({ kind: 'special', token: '<|call|>' }, { kind: 'special', token: '<|call' })),
  unique: compileGrammar({ kind: 'schema', schema: { type: 'array', uniqueItems: true, items: { anyOf: [{ type: 'string' }, { enum: ['ab', true] }, { type: 'integer', minimum: 0, maximum: 12 }] } } }),
  'unique strings': compileGrammar({ kind: 'schema', schema: { type: 'array', uniqueItems: true, items: { type: 'string', minLength: 2 } }, options: { whitespace: 'compact' } }),
  'a key to be told': compileGrammar({ kind: 'schema', schema: { type: 'object', minProperties: 3, properties: { ab: true }, not: { additionalProperties: { type: 'string' } } }, options: { order: 'any', whitespace: 'compact' } }),
  lengths: compileGrammar({ kind: 'schema', schema: { anyOf: [{ type: 'string', pattern: '^(ab|é)*a?$', minLength: 3, maxLength: 7 }, { type: 'string', maxLength: 4 }, { const: 'the quick brown fox' }] } }),
};

/** Free text, then calls. */
function answer(open: GrammarSource, close: GrammarSource): GrammarSource {
  const call: GrammarSource = { kind: 'sequence', parts: [open, { kind: 'schema', schema: { type: 'object', properties: { a: { type: 'string' } } }, options: { whitespace: 'spaced', closed: true } }, close] };
  const text: GrammarSource = { kind: 'text', without: ['<tool>'] };
  return { kind: 'either', options: [text, { kind: 'sequence', parts: [text, { kind: 'repeat', item: call, min: 1, max: null, separator: '\n' }] }] };
}

const bit = (mask: Int32Array, token: number): boolean => ((mask[token >> 5] >> (token & 31)) & 1) === 1;

/** What a mask means, told by reading every token from the start. */
function allowed(grammar: Grammar, before: readonly number[]): boolean[] {
  const automaton = new Automaton(grammar);
  const read = (from: number, bytes: Uint8Array): number => bytes.reduce((state, byte) => (state === REJECT ? state : automaton.step(state, byte)), from);
  const state = before.reduce((at, token) => read(at, SPELLED[token] as Uint8Array), automaton.start);
  return SPELLED.map((bytes, token) => (token === EOS ? automaton.isAccepting(state) : bytes !== null && read(state, bytes) !== REJECT));
}

/** A walk that the mask allows, by choice of `picks`. */
function walk(matcher: GrammarMatcher, picks: readonly number[], visit: (mask: Int32Array, tokens: readonly number[]) => void): number[] {
  const mask = vocabulary.newMask();
  const tokens: number[] = [];
  for (const pick of picks) {
    matcher.fillMask(mask);
    visit(mask, tokens);
    const options = SPELLED.flatMap((_, token) => (bit(mask, token) ? [token] : []));
    expect(options.length).toBeGreaterThan(0);
    const token = options[pick % options.length];
    expect(matcher.accept(token)).toBe(true);
    if (token === EOS) break;
    tokens.push(token);
  }
  return tokens;
}

const picks = fc.array(fc.nat(9999), { minLength: 1, maxLength: 12 });

describe.each(Object.entries(SOURCES))('%s', (_, grammar) => {
  test('a mask allows the tokens that can be read, and no others', () => {
    fc.assert(
      fc.property(picks, (choices) => {
        walk(createMatcher(grammar, vocabulary), choices, (mask, tokens) => {
          const expected = allowed(grammar, tokens);
          for (let token = 0; token < SPELLED.length; token++) expect(bit(mask, token), `token ${token} after ${tokens.join()}`).toBe(expected[token]);
        });
      }),
      { numRuns: 60 },
    );
  });

  test('what is not in the mask is not accepted, and changes nothing', () => {
    fc.assert(
      fc.property(picks, (choices) => {
        const matcher = createMatcher(grammar, vocabulary);
        const after = vocabulary.newMask();
        walk(matcher, choices, (mask) => {
          for (let token = 0; token < SPELLED.length; token++) if (!bit(mask, token)) expect(matcher.accept(token)).toBe(false);
          matcher.fillMask(after);
          expect(after).toEqual(mask);
        });
      }),
      { numRuns: 20 },
    );
  });

  test('rollback and clone come to the same state', () => {
    fc.assert(
      fc.property(picks, fc.nat(12), (choices, back) => {
        const matcher = createMatcher(grammar, vocabulary);
        const masks: Int32Array[] = [];
        const tokens = walk(matcher, choices, (mask) => masks.push(mask.slice()));
        const copy = matcher.clone();
        const count = Math.min(back, tokens.length) + (matcher.isEnded ? 1 : 0);
        matcher.rollback(count);
        const mask = vocabulary.newMask();
        if (count > 0) {
          matcher.fillMask(mask);
          expect(mask).toEqual(masks[masks.length - count]);
        }
        for (const token of tokens.slice(tokens.length - Math.min(back, tokens.length))) expect(matcher.accept(token)).toBe(true);
        if (!copy.isEnded) {
          const other = vocabulary.newMask();
          matcher.fillMask(mask);
          copy.fillMask(other);
          expect(other).toEqual(mask);
        }
      }),
      { numRuns: 40 },
    );
  });
});

test('the end is allowed exactly where the text is complete', () => {
  const matcher = createMatcher(SOURCES.choice, vocabulary);
  const mask = vocabulary.newMask();
  const token = (word: string): number => 257 + WORDS.indexOf(word);
  expect(matcher.accept(EOS)).toBe(false);
  expect(matcher.accept(token('ab'))).toBe(true);
  expect(matcher.isAccepting).toBe(true);
  matcher.fillMask(mask);
  expect(bit(mask, EOS)).toBe(true);
  expect(matcher.accept(EOS)).toBe(true);
  expect(matcher.isEnded).toBe(true);
  expect(matcher.accept(token('ab'))).toBe(false);
  matcher.rollback(1);
  expect(matcher.accept('c'.charCodeAt(0) + 1)).toBe(true);
  matcher.fillMask(mask);
  expect(SPELLED.flatMap((_, i) => (bit(mask, i) ? [i] : []))).toEqual([EOS]);
});

test('a mask that is longer than the vocabulary has no bits beyond it', () => {
  const mask = new Int32Array(vocabulary.maskLength + 3).fill(-1);
  createMatcher(SOURCES.object, vocabulary).fillMask(mask);
  expect([...mask.subarray(vocabulary.maskLength)]).toEqual([0, 0, 0]);
});

test('a special token is no text, and text is no special token', () => {
  const special = (word: string): number => CONTENTS.length - SPECIALS.length + SPECIALS.indexOf(word);
  const matcher = createMatcher(SOURCES['answer with special tokens'], vocabulary);
  for (const word of SPECIALS) expect(matcher.clone().accept(special(word)), word).toBe(word === '<|call|>');
  for (const byte of utf8.encode('<|call|>')) expect(matcher.accept(byte + 1)).toBe(true);
  expect(matcher.isAccepting).toBe(true);
  expect(matcher.accept('{'.charCodeAt(0) + 1)).toBe(true);
  expect(matcher.accept(special('<|call|>'))).toBe(true);
  expect(matcher.isAccepting).toBe(false);
  expect(() => createMatcher(compileGrammar({ kind: 'special', token: '<|nobody|>' }), vocabulary)).toThrow('<|nobody|>');
});

test('masks of very many words are as quick as those of a few', () => {
  const matcher = createMatcher(compileGrammar({ kind: 'choice', choices: Array.from({ length: 50_000 }, (_, i) => `the word number ${i}`) }), vocabulary);
  const mask = vocabulary.newMask();
  const start = performance.now();
  for (const byte of utf8.encode('the word number 17')) {
    matcher.fillMask(mask);
    expect(bit(mask, byte + 1)).toBe(true);
    expect(matcher.accept(byte + 1)).toBe(true);
  }
  expect(performance.now() - start).toBeLessThan(1000);
});

describe('forced tokens', () => {
  const tokenizer = loadTokenizer('test/fixtures/tokenizers/llama3');
  const real = new Vocabulary(tokenizer, [tokenizer.tokenId('<|eot_id|>') ?? 0]);
  const schema = { type: 'object', properties: { temperature_unit: { enum: ['celsius', 'fahrenheit'] }, location: { type: 'string' } }, required: ['temperature_unit', 'location'], additionalProperties: false };
  const grammar = compileGrammar({ kind: 'schema', schema, options: { whitespace: 'compact' } });

  test('are those the tokenizer has for the text', () => {
    const text = '{"temperature_unit":"fahrenheit","location":"Bern"}';
    const tokens = tokenizer.encode(text);
    const matcher = createMatcher(grammar, real);
    let forced = 0;
    for (let i = 0; i < tokens.length; ) {
      const must = matcher.forcedTokens();
      expect(tokens.slice(i, i + must.length)).toEqual([...must]);
      forced += must.length;
      for (const token of must) expect(matcher.accept(token)).toBe(true);
      i += must.length;
      if (must.length === 0) expect(matcher.accept(tokens[i++])).toBe(true);
    }
    expect(matcher.isAccepting).toBe(true);
    expect(forced).toBeGreaterThan(4);
  });

  test('are allowed by the masks, and leave nothing else that could have been said', () => {
    const matcher = createMatcher(grammar, real);
    const mask = real.newMask();
    for (const token of matcher.forcedTokens()) {
      matcher.fillMask(mask);
      expect(bit(mask, token)).toBe(true);
      expect(matcher.accept(token)).toBe(true);
    }
    expect(matcher.isAccepting).toBe(false);
  });

  test('none where the model has a choice, or no tokenizer is there to ask', () => {
    expect(createMatcher(compileGrammar({ kind: 'json-object' }), real).forcedTokens().length).toBeLessThan(2);
    expect(createMatcher(grammar, vocabulary).forcedTokens()).toEqual([]);
  });

  test('an end that is the only way on is forced too', () => {
    const matcher = createMatcher(compileGrammar({ kind: 'choice', choices: ['yes'] }), real);
    const forced = matcher.forcedTokens();
    expect(forced.at(-1)).toBe(real.eosTokenIds[0]);
    for (const token of forced) expect(matcher.accept(token)).toBe(true);
    expect(matcher.isEnded).toBe(true);
  });

  test('across special tokens and literals', () => {
    const source: GrammarSource = {
      kind: 'sequence',
      parts: [
        { kind: 'special', token: '<|im_start|>' },
        { kind: 'literal', text: 'Calling:\n<tool_call>\n' },
        { kind: 'schema', schema, options: { whitespace: 'spaced' } },
        { kind: 'special', token: '<|im_end|>' },
      ],
    };
    const text = '<|im_start|>Calling:\n<tool_call>\n{"temperature_unit": "celsius", "location": "Bern"}<|im_end|>';
    const tokens = [...tokenizer.encode(text), real.eosTokenIds[0]];
    const matcher = createMatcher(compileGrammar(source), real);
    let forced = 0;
    for (let i = 0; i < tokens.length; ) {
      const must = matcher.forcedTokens();
      expect(tokens.slice(i, i + must.length)).toEqual([...must]);
      forced += must.length;
      for (const token of must) expect(matcher.accept(token)).toBe(true);
      i += must.length;
      if (must.length === 0) expect(matcher.accept(tokens[i++])).toBe(true);
    }
    expect(matcher.isEnded).toBe(true);
    expect(forced).toBeGreaterThan(tokens.length / 2);
  });
});
