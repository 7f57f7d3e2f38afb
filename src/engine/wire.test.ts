import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeStep, encodeStep } from './wire.ts';

test('a step crosses unchanged', () => {
  const score = fc.oneof(fc.constant(NaN), fc.float());
  const top = fc.array(fc.tuple(fc.nat(200_000), fc.float()), { maxLength: 3 });
  const token = fc.record({ token: fc.nat(200_000), forced: fc.boolean(), legalMass: score, logprob: score, top });
  const output = fc
    .record({
      id: fc.nat(2 ** 31 - 1),
      tokens: fc.array(token, { maxLength: 4 }),
      hasLogprobs: fc.boolean(),
      numCachedTokens: fc.nat(100_000),
      finishReason: fc.constantFrom(null, 'stop' as const, 'length' as const, 'abort' as const),
      error: fc.option(fc.string({ unit: 'binary' })),
    })
    .map(({ tokens, hasLogprobs, ...rest }) => ({
      ...rest,
      tokens: tokens.map(({ token }) => token),
      legalMass: tokens.map(({ legalMass }) => legalMass),
      forced: tokens.map(({ forced }) => forced),
      logprobs: hasLogprobs ? tokens.map(({ logprob, top }) => ({ logprob, top })) : null,
    }));
  const count = fc.maxSafeNat();
  const stats = fc.record({
    numRequestsRunning: count,
    numRequestsWaiting: count,
    cacheUsage: fc.double({ min: 0, max: 1 }),
    numBlocks: count,
    blockSize: count,
    promptTokens: count,
    cachedPromptTokens: count,
    generatedTokens: count,
    forcedTokens: count,
    draftedTokens: count,
    acceptedDraftTokens: count,
    preemptions: count,
    steps: count,
    prefixCacheQueries: count,
    prefixCacheHits: count,
  });
  fc.assert(
    fc.property(stats, fc.array(output, { maxLength: 5 }), (stats, outputs) => {
      expect(decodeStep(encodeStep(stats, outputs))).toEqual({ stats, outputs });
    }),
  );
});
