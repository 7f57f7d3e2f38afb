import { expect, test } from 'vitest';
import { fakeModel, ropeClass } from '../../test/support/fake-device.ts';
import { Engine, stepLimits } from './engine.ts';
import { ModelRunner } from './runner.ts';
import { GREEDY } from './sampling.ts';

test('the tables get what they lack: a prompt once, a block when it is added, a sampled token never', () => {
  const shape = {
    vocabSize: 50,
    numBlocks: 16,
    blockSize: 4,
    maxBatchSize: 2,
    tokenBudget: 13,
    maxModelLength: 32,
    prefixCaching: true,
    drafts: false,
    forcing: true,
    spelling: null,
    eosTokenIds: [],
    ropeClass,
  };
  const model = fakeModel({ ...shape, ...stepLimits(shape) });
  const { write } = model.backend;
  const written = new Map<number, [number, number][]>();
  model.backend.write = (target, source, offset = 0) => {
    written.set(target.length, [...(written.get(target.length) ?? []), [offset, source.length]]);
    write(target, source, offset);
  };
  const engine = new Engine(new ModelRunner(model, shape), shape, () => {});
  for (const id of [0, 1]) engine.add(id, { prompt: [1, 2, 3, 4, 5, 6 + id], sampling: { ...GREEDY, maxTokens: 8 } });
  while (engine.hasWork) engine.step();
  const [tokens, blockTables] = [2 * 32, 2 * 8].map((length) => written.get(length));
  expect(tokens).toEqual([[0, 6], [32, 6]]);
  expect(blockTables).toEqual([[0, 2], [8, 2], [2, 1], [10, 1], [3, 1], [11, 1]]);
});
