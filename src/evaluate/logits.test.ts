import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { evaluateLogits, readReferenceLogits } from './logits.ts';

const FIXTURES = 'test/fixtures/hf';

test.each(readdirSync(FIXTURES))('%s in full precision gives the logits and the greedy text of transformers', async (name) => {
  const reference = readReferenceLogits(`${FIXTURES}/${name}/reference.safetensors`);
  const { relativeError, greedyEqual } = await evaluateLogits(`${FIXTURES}/${name}`, reference, { backend: 'reference' });
  expect(relativeError).toBeLessThan(1e-3);
  expect(greedyEqual).toBe(true);
});
