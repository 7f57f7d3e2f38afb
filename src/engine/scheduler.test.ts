import { expect, test } from 'vitest';
import { BlockPool } from './kv-cache.ts';
import { Request } from './request.ts';
import { GREEDY } from './sampling.ts';
import { Scheduler, type SampleEntry, type SchedulerOptions, type StepPlan } from './scheduler.ts';

const NEVER_STOPS = { ...GREEDY, ignoreEos: true };

function makeScheduler(numBlocks: number, options: Partial<SchedulerOptions> = {}) {
  const pool = new BlockPool(numBlocks, 4);
  const scheduler = new Scheduler(pool, { maxBatchSize: 8, tokenBudget: 100, prefixCaching: true, ...options });
  let nextId = 0;
  const add = (prompt: number[], maxTokens = 100): Request => {
    const request = new Request(nextId++, { prompt, sampling: NEVER_STOPS }, { lengthLimit: prompt.length + maxTokens, cacheKey: '', eosTokenIds: [], forcing: true, drafts: null }, null);
    scheduler.add(request);
    return request;
  };
  return { pool, scheduler, add };
}

const tokens = (length: number, first = 1): number[] => Array.from({ length }, (_, i) => first * 1000 + i);
const shown = (plan: StepPlan): number[][] => plan.rows.map(({ request, start, count }) => [request.id, start, count]);
const sampled = (entries: readonly SampleEntry[]): number[][] => entries.map(({ request, index }) => [request.id, index]);

/** The token of a sampled row arrives. */
function arrive(request: Request, token = 7): void {
  request.numInFlight = 0;
  request.append({ token, forced: false, logprob: 0, legalMass: 1, top: [] });
}
/** Enqueues the step's sample: the tokens are in flight. */
function sample(scheduler: Scheduler, plan: StepPlan): SampleEntry[] {
  const entries = scheduler.settle(plan);
  for (const { request } of entries) request.numInFlight = 1;
  return entries;
}
/** A whole step without overlap. */
function step(scheduler: Scheduler): { plan: number[][]; sampled: number[][] } {
  const plan = scheduler.schedule();
  const entries = sample(scheduler, plan);
  const result = { plan: shown(plan), sampled: sampled(entries) };
  for (const { request } of entries) arrive(request);
  return result;
}

/** Full blocks of the request that others would find. */
function numMatched(pool: BlockPool, { tokens }: Request): number {
  const blocks = pool.match(tokens, tokens.length, '');
  pool.release(blocks);
  return blocks.length;
}

test('a prompt is cut to the budget, and sampled with its last piece only', () => {
  const { scheduler, add } = makeScheduler(20, { tokenBudget: 6 });
  add(tokens(14));
  expect(step(scheduler)).toEqual({ plan: [[0, 0, 6]], sampled: [] });
  expect(step(scheduler)).toEqual({ plan: [[0, 6, 6]], sampled: [] });
  expect(step(scheduler)).toEqual({ plan: [[0, 12, 2]], sampled: [[0, 1]] });
  expect(step(scheduler)).toEqual({ plan: [[0, 14, 1]], sampled: [[0, 0]] });
});

test('running requests come first, waiting ones get the rest of the budget', () => {
  const { scheduler, add } = makeScheduler(20, { tokenBudget: 6 });
  add(tokens(5));
  add(tokens(5, 2));
  expect(step(scheduler)).toEqual({ plan: [[0, 0, 5], [1, 0, 1]], sampled: [[0, 4]] });
  expect(step(scheduler)).toEqual({ plan: [[0, 5, 1], [1, 1, 4]], sampled: [[0, 0], [1, 4]] });
});

test('the next step is planned while a token is in flight', () => {
  const { scheduler, add } = makeScheduler(20);
  const request = add(tokens(5));
  sample(scheduler, scheduler.schedule());
  const next = scheduler.schedule();
  expect(shown(next)).toEqual([[0, 5, 1]]);
  arrive(request);
  expect(sampled(scheduler.settle(next))).toEqual([[0, 0]]);
});

test('a row whose request got more tokens meanwhile is not sampled: it has not caught up', () => {
  const { scheduler, add } = makeScheduler(20);
  const request = add(tokens(5));
  sample(scheduler, scheduler.schedule());
  const next = scheduler.schedule();
  arrive(request);
  arrive(request, 8); // forced
  expect(scheduler.settle(next)).toEqual([]);
  expect(step(scheduler)).toEqual({ plan: [[0, 6, 1]], sampled: [[0, 0]] });
});

test('a row whose request ended meanwhile is not sampled, and its blocks are freed once', () => {
  const { pool, scheduler, add } = makeScheduler(20);
  const request = add(tokens(5));
  sample(scheduler, scheduler.schedule());
  const next = scheduler.schedule();
  arrive(request);
  scheduler.finish(request);
  expect(scheduler.settle(next)).toEqual([]);
  expect(pool.count()).toMatchObject({ used: 0 });
});

test('the token that reaches the limit is never computed', () => {
  const { scheduler, add } = makeScheduler(20);
  const request = add(tokens(5), 2);
  step(scheduler);
  sample(scheduler, scheduler.schedule());
  expect(shown(scheduler.schedule())).toEqual([]); // its last token is in flight
  arrive(request);
  expect(request.finishReason).toBe('length');
  expect(request.numComputedTokens).toBe(6);
});

test('a full hit computes the last token again', () => {
  const { scheduler, add } = makeScheduler(20);
  const first = add(tokens(8));
  step(scheduler);
  scheduler.finish(first);
  const second = add(tokens(8));
  expect(step(scheduler)).toEqual({ plan: [[1, 4, 4]], sampled: [[1, 3]] });
  expect(second.numCachedTokens).toBe(4);
  const third = add(tokens(9));
  expect(step(scheduler).plan).toContainEqual([2, 8, 1]);
  expect(third.numCachedTokens).toBe(8);
});

test('a block is found only when it is full and its tokens are known', () => {
  const { pool, scheduler, add } = makeScheduler(20);
  const request = add(tokens(6));
  step(scheduler); // six computed, one more known
  expect(pool.match(tokens(8), 8, '')).toHaveLength(1);
  sample(scheduler, scheduler.schedule()); // seven computed, the eighth in flight
  const next = scheduler.schedule(); // will compute it
  const known = (): number[] => pool.match([...tokens(6), 7, 9], 8, '');
  expect(known()).toHaveLength(1);
  arrive(request, 9);
  scheduler.settle(next);
  expect(known()).toHaveLength(2);
});

test('without room the last of the running is preempted, to the front of the waiting', () => {
  const { scheduler, add } = makeScheduler(4);
  add(tokens(7));
  const last = add(tokens(7, 2));
  const waiting = add(tokens(7, 3));
  step(scheduler);
  step(scheduler); // both blocks of both are full
  expect(scheduler.running).toHaveLength(2);
  expect(step(scheduler)).toEqual({ plan: [[0, 8, 1]], sampled: [[0, 0]] });
  expect(scheduler.preemptions).toBe(1);
  expect(scheduler.waiting).toEqual([last, waiting]);
  expect(last).toMatchObject({ state: 'waiting', row: -1, numComputedTokens: 0, blocks: [] });
  expect(last.tokens).toHaveLength(9);
});

test('a preempted request keeps its token in flight and resumes from the prefix cache', () => {
  const { scheduler, add } = makeScheduler(6);
  const first = add(tokens(12));
  const last = add(tokens(11, 2));
  sample(scheduler, scheduler.schedule()); // three blocks each
  const plan = scheduler.schedule(); // the first takes a block for its 13th token
  expect(shown(plan)).toEqual([[0, 12, 1]]);
  expect(last).toMatchObject({ state: 'waiting', numInFlight: 1 });
  arrive(first);
  arrive(last, 9);
  scheduler.settle(plan);
  scheduler.finish(first);
  // Its third block is not full, so it had to go; of the others the first took one, the tail.
  expect(step(scheduler).plan).toEqual([[1, 8, 4]]);
  expect(last.tokens).toEqual([...tokens(11, 2), 9, 7]);
  expect(last.numCachedTokens).toBe(0); // known from its first admission
});

test('a preempted request whose blocks were evicted is found again after it was computed again', () => {
  const { pool, scheduler, add } = makeScheduler(4);
  const first = add(tokens(7));
  const last = add(tokens(7, 2));
  while (first.tokens.length < 16) step(scheduler);
  expect(last.state).toBe('waiting');
  expect(numMatched(pool, last)).toBe(0);
  scheduler.finish(first);
  step(scheduler);
  expect(numMatched(pool, last)).toBe(2);
});

test('who is last preempts itself rather than others', () => {
  const { scheduler, add } = makeScheduler(5);
  add(tokens(8));
  const last = add(tokens(7, 2));
  step(scheduler); // four blocks
  step(scheduler); // the first takes the fifth
  expect(step(scheduler).plan).toEqual([[0, 9, 1]]);
  expect(last.state).toBe('waiting');
});

test('a waiting request is admitted only with room for all its tokens', () => {
  const { scheduler, add } = makeScheduler(5, { tokenBudget: 8 });
  add(tokens(8));
  add(tokens(16, 2));
  expect(step(scheduler).plan).toEqual([[0, 0, 8]]);
  expect(step(scheduler).plan).toEqual([[0, 8, 1]]);
  expect(scheduler.waiting).toHaveLength(1);
});

test('rows are given out once and come back', () => {
  const { scheduler, add } = makeScheduler(20, { maxBatchSize: 2 });
  const requests = [add(tokens(3)), add(tokens(3, 2)), add(tokens(3, 3))];
  step(scheduler);
  expect(requests.map(({ row }) => row)).toEqual([0, 1, -1]);
  scheduler.finish(requests[0]);
  step(scheduler);
  expect(requests.map(({ row }) => row)).toEqual([-1, 1, 0]);
});

test('a waiting request can be taken out', () => {
  const { scheduler, add } = makeScheduler(2);
  const [first, second] = [add(tokens(5)), add(tokens(5, 2))];
  step(scheduler);
  scheduler.finish(second);
  expect(scheduler.waiting).toEqual([]);
  scheduler.finish(first);
  expect(scheduler.running).toEqual([]);
});

test('the system prompt outlives the tails that were used after it', () => {
  const { scheduler, add } = makeScheduler(8);
  const system = tokens(8);
  for (let user = 2; user < 8; user++) {
    const request = add([...system, ...tokens(9, user)]);
    step(scheduler);
    scheduler.finish(request);
    if (user > 2) expect(request.numCachedTokens).toBe(8);
  }
});
