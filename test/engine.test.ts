/** The engine over real checkpoints: what transformers generated, and the three invariances bit by bit. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findLibrary } from '../src/backend/native.ts';
import { ENGINE_DEFAULTS, type EngineOptions, type GenerateRequest } from '../src/engine/client.ts';
import { engineOver, stepLimits, type EngineOutput } from '../src/engine/engine.ts';
import { GREEDY, type SamplingParams } from '../src/engine/sampling.ts';
import { readReferenceLogits } from '../src/evaluate/logits.ts';
import { loadModel } from '../src/model/load.ts';
import type { RopePrecision } from '../src/model/rope.ts';
import { quantize } from '../src/quantize/quantize.ts';
import { joinOutputs, type Generated } from './support/fake-device.ts';

const FIXTURES = 'test/fixtures/hf';
const isMissing = (backend: string): boolean => backend === 'cpu' && findLibrary('cpu') === null;

interface Run extends Partial<EngineOptions> {
  /** Requests are added in waves: a wave starts when the one before has ended. */
  readonly waves: readonly (readonly GenerateRequest[])[];
}

async function generate(directory: string, { waves, ...options }: Run): Promise<{ results: Generated[]; cached: number; preemptions: number; drafted: number; accepted: number }> {
  const settings = { ...ENGINE_DEFAULTS, maxBatchSize: 8, tokenBudget: 64, cacheTokens: 1024, blockSize: 8, ...options };
  const model = await loadModel(directory, { ...settings, ...stepLimits(settings) });
  try {
    const said: EngineOutput[][] = [];
    const engine = engineOver(model, settings, (outputs) => outputs.forEach((output) => (said[output.id] ??= []).push(output)));
    let nextId = 0;
    for (const wave of waves) {
      for (const request of wave) engine.add(nextId++, request);
      while (engine.hasWork) engine.step();
    }
    const { cacheUsage, cachedPromptTokens: cached, preemptions, draftedTokens: drafted, acceptedDraftTokens: accepted } = engine.stats();
    expect(cacheUsage).toBe(0);
    return { results: said.map(joinOutputs), cached, preemptions, drafted, accepted };
  } finally {
    model.close();
  }
}

describe.each(readdirSync(FIXTURES))('%s', (name) => {
  test.for(['reference', 'cpu'] as const)('generates the greedy text of transformers: %s', async (backend, { skip }) => {
    skip(isMissing(backend), 'the kernels are not built');
    const { inputIds, promptLength, greedyIds } = readReferenceLogits(`${FIXTURES}/${name}/reference.safetensors`);
    const sampling = { ...GREEDY, ignoreEos: true, maxTokens: greedyIds.length };
    const waves = [[{ prompt: inputIds.subarray(0, promptLength), sampling }]];
    const generateWith = async (ropePrecision: RopePrecision): Promise<number[]> => {
      const { results } = await generate(`${FIXTURES}/${name}`, { backend, waves, ropePrecision, tokenBudget: 16 });
      return results[0].outputs.map(({ token }) => token);
    };
    const wanted = Array.from(greedyIds);
    const text = await generateWith('f32');
    // Some references were recorded with rope's frequencies rounded to bf16.
    expect(isDeepStrictEqual(text, wanted) ? text : await generateWith('bf16')).toEqual(wanted);
  });
});

const CASES = [
  { backend: 'reference', precision: 'full' },
  { backend: 'reference', precision: 'w4a8kv4' },
  { backend: 'cpu', precision: 'full' },
  { backend: 'cpu', precision: 'w4a8kv4' },
] as const;

describe.each(CASES.filter(({ backend }) => !isMissing(backend)))('invariances, $backend $precision', ({ backend, precision }) => {
  const run = (options: Run): ReturnType<typeof generate> => generate(directory, { backend, ...options });
  let directory = `${FIXTURES}/llama3`;
  let temporary: string | null = null;
  let alone: Generated[] = [];

  const sampling = (params: Partial<SamplingParams>): SamplingParams => ({ ...GREEDY, ignoreEos: true, maxTokens: 8, logprobs: 5, ...params });
  const system = Array.from({ length: 19 }, (_, i) => 3 + ((i * 37) % 500));
  const requests = Array.from({ length: 5 }, (_, i): GenerateRequest => {
    const drawn = i % 2 === 0 ? {} : { temperature: 0.9, topP: 0.9, minP: 0.01, topK: 50, seed: 7 + i, repetitionPenalty: 1.1, frequencyPenalty: 0.2 };
    const own = Array.from({ length: 1 + 5 * i }, (_, k) => 3 + ((i * 91 + k * 17) % 500));
    return { prompt: [...system, ...own], sampling: sampling({ ...drawn, logitBias: i === 3 ? [[5, 2]] : [] }) };
  });

  beforeAll(async () => {
    if (precision !== 'full') {
      temporary = mkdtempSync(join(tmpdir(), 'tetrad-'));
      await quantize(directory, join(temporary, 'quantized'));
      directory = join(temporary, 'quantized');
    }
    alone = (await run({ waves: requests.map((request) => [request]), prefixCaching: false })).results;
  });
  afterAll(() => {
    if (temporary !== null) rmSync(temporary, { recursive: true });
  });

  test('requests are complete', () => {
    expect(alone.map(({ outputs }) => outputs.length)).toEqual(requests.map(() => 8));
    expect(alone.map(({ finishReason }) => finishReason)).toEqual(requests.map(() => 'length'));
  });

  test.each([1, 7])('chunk: a budget of %d tokens', async (tokenBudget) => {
    const { results } = await run({ waves: requests.map((request) => [request]), prefixCaching: false, tokenBudget });
    expect(results).toEqual(alone);
  });

  test('prefix: hit or miss', async () => {
    const { results, cached } = await run({ waves: [...requests.map((request) => [request]), requests] });
    expect(cached).toBeGreaterThan(4 * 16 + 5 * 16);
    expect(results).toEqual([...alone, ...alone]);
  });

  test('drafts: with and without', async () => {
    const few = [5, 9, 300].map((token) => [token, 30] as const); // so that what was said is said again
    const long = requests.map(({ prompt, sampling }) => ({ prompt, sampling: { ...sampling, logitBias: few, maxTokens: 40 } }));
    const plain = await run({ waves: [long], drafts: false });
    expect(plain.drafted).toBe(0);
    const drafted = await run({ waves: [long] });
    expect(drafted.results).toEqual(plain.results);
    expect(drafted.accepted).toBeGreaterThan(10);
    const cramped = await run({ waves: [long], cacheTokens: 120 });
    expect(cramped.preemptions).toBeGreaterThan(0);
    expect(cramped.results).toEqual(plain.results);
  });

  test('batch: alone or among others, and preempted', async () => {
    expect((await run({ waves: [requests], tokenBudget: 200 })).results).toEqual(alone);
    const cramped = await run({ waves: [requests], cacheTokens: 80 });
    expect(cramped.preemptions).toBeGreaterThan(0);
    expect(cramped.results).toEqual(alone);
  });
});
