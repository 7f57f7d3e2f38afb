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
import { Engine, type EngineOutput, type EngineShape } from './engine.ts';
import type { Matcher } from './request.ts';
import { ModelRunner } from './runner.ts';
import { GREEDY, type SamplingParams } from './sampling.ts';

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
    eosTokenIds: [0],
    ropeClass,
    ...options,
  };
  const { numBlocks, blockSize, tokenBudget, maxBatchSize } = shape;
  const model = fakeModel({ vocabSize: VOCAB, numBlocks, blockSize, maxStepTokens: tokenBudget, maxStepEntries: maxBatchSize });
  const said = new Map<number, EngineOutput[]>();
  const emit = (outputs: readonly EngineOutput[]): void => {
    for (const output of outputs) said.set(output.id, [...(said.get(output.id) ?? []), output]);
  };
  const engine = new Engine(new ModelRunner(model, shape), shape, emit);
  return {
    engine,
    shape,
    pool: engine['scheduler'].pool,
    result: (id: number) => joinOutputs(said.get(id) ?? []),
    events: (id: number) => said.get(id) ?? [],
    run(): void {
      while (engine.hasWork) engine.step();
    },
  };
}

const sampling = (params: Partial<SamplingParams> = {}): SamplingParams => ({ ...GREEDY, logprobs: 2, ...params });
const prompt = (length: number, from = 1): number[] => Array.from({ length }, (_, i) => 1 + ((from * 7 + i * 13) % (VOCAB - 1)));
const noEos = { ignoreEos: true };

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
      logitBias: Array.from({ length: random(3) }, () => [random(VOCAB), random(8) - 4] as const),
      stopTokenIds: random(3) === 0 ? [random(VOCAB), random(VOCAB)] : [],
      ignoreEos: random(2) === 0,
      maxTokens: 1 + random(random(3) === 0 ? 60 : 12),
      logprobs: random(4),
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

  test.each(shapes)('$name', ({ name, requests, ...options }) => {
    const random = randomSource(name.length * 1000 + requests);
    const { engine, shape, pool, result } = makeEngine(options);
    const added: { request: GenerateRequest; matcherStart: number | null; isAborted: boolean }[] = [];
    const matcher = (start: number | null): Matcher | null => (start === null ? null : new RollingMatcher(VOCAB, start));
    while (added.length < requests || engine.hasWork) {
      expect(engine.stats().steps).toBeLessThan(100_000);
      for (let i = random(4); i > 0 && added.length < requests && engine.stats().numRequestsWaiting < 20; i--) {
        const request = randomRequest(random, shape.maxModelLength);
        const matcherStart = random(4) === 0 ? random(1000) : null;
        engine.add(added.length, request, matcher(matcherStart));
        added.push({ request, matcherStart, isAborted: false });
      }
      if (random(6) === 0 && added.length > 0) {
        const id = added.length - 1 - random(Math.min(added.length, 20));
        if (result(id).finishReason === null) added[id].isAborted = true;
        engine.abort(id);
      }
      engine.step();
    }
    for (const [id, { request, matcherStart, isAborted }] of added.entries()) {
      const seen = result(id);
      if (!isAborted) expect(seen.finishReason).not.toBe('abort');
      expectSame(seen, generateAlone(request, shape, matcher(matcherStart)));
    }
    expectNoLeak(pool);
    const stats = engine.stats();
    expect(stats).toMatchObject({ numRequestsRunning: 0, numRequestsWaiting: 0, cacheUsage: 0 });
    if (shape.prefixCaching) expect(stats.prefixCacheHits).toBeGreaterThan(0);
    if (name.startsWith('cramped')) expect(stats.preemptions).toBeGreaterThan(20);
  });
});
