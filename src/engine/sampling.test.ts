import { describe, expect, test } from 'vitest';
import { SAMPLE_ENTRY, SAMPLE_PARAMS, SAMPLE_RESULT } from '../backend/backend.ts';
import { Batch } from './batch.ts';
import { Request } from './request.ts';
import { RequestError } from './request-error.ts';
import { checkSampling, decodeResult, GREEDY, MAX_LOGIT_BIAS, type SamplingParams } from './sampling.ts';

describe('checkSampling', () => {
  test.each<Partial<SamplingParams>>([
    {},
    { temperature: 2, topK: 40, topP: 0.1, minP: 1, repetitionPenalty: 1.2, presencePenalty: -2, frequencyPenalty: 2 },
    { seed: Number.MAX_SAFE_INTEGER, logprobs: 20, maxTokens: 1, stopTokenIds: [0, 99], logitBias: [[99, -100]] },
    { seed: -1, logprobs: 0 },
  ])('allows %o', (params) => {
    expect(() => checkSampling({ ...GREEDY, ...params }, 100)).not.toThrow();
  });

  test.each<[Partial<SamplingParams>, string]>([
    [{ temperature: -0.1 }, 'temperature is -0.1; allowed is a number from 0 on'],
    [{ temperature: NaN }, 'temperature is NaN'],
    [{ temperature: Infinity }, 'temperature is Infinity'],
    [{ topK: 1.5 }, 'topK is 1.5; allowed is an integer from 0 (off) on'],
    [{ topK: -1 }, 'topK is -1'],
    [{ topP: 0 }, 'topP is 0; allowed is a number above 0 and up to 1 (off)'],
    [{ topP: 1.01 }, 'topP is 1.01'],
    [{ minP: -1 }, 'minP is -1; allowed is a number from 0 (off) to 1'],
    [{ minP: NaN }, 'minP is NaN'],
    [{ repetitionPenalty: 0 }, 'repetitionPenalty is 0; allowed is a number above 0 (1: off)'],
    [{ presencePenalty: NaN }, 'presencePenalty is NaN'],
    [{ frequencyPenalty: -Infinity }, 'frequencyPenalty is -Infinity'],
    [{ logitBias: [[100, 1]] }, 'logitBias is for token 100; allowed is a token id from 0 to 99'],
    [{ logitBias: [[1, NaN]] }, 'logitBias is NaN for token 1; allowed is a finite number'],
    [{ logitBias: Array.from({ length: MAX_LOGIT_BIAS + 1 }, () => [1, 1] as const) }, 'logitBias is 1025 pairs; allowed is at most 1024 pairs'],
    [{ seed: 0.5 }, 'seed is 0.5; allowed is an integer of up to 53 bits'],
    [{ seed: 2 ** 53 }, 'seed is 9007199254740992'],
    [{ stopTokenIds: [5, -1] }, 'stopTokenIds is -1; allowed is a token id from 0 to 99'],
    [{ maxTokens: 0 }, 'maxTokens is 0; allowed is an integer from 1 on'],
    [{ maxTokens: 1.5 }, 'maxTokens is 1.5'],
    [{ logprobs: 21 }, 'logprobs is 21; allowed is null or an integer from 0 to 20'],
    [{ logprobs: -1 }, 'logprobs is -1'],
  ])('refuses %o', (params, message) => {
    let error: unknown;
    try {
      checkSampling({ ...GREEDY, ...params }, 100);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(RequestError);
    expect((error as RequestError).message).toContain(message);
    expect((error as RequestError).parameter).toBe(Object.keys(params)[0]);
  });
});

describe('the arrays of a step', () => {
  const batch = new Batch({ maxStepTokens: 16, maxStepEntries: 4, vocabSize: 40 });
  const makeRequest = (row: number, params: Partial<SamplingParams>): Request => {
    const request = new Request(row, { prompt: [1, 2, 3, 4, 5], sampling: { ...GREEDY, ...params } }, { lengthLimit: 12, cacheKey: '', eosTokenIds: [], forcing: true, drafts: null }, null);
    request.row = row;
    request.numComputedTokens = 5;
    return request;
  };

  test('tokens are named by row and position', () => {
    const [a, b] = [makeRequest(2, {}), makeRequest(0, {})];
    const rows = [
      { request: a, start: 4, count: 1 },
      { request: b, start: 0, count: 3 },
    ];
    batch.setTokens({ rows, numTokens: 4 }, (position, length) => 100 * length + position);
    expect([batch.row, batch.position, batch.ropeRow].map((array) => Array.from(array.subarray(0, 4)))).toEqual([
      [2, 0, 0, 0],
      [4, 0, 1, 2],
      [1204, 1200, 1201, 1202],
    ]);
  });

  test('an entry has its parameters by column', () => {
    const seed = 3 * 2 ** 32 + 0xffff_fff0;
    const biased = makeRequest(3, { logitBias: [[7, 1.5], [8, -2]] });
    const drawn = makeRequest(1, { seed, logprobs: 4, logitBias: [[9, 3]], temperature: 0.5, topK: 3, topP: 0.25, minP: 0.125, frequencyPenalty: 2 });
    for (const _ of ['a step', 'the next']) batch.setEntries([{ request: biased, position: 4, index: 4 }, { request: drawn, position: 4, index: 9 }]);
    const width = SAMPLE_ENTRY.length;
    const entry = Object.fromEntries(SAMPLE_ENTRY.map((name, i) => [name, batch.entries[width + i]]));
    expect(Array.from(batch.gather.subarray(0, 2))).toEqual([4, 9]);
    expect(entry).toEqual({
      row: 1,
      position: 4,
      promptLength: 5,
      seedLow: 0xffff_fff0 | 0,
      seedHigh: 3,
      mask: -1,
      biasStart: 2,
      biasCount: 1,
      topLogprobs: 4,
    });
    expect(Array.from(batch.params.subarray(SAMPLE_PARAMS.length, 2 * SAMPLE_PARAMS.length))).toEqual([0.5, 3, 0.25, 0.125, 1, 0, 2]);
    expect(Array.from(batch.biasIds.subarray(0, batch.numBiases))).toEqual([7, 8, 9]);
    expect(Array.from(batch.biasValues.subarray(0, batch.numBiases))).toEqual([1.5, -2, 3]);
  });

  test('a result gives token, scores and as many alternatives as were asked for', () => {
    const result = new Float32Array(2 * SAMPLE_RESULT).fill(-1);
    result.set([17, -0.5, 0.25, 17, -0.5, 3, -1.5], SAMPLE_RESULT);
    expect(decodeResult(result, 1, 5)).toEqual({ token: 17, forced: false, logprob: -0.5, legalMass: 0.25, top: [[17, -0.5], [3, -1.5]] });
    expect(decodeResult(result, 1, 1).top).toEqual([[17, -0.5]]);
    expect(decodeResult(result, 1, 0).top).toEqual([]);
  });
});
