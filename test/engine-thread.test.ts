/** The engine in its own thread, as the main thread sees it. Runs the compiled worker: `npm test` compiles first. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RequestError, startEngine, type EngineClient, type GenerateRequest, type TokensEvent } from '../src/engine/client.ts';
import { GREEDY, type SamplingParams } from '../src/engine/sampling.ts';
import { readReferenceLogits } from '../src/evaluate/logits.ts';

const DIRECTORY = 'test/fixtures/hf/llama3';
const OPTIONS = { backend: 'reference', cacheTokens: 512, blockSize: 8, maxBatchSize: 4, tokenBudget: 32 } as const;

const request = (params: Partial<SamplingParams> = {}, prompt: number[] = [5, 6, 7]): GenerateRequest => {
  return { prompt, sampling: { ...GREEDY, ignoreEos: true, ...params } };
};
async function collect(events: AsyncIterable<TokensEvent>): Promise<TokensEvent[]> {
  const all: TokensEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}
const tokensOf = (events: readonly TokensEvent[]): number[] => events.flatMap(({ tokens }) => tokens);
/** Until the worker has told of a state; it tells with every step. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe('a running engine', () => {
  let engine: EngineClient;
  const progress: number[] = [];
  beforeAll(async () => {
    engine = await startEngine(DIRECTORY, OPTIONS, (fraction) => progress.push(fraction));
  });
  afterAll(() => engine.close());

  test('says what it is', () => {
    expect(engine.description).toMatchObject({ vocabSize: 512, maxModelLength: 256, backend: 'reference', numBlocks: 64, blockSize: 8, eosTokenIds: [2] });
    expect(engine.description.weightBytes).toBeGreaterThan(0);
    expect(engine.stats()).toMatchObject({ steps: 0, numBlocks: 64 });
    expect(progress.length).toBeGreaterThan(1);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  });

  test('generates the greedy text of transformers, several requests at once', async () => {
    const { inputIds, promptLength, greedyIds } = readReferenceLogits(`${DIRECTORY}/reference.safetensors`);
    const prompt = Array.from(inputIds.subarray(0, promptLength));
    const all = await Promise.all(Array.from({ length: 6 }, () => collect(engine.generate(request({ maxTokens: greedyIds.length }, prompt)))));
    for (const events of all) {
      expect(tokensOf(events)).toEqual(Array.from(greedyIds));
      expect(events.map(({ finishReason }) => finishReason).filter(Boolean)).toEqual(['length']);
    }
    expect(engine.stats()).toMatchObject({ numRequestsRunning: 0, cacheUsage: 0, generatedTokens: 6 * greedyIds.length });
  });

  test('log-probabilities and masses cross', async () => {
    const [event] = await collect(engine.generate(request({ maxTokens: 1, logprobs: 3 })));
    expect(event.legalMass).toEqual([1]);
    expect(event.logprobs).toHaveLength(1);
    expect(event.logprobs![0].top).toHaveLength(3);
    expect(event.logprobs![0].top[0]).toEqual([event.tokens[0], event.logprobs![0].logprob]);
  });

  test('one signal ends any number of requests', async () => {
    const warnings: string[] = [];
    const warn = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', warn);
    const controller = new AbortController();
    const all = Array.from({ length: 20 }, () => collect(engine.generate(request({ maxTokens: 200 }), controller.signal)));
    controller.abort();
    for (const events of await Promise.all(all)) expect(events.at(-1)?.finishReason).toBe('abort');
    process.off('warning', warn);
    expect(warnings).toEqual([]);
  });

  test('bad requests are refused at once', () => {
    expect(() => engine.generate(request({ temperature: -1 }))).toThrow(RequestError);
    expect(() => engine.generate(request({}, Array.from({ length: 256 }, () => 1)))).toThrow('the prompt at most 255');
  });

  test('a signal aborts: the last event says so', async () => {
    const controller = new AbortController();
    const events: TokensEvent[] = [];
    for await (const event of engine.generate(request({ maxTokens: 200 }), controller.signal)) {
      events.push(event);
      if (events.length === 3) controller.abort();
    }
    expect(events[events.length - 1].finishReason).toBe('abort');
    expect(tokensOf(events).length).toBeLessThan(200);
    expect(engine.stats()).toMatchObject({ numRequestsRunning: 0, cacheUsage: 0 });
  });

  test('a signal that was aborted before', async () => {
    const events = await collect(engine.generate(request({ maxTokens: 200 }), AbortSignal.abort()));
    expect(events[events.length - 1].finishReason).toBe('abort');
    expect(tokensOf(events).length).toBeLessThan(200);
  });

  test('leaving the iteration aborts and frees the blocks', async () => {
    const before = engine.stats().generatedTokens;
    for await (const event of engine.generate(request({ maxTokens: 200 }))) {
      expect(event.tokens).toHaveLength(1);
      break;
    }
    await until(() => engine.stats().numRequestsRunning === 0);
    expect(engine.stats().cacheUsage).toBe(0);
    expect(engine.stats().generatedTokens - before).toBeLessThan(200);
  });

  test('an iteration that is never started can be left too', async () => {
    await engine.generate(request({ maxTokens: 200 }))[Symbol.asyncIterator]().return!();
    await collect(engine.generate(request({ maxTokens: 1 })));
    await until(() => engine.stats().numRequestsRunning === 0);
  });

  test('events wait for a slow reader', async () => {
    const events = engine.generate(request({ maxTokens: 5 }));
    await until(() => engine.stats().numRequestsRunning === 1);
    await until(() => engine.stats().numRequestsRunning === 0);
    expect(tokensOf(await collect(events))).toHaveLength(5);
  });
});

describe('an engine that ends', () => {
  test('closing aborts what runs, more than once if asked, and nothing is served after', async () => {
    const engine = await startEngine(DIRECTORY, OPTIONS);
    const running = collect(engine.generate(request({ maxTokens: 250 })));
    await until(() => engine.stats().numRequestsRunning === 1);
    await Promise.all([engine.close(), engine.close()]);
    await engine.close();
    expect((await running).at(-1)).toMatchObject({ finishReason: 'abort' });
    expect(() => engine.generate(request())).toThrow('The engine is closed');
  });

  test('when the thread fails, everything outstanding is rejected with the reason', async () => {
    const engine = await startEngine(DIRECTORY, OPTIONS);
    const outstanding = [1, 2, 3].map(() => collect(engine.generate(request({ maxTokens: 250 }))));
    // The worker trusts what it gets: a message it can't read is an error there.
    (engine as unknown as { worker: { postMessage(message: unknown): void } }).worker.postMessage({ type: 'add', id: 99, request: {} });
    for (const result of await Promise.allSettled(outstanding)) {
      expect(result.status).toBe('rejected');
      expect(String((result as PromiseRejectedResult).reason)).toContain('The engine failed: ');
    }
    expect(() => engine.generate(request())).toThrow('The engine failed: ');
    await engine.close();
  });

  test('when the thread is gone, everything outstanding is rejected', async () => {
    const engine = await startEngine(DIRECTORY, OPTIONS);
    const outstanding = collect(engine.generate(request({ maxTokens: 250 })));
    const terminated = (engine as unknown as { worker: { terminate(): Promise<number> } }).worker.terminate();
    await expect(outstanding).rejects.toThrow("The engine's thread ended with code 1");
    await terminated;
    await engine.close();
  });

  test('what cannot be loaded is rejected with the reason', async () => {
    await expect(startEngine('test/fixtures/hf/nothing-here', OPTIONS)).rejects.toThrow('nothing-here');
    await expect(startEngine(DIRECTORY, { ...OPTIONS, maxModelLength: 1000 })).rejects.toThrow('maxModelLength is 1000; a checkpoint of 256 positions and a cache of 512 tokens allow 2 to 256');
    await expect(startEngine(DIRECTORY, { ...OPTIONS, tokenBudget: 0 })).rejects.toThrow('tokenBudget is 0');
  });

  test('an idle engine does not keep the process alive', () => {
    const script = `
      const { startEngine } = await import('./dist/src/engine/client.js');
      const engine = await startEngine('${DIRECTORY}', { backend: 'reference', cacheTokens: 64 });
      const sampling = ${JSON.stringify(request().sampling)};
      for await (const event of engine.generate({ prompt: [5, 6], sampling })) if (event.finishReason) console.log(event.finishReason);`;
    expect(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })).toBe('length\n');
  });
});
