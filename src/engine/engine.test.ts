import { describe, expect, test } from 'vitest';
import {
  fakeModel,
  generateAlone,
  joinOutputs,
  randomSource,
  RollingMatcher,
  ropeClass,
  type Generated,
} from '../../test/support/fake-device.ts';
import type { GenerateRequest } from './client.ts';
import { Engine, stepLimits, type EngineOutput, type EngineShape } from './engine.ts';
import type { Draft, Matcher, Request } from './request.ts';
import { ModelRunner } from './runner.ts';
import { GREEDY, type OutputToken, type SamplingParams } from './sampling.ts';

const VOCAB = 50;

interface Shape extends Partial<EngineShape> {}

/** An engine on the fake device that keeps what it says, by request. */
function makeEngine(options: Shape = {}) {
  const shape: EngineShape = {
    vocabSize: VOCAB,
    numBlocks: 64,
    blockSize: 4,
    maxBatchSize: 8,
    tokenBudget: 16,
    maxModelLength: 100,
    prefixCaching: true,
    drafts: true,
    forcing: true,
    spelling: null,
    eosTokenIds: [0],
    ropeClass,
    ...options,
  };
  const { numBlocks, blockSize } = shape;
  const model = fakeModel({ vocabSize: VOCAB, numBlocks, blockSize, ...stepLimits(shape) });
  const said = new Map<number, EngineOutput[]>();
  const emit = (outputs: readonly EngineOutput[]): void => {
    for (const output of outputs) said.set(output.id, [...(said.get(output.id) ?? []), output]);
  };
  const engine = new Engine(new ModelRunner(model, shape), shape, emit);
  return {
    engine,
    shape,
    pool: engine.scheduler.pool,
    result: (id: number) => joinOutputs(said.get(id) ?? []),
    events: (id: number) => said.get(id) ?? [],
    run(): void {
      while (engine.hasWork) engine.step();
    },
  };
}

const sampling = (params: Partial<SamplingParams> = {}): SamplingParams => ({ ...GREEDY, logprobs: 2, ...params });
const prompt = (length: number, from = 1): number[] => Array.from({ length }, (_, i) => 1 + ((from * 7 + i * 13) % (VOCAB - 1)));

function expectNoLeak(pool: ReturnType<typeof makeEngine>['pool']): void {
  const { free, cached, used } = pool.count();
  expect({ used, total: free + cached }).toEqual({ used: 0, total: pool.numBlocks });
}

/** The text and everything that came with it; an aborted request must have said the beginning of it. */
function expectSame(seen: Generated, wanted: Generated): void {
  if (seen.finishReason === 'abort' && wanted.finishReason !== 'abort') {
    expect(seen.outputs).toEqual(wanted.outputs.slice(0, seen.outputs.length));
  } else {
    expect(seen).toEqual(wanted);
  }
}

function randomRequest(random: (end: number) => number, maxModelLength: number): GenerateRequest {
  const shared = prompt(random(4) * 6, random(3));
  const own = Array.from({ length: 1 + random(random(4) === 0 ? 30 : 8) }, () => random(VOCAB));
  const tokens = [...shared, ...own].slice(0, maxModelLength - 1);
  const isDrawn = random(2) === 0;
  return {
    prompt: random(2) === 0 ? tokens : Int32Array.from(tokens),
    ...(random(5) === 0 ? { cacheSalt: `tenant ${random(2)}` } : {}),
    sampling: sampling({
      temperature: isDrawn ? 0.7 : 0,
      seed: isDrawn ? random(2 ** 20) * 2 ** 30 + random(100) : 0,
      repetitionPenalty: random(3) === 0 ? 1.5 : 1,
      presencePenalty: random(3) === 0 ? 0.5 : 0,
      frequencyPenalty: random(3) === 0 ? 0.25 : 0,
      // Some say few different tokens, which drafts often guess.
      logitBias: random(2) === 0 ? Array.from({ length: 2 + random(3) }, () => [random(VOCAB), 9] as const) : Array.from({ length: random(3) }, () => [random(VOCAB), random(8) - 4] as const),
      stopTokenIds: random(3) === 0 ? [random(VOCAB), random(VOCAB)] : [],
      ignoreEos: random(2) === 0,
      maxTokens: 1 + random(random(3) === 0 ? 60 : 12),
      logprobs: random(2) === 0 ? null : random(4),
    }),
  };
}

describe('randomized against sequential generation', () => {
  const shapes: (Shape & { name: string; requests: number })[] = [
    { name: 'roomy', requests: 800, numBlocks: 400, blockSize: 4, maxBatchSize: 16, tokenBudget: 40, maxModelLength: 100 },
    { name: 'cramped', requests: 800, numBlocks: 26, blockSize: 4, maxBatchSize: 8, tokenBudget: 24, maxModelLength: 100 },
    { name: 'cramped, blocks of one', requests: 500, numBlocks: 90, blockSize: 1, maxBatchSize: 6, tokenBudget: 9, maxModelLength: 90 },
    { name: 'large blocks', requests: 500, numBlocks: 7, blockSize: 16, maxBatchSize: 5, tokenBudget: 33, maxModelLength: 112 },
    { name: 'less budget than rows', requests: 500, numBlocks: 60, blockSize: 4, maxBatchSize: 12, tokenBudget: 5, maxModelLength: 60 },
    { name: 'one row', requests: 200, numBlocks: 25, blockSize: 4, maxBatchSize: 1, tokenBudget: 7, maxModelLength: 100 },
    { name: 'no prefix cache', requests: 400, numBlocks: 30, blockSize: 4, prefixCaching: false, maxModelLength: 100 },
  ];

  test.each(shapes)('$name', (shape) => compare(shape, false));

  test.each(shapes)('$name, with drafts of all kinds', (shape) => compare({ ...shape, requests: shape.requests / 2, drafts: false }, true));

  function compare({ name, requests, ...options }: (typeof shapes)[number], areDraftsGiven: boolean): void {
    const random = randomSource(name.length * 1000 + requests);
    const { engine, shape, pool, result } = makeEngine(options);
    const wanted: Generated[] = [];
    const added: { request: GenerateRequest; matcherStart: number | null; isAborted: boolean }[] = [];
    const matcher = (start: number | null): Matcher | null => (start === null ? null : new RollingMatcher(VOCAB, start));
    while (added.length < requests || engine.hasWork) {
      expect(engine.stats().steps).toBeLessThan(100_000);
      for (let i = random(4); i > 0 && added.length < requests && engine.stats().numRequestsWaiting < 20; i--) {
        const request = randomRequest(random, shape.maxModelLength);
        const matcherStart = random(2) === 0 ? random(1000) : null;
        engine.add(added.length, request, matcher(matcherStart));
        added.push({ request, matcherStart, isAborted: false });
        wanted.push(generateAlone(request, shape, matcher(matcherStart)));
      }
      if (random(6) === 0 && added.length > 0) {
        const id = added.length - 1 - random(Math.min(added.length, 20));
        if (result(id).finishReason === null) added[id].isAborted = true;
        engine.abort(id);
      }
      engine.step();
      if (areDraftsGiven) for (const request of engine.scheduler.running) request.drafts = someDrafts(random, request, wanted[request.id].outputs);
    }
    for (const [id, { isAborted }] of added.entries()) {
      const seen = result(id);
      if (!isAborted) expect(seen.finishReason).not.toBe('abort');
      expectSame(seen, wanted[id]);
    }
    expectNoLeak(pool);
    const stats = engine.stats();
    if (areDraftsGiven && name !== 'less budget than rows') expect(stats.acceptedDraftTokens / stats.draftedTokens).toBeGreaterThan(0.3);
    expect(stats).toMatchObject({ numRequestsRunning: 0, numRequestsWaiting: 0, cacheUsage: 0 });
    if (shape.prefixCaching) expect(stats.prefixCacheHits).toBeGreaterThan(0);
    if (name.startsWith('cramped')) expect(stats.preemptions).toBeGreaterThan(10);
  }

  /** What will be said, for a while, now and then with a token that will not be. */
  function someDrafts(random: (end: number) => number, { promptLength, tokens, numInFlight, drafts }: Request, outputs: readonly OutputToken[]): readonly Draft[] {
    if (numInFlight > 1) return drafts;
    const next = outputs.slice(tokens.length - promptLength).slice(0, random(14));
    return next.map(({ token, forced }) => (random(6) === 0 ? { token: random(VOCAB), forced: false } : { token, forced }));
  }
});

describe('three invariances', () => {
  const requests = Array.from({ length: 12 }, (_, i): GenerateRequest => {
    const drawn = i % 2 === 0 ? { temperature: 0.8, seed: 100 + i } : {};
    return { prompt: [...prompt(11), ...prompt(3 + 2 * i, i)], sampling: sampling({ ...drawn, maxTokens: 20, ignoreEos: true, logprobs: 3 }) };
  });
  const alone = requests.map((request) => {
    const { engine, run, result } = makeEngine({ prefixCaching: false, tokenBudget: 64 });
    engine.add(0, request);
    run();
    return result(0);
  });
  const together = (options: Shape): ReturnType<typeof makeEngine> => {
    const made = makeEngine(options);
    for (const [id, request] of requests.entries()) made.engine.add(id, request);
    made.run();
    return made;
  };

  test.each([1, 2, 3, 5, 8, 13, 64])('chunk: a budget of %d tokens', (tokenBudget) => {
    const { result } = together({ tokenBudget, maxBatchSize: 1, prefixCaching: false });
    expect(requests.map((_, id) => result(id))).toEqual(alone);
  });

  test('prefix: hit or miss', () => {
    const { engine, run, result, events } = together({ numBlocks: 300 });
    for (const [id, request] of requests.entries()) engine.add(100 + id, request);
    run();
    for (const id of requests.keys()) {
      expect(events(100 + id)[0].numCachedTokens).toBeGreaterThan(events(id)[0].numCachedTokens);
      expect(result(100 + id)).toEqual(alone[id]);
    }
  });

  test('batch: alone or among others, log-probabilities too', () => {
    const { result } = together({ maxBatchSize: 12, tokenBudget: 200, numBlocks: 300 });
    expect(requests.map((_, id) => result(id))).toEqual(alone);
  });
});

describe('how requests end', () => {
  const text = (request: GenerateRequest): number[] => generateAlone(request, makeEngine().shape).outputs.map(({ token }) => token);

  test('a stop token is reported last', () => {
    const free: GenerateRequest = { prompt: prompt(5), sampling: sampling({ maxTokens: 20, ignoreEos: true }) };
    const said = text(free);
    const { engine, run, events, result } = makeEngine();
    engine.add(0, { ...free, sampling: { ...free.sampling, stopTokenIds: [said[3]] } });
    run();
    expect(result(0).outputs.map(({ token }) => token)).toEqual(said.slice(0, said.indexOf(said[3]) + 1));
    expect(events(0).map(({ finishReason }) => finishReason)).toEqual([...Array.from({ length: said.indexOf(said[3]) }, () => null), 'stop']);
  });

  test('an end-of-sequence token stops unless it is ignored', () => {
    const request: GenerateRequest = { prompt: prompt(5), sampling: sampling({ maxTokens: 6, ignoreEos: true }) };
    const said = text(request);
    const { engine, run, result } = makeEngine({ eosTokenIds: [said[2]] });
    engine.add(0, request);
    engine.add(1, { ...request, sampling: { ...request.sampling, ignoreEos: false } });
    run();
    expect(result(0)).toMatchObject({ finishReason: 'length' });
    expect(result(1)).toMatchObject({ finishReason: 'stop' });
    expect(result(1).outputs.length).toBeLessThanOrEqual(3);
  });

  test('maxTokens is exact, down to one, and takes no step more than it needs', () => {
    const { engine, run, result } = makeEngine();
    engine.add(0, { prompt: prompt(5), sampling: sampling({ maxTokens: 1, ignoreEos: true }) });
    run();
    expect(result(0)).toMatchObject({ finishReason: 'length', outputs: [{}] });
    expect(engine.stats()).toMatchObject({ steps: 2, generatedTokens: 1 });
  });

  test('output ends at maxModelLength, and a request may fill the whole pool', () => {
    const { engine, run, result, pool } = makeEngine({ numBlocks: 5, maxModelLength: 20 });
    engine.add(0, { prompt: prompt(19), sampling: sampling({ maxTokens: 50, ignoreEos: true }) });
    engine.add(1, { prompt: prompt(1), sampling: sampling({ maxTokens: 50, ignoreEos: true }) });
    run();
    expect(result(0)).toMatchObject({ finishReason: 'length', outputs: [{}] });
    expect(result(1).outputs).toHaveLength(19);
    expectNoLeak(pool);
  });

  test('a request that can never fit is refused when it is added', () => {
    const { engine } = makeEngine({ numBlocks: 5, maxModelLength: 20 });
    const add = (tokens: number[]) => () => engine.add(0, { prompt: tokens, sampling: sampling() });
    expect(add(prompt(20))).toThrow('The prompt has 20 tokens; prompt and output together may have 20, so the prompt at most 19');
    expect(add([])).toThrow('The prompt is empty');
    expect(add([1, 2, VOCAB])).toThrow(`prompt[2] is 50; token ids are integers from 0 to 49`);
    expect(add([1, 2.5])).toThrow('prompt[1] is 2.5');
    expect(engine.hasWork).toBe(false);
  });

  test('abort with a token in flight: the token is dropped, the blocks are freed once', () => {
    const { engine, run, result, pool } = makeEngine();
    engine.add(0, { prompt: prompt(5), sampling: sampling({ maxTokens: 50, ignoreEos: true }) });
    for (let i = 0; i < 4; i++) engine.step();
    expect(result(0).outputs).toHaveLength(3); // the fourth is in flight
    engine.abort(0);
    engine.abort(0);
    run();
    expect(result(0)).toMatchObject({ finishReason: 'abort' });
    expect(result(0).outputs).toHaveLength(3);
    expectNoLeak(pool);
  });

  test('abort before the first step, and of a request nobody knows', () => {
    const { engine, run, events } = makeEngine();
    engine.add(0, { prompt: prompt(5), sampling: sampling() });
    engine.abort(0);
    engine.abort(1);
    run();
    expect(events(0)).toEqual([{ id: 0, tokens: [], logprobs: [], legalMass: [], forced: [], numCachedTokens: 0, finishReason: 'abort', error: null }]);
  });
});

describe('constrained requests', () => {
  const only = (allowed: number[], forced: number[] = []): Matcher => {
    const said: number[] = [];
    return {
      error: null,
      fillMask(mask) {
        mask.fill(0);
        for (const v of allowed) mask[v >> 5] |= 1 << (v & 31);
      },
      accept(token) {
        const isForced = forced[said.length] === token;
        if (isForced || allowed.includes(token)) said.push(token);
        return isForced || allowed.includes(token);
      },
      rollback: (count) => void said.splice(said.length - count),
      forcedTokens: () => forced.slice(said.length),
      get isForced() {
        return said.length < forced.length;
      },
    };
  };

  test('only tokens of the mask are drawn, by the share of probability it leaves', () => {
    const { engine, run, result } = makeEngine();
    for (let id = 0; id < 5; id++) {
      const matcher = id === 4 ? null : only([10 + id, 40 + id]);
      engine.add(id, { prompt: prompt(4, id), sampling: sampling({ maxTokens: 9, ignoreEos: true }) }, matcher);
    }
    run();
    for (let id = 0; id < 4; id++) {
      expect(result(id).outputs.every(({ token }) => token === 10 + id || token === 40 + id)).toBe(true);
      expect(result(id).outputs.every(({ legalMass }) => legalMass === Math.fround(2 / VOCAB))).toBe(true);
    }
    expect(result(4).outputs.every(({ legalMass }) => legalMass === 1)).toBe(true);
  });

  test('forced tokens are reported with the next sampled one, unjudged, and computed in one go', () => {
    const { engine, run, events } = makeEngine();
    engine.add(0, { prompt: prompt(4), sampling: sampling({ maxTokens: 6, logprobs: null }) }, only([33], [20, 21, 22]));
    run();
    expect(events(0)[0]).toMatchObject({ tokens: [20, 21, 22, 33], forced: [true, true, true, false], logprobs: null });
    expect(events(0)[0].legalMass).toEqual([NaN, NaN, NaN, Math.fround(1 / VOCAB)]);
    expect(events(0).flatMap(({ tokens }) => tokens)).toEqual([20, 21, 22, 33, 33, 33]);
    expect(engine.stats()).toMatchObject({ steps: 4, generatedTokens: 6, forcedTokens: 3 });
  });

  test('where log-probabilities are wanted, forced tokens are the same and are judged', () => {
    const { engine, run, result } = makeEngine();
    engine.add(0, { prompt: prompt(4), sampling: sampling({ maxTokens: 6, logprobs: 2 }) }, only([33], [20, 21, 22]));
    run();
    const { outputs } = result(0);
    expect(outputs.map(({ token }) => token)).toEqual([20, 21, 22, 33, 33, 33]);
    expect(outputs.map(({ forced }) => forced)).toEqual([true, true, true, false, false, false]);
    expect(outputs.every(({ logprob, legalMass, top }) => logprob >= 0 && legalMass === Math.fround(1 / VOCAB) && top.length === 2)).toBe(true);
    expect(engine.stats()).toMatchObject({ generatedTokens: 6, forcedTokens: 3 });
  });

  test('abort while tokens are forced', () => {
    const { engine, run, result, pool } = makeEngine({ tokenBudget: 2 });
    for (const id of [0, 1]) engine.add(id, { prompt: prompt(4, id), sampling: sampling({ maxTokens: 20, logprobs: id === 0 ? null : 2 }) }, only([33], [20, 21, 22, 23, 24, 25]));
    for (let i = 0; i < 4; i++) engine.step();
    for (const id of [0, 1]) engine.abort(id);
    run();
    for (const id of [0, 1]) expect(result(id)).toMatchObject({ finishReason: 'abort' });
    expect(result(0).outputs.map(({ token }) => token)).toEqual([20, 21, 22, 23, 24, 25]);
    expectNoLeak(pool);
  });

  test('a grammar ends with an end of sequence, whatever ignoreEos says', () => {
    const { engine, run, result } = makeEngine();
    engine.add(0, { prompt: prompt(4), sampling: sampling({ maxTokens: 9, ignoreEos: true }) }, only([0]));
    run();
    expect(result(0)).toMatchObject({ finishReason: 'stop', outputs: [{ token: 0 }] });
  });

  test('forced tokens alone may end a request', () => {
    const { engine, run, result } = makeEngine();
    engine.add(0, { prompt: prompt(4), sampling: sampling({ maxTokens: 2 }) }, only([33], [20, 21, 22]));
    engine.add(1, { prompt: prompt(4), sampling: sampling({ maxTokens: 9 }) }, only([33], [20, 0, 22]));
    run();
    expect(result(0)).toMatchObject({ finishReason: 'length', outputs: [{ token: 20 }, { token: 21 }] });
    expect(result(1)).toMatchObject({ finishReason: 'stop', outputs: [{ token: 20 }, { token: 0 }] });
  });

  test('a matcher that does not take its own token ends the request with abort', () => {
    const { engine, run, result, events } = makeEngine();
    engine.add(0, { prompt: prompt(4), sampling: sampling({ maxTokens: 9 }) }, { ...only([33]), accept: () => false });
    run();
    expect(result(0)).toMatchObject({ finishReason: 'abort', outputs: [{ token: 33 }] });
    expect(events(0).at(-1)!.error).toBe('token 33 was drawn, which the grammar does not allow');
  });

  test.each(['fillMask', 'accept', 'forcedTokens'] as const)('a matcher that fails in %s ends the request with its reason', (place) => {
    const { engine, run, events, pool } = makeEngine();
    const failing = (): Matcher => {
      let error: Error | null = null;
      let calls = 0;
      const at = (where: string): boolean => {
        if (where === place && ++calls === 3) error = new Error('too many ways');
        return error === null;
      };
      return {
        get error() {
          return error;
        },
        fillMask(mask) {
          mask.fill(-2); // all but the end
          if (!at('fillMask')) mask.fill(0).fill(1, 0, 1); // nothing but the end
        },
        accept: () => at('accept'),
        rollback: () => {},
        isForced: false,
        forcedTokens() {
          at('forcedTokens');
          return [];
        },
      };
    };
    engine.add(0, { prompt: prompt(4), sampling: sampling({ maxTokens: 9 }) }, failing());
    run();
    expect(events(0).at(-1)).toMatchObject({ finishReason: 'abort', error: 'too many ways' });
    expectNoLeak(pool);
  });
});

test('statistics count tokens, hits and steps', () => {
  const { engine, run } = makeEngine();
  const request: GenerateRequest = { prompt: prompt(9), sampling: sampling({ maxTokens: 3, ignoreEos: true }) };
  engine.add(0, request);
  run();
  engine.add(1, request);
  engine.step();
  expect(engine.stats()).toMatchObject({ numRequestsRunning: 1, numRequestsWaiting: 0, cacheUsage: 3 / 64, numBlocks: 64, blockSize: 4 });
  run();
  expect(engine.stats()).toMatchObject({
    numRequestsRunning: 0,
    cacheUsage: 0,
    promptTokens: 18,
    cachedPromptTokens: 8,
    prefixCacheQueries: 18,
    prefixCacheHits: 8,
    generatedTokens: 6,
    preemptions: 0,
    steps: 8,
  });
});
