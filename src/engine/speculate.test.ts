import { describe, expect, test } from 'vitest';
import { byteTokenizer } from '../../test/support/byte-tokenizer.ts';
import { compileGrammar } from '../grammar/compile.ts';
import { createMatcher } from '../grammar/matcher.ts';
import { Vocabulary } from '../grammar/trie.ts';
import { Request } from './request.ts';
import { GREEDY } from './sampling.ts';
import { Drafter, Odds } from './speculate.ts';

const EOS = 257;
const tokenizer = byteTokenizer();
const vocabulary = new Vocabulary(tokenizer, [EOS]);

/** A request of one token a byte whose guesses have always been right before, or always wrong. */
function setup(prompt: string, { schema, trusted = true }: { schema?: unknown; trusted?: boolean } = {}) {
  const grammar = schema === undefined ? null : compileGrammar({ kind: 'schema', schema, options: { whitespace: 'spaced' } });
  const terms = { lengthLimit: 4096, cacheKey: '', eosTokenIds: [EOS], forcing: true, drafts: null };
  const request = new Request(0, { prompt: tokenizer.encode(prompt), sampling: { ...GREEDY, maxTokens: 1000 } }, terms, grammar && createMatcher(grammar, vocabulary));
  const odds = new Odds();
  for (let way = 0; way < 22; way++) for (let i = 0; i < 100; i++) odds.learn(way, trusted);
  const drafter = new Drafter(request, { vocabSize: vocabulary.size, spelling: vocabulary, odds });
  request.force();
  return {
    said: () => tokenizer.decode(request.tokens.slice(request.promptLength)),
    /** Text that is not forced, one step a token. */
    say(text: string): void {
      for (const token of tokenizer.encode(text)) {
        drafter.propose();
        const before = request.tokens.length;
        request.append({ token, forced: false, logprob: 0, legalMass: 1, top: [] });
        drafter.learn(request.tokens.slice(before), 0);
      }
    },
    drafts: () => tokenizer.decode(drafter.propose().map(({ token }) => token)),
    forced: () => drafter.propose().map(({ forced }) => forced),
  };
}

describe('free text', () => {
  test('goes on as it did before: the longest match wins', () => {
    expect(setup('one green apple, two red pears, one green apple').drafts()).toMatch(/^, two red pears/u);
    expect(setup('the cat sat; a hat fell; the cat').drafts()).toMatch(/^ sat; a hat/u);
  });

  test('what repeats nothing is left alone', () => {
    expect(setup('abcdefghij').drafts()).toBe('');
  });

  test('a way of guessing that was wrong too often drafts nothing until it is right again', () => {
    const { drafts, say } = setup('abcdefgh abcdefgh abcdefgh abcd', { trusted: false });
    expect(drafts()).toBe('');
    say('efgh abcdefgh abcd');
    expect(drafts()).not.toBe('');
  });
});

describe('along a grammar', () => {
  const properties = { city: { type: 'string' }, days: { type: 'integer' }, unit: { enum: ['celsius', 'fahrenheit'] } };
  const schema = { type: 'object', properties, required: ['city', 'days', 'unit'], additionalProperties: false };
  const prompt = `${JSON.stringify(schema)} Give me the weather in Paris for 12 days`;

  test('words of the prompt are echoed', () => {
    const { say, drafts, said } = setup(prompt, { schema });
    expect(said()).toBe('{"city": "');
    say('Pa');
    expect(drafts()).toMatch(/^ris/u);
  });

  test('what the grammar forces after a guess is told apart', () => {
    const { say, drafts, forced } = setup(prompt, { schema });
    say('Paris"12,');
    expect(drafts()).toBe('celsius"}');
    expect(forced()).toEqual([...'celsius"}'].map((_, i) => i > 0));
  });

  test('names are guessed in the order of their declaration', () => {
    const optional = { ...schema, required: [] };
    const { say, drafts, forced, said } = setup(`${JSON.stringify(optional)} ${'-'.repeat(40)}`, { schema: optional });
    say('"cRome",');
    expect(said()).toBe('{"city": "Rome", "');
    expect(drafts()).toMatch(/^days": /u);
    expect(forced().slice(0, 7)).toEqual([false, true, true, true, true, true, true]);
  });

  test('the matcher is left where it was', () => {
    const { say, drafts, said } = setup(prompt, { schema });
    const before = drafts();
    expect(drafts()).toBe(before);
    say('Paris"');
    expect(said()).toBe('{"city": "Paris", "days": ');
  });
});
