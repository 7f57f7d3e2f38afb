/** Grammars across the engine's thread, on the embedded model. Runs the compiled worker: `npm test` compiles first. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findLibrary } from '../src/backend/native.ts';
import { GenerationError, RequestError, startEngine, type EngineClient, type GenerateRequest, type TokensEvent } from '../src/engine/client.ts';
import { GREEDY, type SamplingParams } from '../src/engine/sampling.ts';
import { MAX_GRAMMARS } from '../src/engine/wire.ts';
import { compileGrammar } from '../src/grammar/compile.ts';
import type { Grammar } from '../src/grammar/grammar.ts';
import { loadTokenizer } from '../src/tokenizer/tokenizer.ts';

const DIRECTORY = 'models/tetrad-nano';
const OPTIONS = { backend: findLibrary('cpu') === null ? 'reference' : 'cpu', cacheTokens: 2048, maxBatchSize: 8 } as const;
const tokenizer = loadTokenizer(DIRECTORY);

const WEATHER = {
  type: 'object',
  properties: { city: { enum: ['Paris', 'Rome', 'Reykjavik'] }, days: { type: 'integer', minimum: 1, maximum: 14 }, unit: { enum: ['celsius', 'fahrenheit'] } },
  required: ['city', 'days', 'unit'],
  additionalProperties: false,
};
const schema = (value: unknown): Grammar => compileGrammar({ kind: 'schema', schema: value, options: { whitespace: 'compact' } });

const request = (grammar: Grammar | undefined, params: Partial<SamplingParams> = {}, text = 'The weather in Paris for three days: '): GenerateRequest => {
  return { prompt: tokenizer.encode(text), sampling: { ...GREEDY, maxTokens: 60, ...params }, grammar };
};

interface Answer {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly forced: readonly boolean[];
  readonly events: readonly TokensEvent[];
  readonly finishReason: string | null;
}

async function collect(stream: AsyncIterable<TokensEvent>): Promise<Answer> {
  const events: TokensEvent[] = [];
  for await (const event of stream) events.push(event);
  const tokens = events.flatMap((event) => event.tokens);
  return {
    text: tokenizer.decode(tokens, { skipSpecialTokens: true }),
    tokens,
    forced: events.flatMap((event) => event.forced),
    events,
    finishReason: events[events.length - 1].finishReason,
  };
}

describe('a running engine', () => {
  let engine: EngineClient;
  const grammar = schema(WEATHER);
  beforeAll(async () => {
    engine = await startEngine(DIRECTORY, OPTIONS);
  });
  afterAll(() => engine.close());

  test('answers are what the schema says, greedy and drawn, and end by themselves', async () => {
    const seeds = [0, 1, 2, 3, 4];
    const answers = await Promise.all(seeds.map((seed) => collect(engine.generate(request(grammar, { temperature: seed / 2, seed, ignoreEos: seed % 2 === 1 })))));
    for (const { text, finishReason } of answers) {
      expect(finishReason).toBe('stop');
      const { city, days, unit, ...others } = JSON.parse(text) as Record<string, unknown>;
      expect(WEATHER.properties.city.enum).toContain(city);
      expect(WEATHER.properties.unit.enum).toContain(unit);
      expect(days).toSatisfy((value: number) => Number.isInteger(value) && value >= 1 && value <= 14);
      expect(others).toEqual({});
    }
  });

  test('forced tokens are told, counted, and spelled as the tokenizer would', async () => {
    const before = engine.stats().forcedTokens;
    const call = schema({ type: 'object', properties: { name: { const: 'get_weather' }, arguments: WEATHER }, required: ['name', 'arguments'], additionalProperties: false });
    const { tokens, forced } = await collect(engine.generate(request(call)));
    const first = tokens.slice(0, forced.indexOf(false));
    expect(tokenizer.decode(first)).toBe('{"name":"get_weather","arguments":{"city":"');
    expect(tokenizer.encode(tokenizer.decode(first))).toEqual(first);
    expect(engine.stats().forcedTokens - before).toBe(forced.filter(Boolean).length);
  });

  test('log-probabilities change no token, and judge the forced ones too', async () => {
    const plain = await collect(engine.generate(request(grammar)));
    const judged = await collect(engine.generate(request(grammar, { logprobs: 1 })));
    expect(judged.tokens).toEqual(plain.tokens);
    expect(judged.forced).toEqual(plain.forced);
    for (const { logprobs, legalMass } of judged.events) {
      expect(logprobs!.every(({ logprob, top }) => logprob <= 0 && top.length === 1)).toBe(true);
      expect(legalMass.every((mass) => mass >= 0 && mass <= 1)).toBe(true);
    }
  });

  test('constrained and free requests side by side say what they say alone', async () => {
    const requests = [request(grammar), request(undefined, { maxTokens: 10 }), request(schema({ type: 'integer' })), request(grammar, { temperature: 1, seed: 4 }, 'Rome')];
    const alone: Answer[] = [];
    for (const one of requests) alone.push(await collect(engine.generate(one)));
    const together = await Promise.all(requests.map((one) => collect(engine.generate(one))));
    expect(together.map(({ tokens }) => tokens)).toEqual(alone.map(({ tokens }) => tokens));
  });

  test('maxTokens cuts: the reason is length', async () => {
    const { tokens, finishReason } = await collect(engine.generate(request(grammar, { maxTokens: 7 })));
    expect(finishReason).toBe('length');
    expect(tokens).toHaveLength(7);
  });

  test('more grammars than are kept: each answer follows its own', async () => {
    const grammars = Array.from({ length: MAX_GRAMMARS + 8 }, (_, i) => schema({ enum: [`word ${i}`, `other ${i}`] }));
    for (const round of [grammars, grammars.slice(0, 12), [...grammars.slice(3, 6), ...grammars.slice(-3)]]) {
      for (const one of round) {
        const { text } = await collect(engine.generate(request(one, { maxTokens: 20 })));
        expect(JSON.parse(text)).toMatch(new RegExp(`^(word|other) ${grammars.indexOf(one)}$`, 'u'));
      }
    }
  });

  test('aborting a constrained request frees it', async () => {
    const controller = new AbortController();
    const long = schema({ type: 'array', items: WEATHER, minItems: 50 });
    let events = 0;
    for await (const { finishReason } of engine.generate(request(long, { maxTokens: 1000 }), controller.signal)) {
      if (++events === 5) controller.abort();
      if (finishReason !== null) expect(finishReason).toBe('abort');
    }
    expect(engine.stats()).toMatchObject({ numRequestsRunning: 0, cacheUsage: 0 });
  });

  /** Too many ways to read what follows `start`. */
  const ambiguous = (start: string): Grammar => {
    const levels = Array.from({ length: 18 }, (_, i) => `n${i + 1} ::= "" | n${i} n${i}`);
    return compileGrammar({ kind: 'ebnf', text: [`root ::= ${start} n18`, 'n0 ::= "" | "a"', ...levels].join('\n') });
  };

  test('a grammar that fails at once rejects its request', async () => {
    await expect(collect(engine.generate(request(ambiguous(''))))).rejects.toThrow(GenerationError);
  });

  test('a special token that ends the text, or is unknown, fails its own request and no other', async () => {
    for (const token of ['<|im_end|>', '<|nowhere|>']) await expect(collect(engine.generate(request(compileGrammar({ kind: 'special', token }))))).rejects.toThrow(/not a special token/u);
    expect((await collect(engine.generate(request(grammar)))).finishReason).toBe('stop');
  });

  test('a grammar that fails on the way rejects its own request and no other', async () => {
    const outcomes = await Promise.allSettled([
      collect(engine.generate(request(ambiguous('[0-9]+ "x"'), { maxTokens: 1000, logitBias: [[tokenizer.encode('x')[0], 100]] }))),
      collect(engine.generate(request(grammar))),
    ]);
    expect(outcomes[0]).toMatchObject({ status: 'rejected', reason: expect.any(GenerationError) });
    expect(outcomes[0]).toMatchObject({ reason: { message: expect.stringContaining('too ambiguous') } });
    expect(outcomes[1]).toMatchObject({ status: 'fulfilled', value: { finishReason: 'stop' } });
  });
});

test('drafts change no token and no log-probability, and are often right', async () => {
  const call = (name: string): Grammar => schema({ type: 'object', properties: { name: { const: name }, arguments: WEATHER }, required: ['name', 'arguments'], additionalProperties: false });
  const shown = JSON.stringify(WEATHER);
  const requests = Array.from({ length: 24 }, (_, i): GenerateRequest => {
    const text = `${shown} ${shown} Rome or Paris for ${i} days, in ${i % 2 === 0 ? 'fahrenheit' : 'celsius'}: `;
    const drawn = i % 3 === 0 ? {} : { temperature: 0.8, seed: i, topP: 0.95 };
    const penalties = i % 4 === 0 ? { repetitionPenalty: 1.2, frequencyPenalty: 0.1 } : {};
    return request(i % 6 === 5 ? undefined : i % 2 === 0 ? call('get_weather') : schema({ type: 'array', items: WEATHER, minItems: 2, maxItems: 3 }), { ...drawn, ...penalties, maxTokens: 90, logprobs: i % 4 < 2 ? null : 2 }, text);
  });
  const answers: unknown[] = [];
  for (const drafts of [false, true]) {
    const engine = await startEngine(DIRECTORY, { ...OPTIONS, cacheTokens: 4096, drafts });
    const all = await Promise.all(requests.map((one) => collect(engine.generate(one))));
    answers.push(all.map(({ events, tokens, forced, finishReason }) => ({ tokens, forced, finishReason, scores: events.flatMap(({ logprobs, legalMass }) => legalMass.map((mass, k) => [mass, logprobs?.[k]])) })));
    const { draftedTokens, acceptedDraftTokens } = engine.stats();
    if (!drafts) expect(draftedTokens).toBe(0);
    else expect(acceptedDraftTokens / draftedTokens).toBeGreaterThan(0.3);
    await engine.close();
  }
  expect(answers[1]).toEqual(answers[0]);
});

test('without a tokenizer, a request with a grammar is refused, and others are served', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tetrad-'));
  try {
    for (const name of ['config.json', 'generation_config.json', 'model.safetensors']) copyFileSync(join(DIRECTORY, name), join(directory, name));
    const engine = await startEngine(directory, OPTIONS);
    expect(() => engine.generate(request(schema(WEATHER)))).toThrow(RequestError);
    expect(() => engine.generate(request(schema(WEATHER)))).toThrow('grammars need a tokenizer: ');
    expect((await collect(engine.generate(request(undefined, { maxTokens: 3, ignoreEos: true })))).tokens).toHaveLength(3);
    await engine.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
