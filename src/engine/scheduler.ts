import { ROOT, type BlockPool } from './kv-cache.ts';
import type { Request } from './request.ts';

/** The next `count` tokens of a request, from `start` on. */
export interface PlanRow {
  readonly request: Request;
  readonly start: number;
  readonly count: number;
}

/** What one forward pass computes. */
export interface StepPlan {
  readonly rows: readonly PlanRow[];
  readonly numTokens: number;
}

/** A row of the last forward whose next token is to be drawn. */
export interface SampleEntry {
  readonly request: Request;
  /** Its last token's place among the tokens of the step. */
  readonly index: number;
}

export interface SchedulerOptions {
  /** Requests that run at once. */
  readonly maxBatchSize: number;
  /** Tokens computed in one step. */
  readonly tokenBudget: number;
  readonly prefixCaching: boolean;
}

/**
 * Decides what each step computes, under one token budget: running requests first, in order, then waiting ones.
 * A request that finds no block preempts the last of those that run; that one is computed again later, mostly from the
 * prefix cache. The first running request is never preempted by others, so there is always progress.
 *
 * Plans are made while the step before is in flight. What a step does to blocks is ordered on the device, so a block
 * may be freed and given away while an earlier step still writes to it.
 */
export class Scheduler {
  readonly pool: BlockPool;
  readonly #options: SchedulerOptions;
  readonly #freeRows: number[];
  readonly waiting: Request[] = [];
  readonly running: Request[] = [];

  promptTokens = 0;
  cachedPromptTokens = 0;
  preemptions = 0;
  prefixCacheQueries = 0;
  prefixCacheHits = 0;

  constructor(pool: BlockPool, options: SchedulerOptions) {
    this.pool = pool;
    this.#options = options;
    this.#freeRows = Array.from({ length: options.maxBatchSize }, (_, i) => options.maxBatchSize - 1 - i);
  }

  add(request: Request): void {
    this.waiting.push(request);
  }

  /** Plans the next step. `numComputedTokens` advances at once, so that the step after can be planned too. */
  schedule(): StepPlan {
    const rows: PlanRow[] = [];
    let budget = this.#options.tokenBudget;
    for (let i = 0; i < this.running.length; i++) budget -= this.#plan(this.running[i], budget, rows);
    // Who was preempted just now heads the queue and can't fit: less is left than it gave. So nobody is admitted in this
    // step, and its token in flight is read before it is.
    while (budget > 0 && this.waiting.length > 0 && this.#admit(this.waiting[0])) {
      budget -= this.#plan(this.running[this.running.length - 1], budget, rows);
    }
    return { rows, numTokens: this.#options.tokenBudget - budget };
  }

  /**
   * To be called when the plan's forward is enqueued and every earlier token has been read. Full blocks whose tokens are
   * known can now be found by others. Returns the rows to sample, which could not be told before: those that still run and
   * have nothing left to compute.
   */
  settle(plan: StepPlan): SampleEntry[] {
    const entries: SampleEntry[] = [];
    let end = 0;
    for (const { request, count } of plan.rows) {
      end += count;
      if (request.state !== 'running') continue;
      this.#publish(request);
      if (request.numComputedTokens === request.numTokens) entries.push({ request, index: end - 1 });
    }
    return entries;
  }

  /** Takes a request out, wherever it is. Its tokens that are still in flight are the caller's to drop. */
  finish(request: Request): void {
    if (request.state === 'running') {
      this.#publish(request);
      this.running.splice(this.running.indexOf(request), 1);
      this.#vacate(request);
    } else {
      this.waiting.splice(this.waiting.indexOf(request), 1);
    }
    request.state = 'finished';
  }

  /** Plans what the budget allows of a running request's tokens and returns their number. */
  #plan(request: Request, budget: number, rows: PlanRow[]): number {
    const start = request.numComputedTokens;
    const count = Math.min(request.numUncomputedTokens, budget);
    if (count === 0 || !this.#makeRoom(request, start + count)) return 0;
    request.numComputedTokens += count;
    rows.push({ request, start, count });
    return count;
  }

  /** Blocks for the first `numTokens` tokens, if need be those of the last in line: false where that is the request itself. */
  #makeRoom(request: Request, numTokens: number): boolean {
    const needed = this.pool.blocksFor(numTokens) - request.blocks.length;
    while (needed > this.pool.numAvailable) {
      const last = this.running[this.running.length - 1];
      this.#preempt(last);
      if (last === request) return false;
    }
    for (let i = 0; i < needed; i++) request.blocks.push(this.pool.allocate());
    return true;
  }

  #preempt(request: Request): void {
    this.running.pop();
    this.#vacate(request);
    request.state = 'waiting';
    request.numComputedTokens = 0;
    this.waiting.unshift(request);
    this.preemptions++;
  }

  /** Moves the first waiting request to the running ones, if there is a row and room for all its tokens now. */
  #admit(request: Request): boolean {
    if (this.#freeRows.length === 0) return false;
    // The last token is always computed: its logits are needed.
    const cached = this.#options.prefixCaching ? this.pool.match(request.tokens, request.numTokens - 1, request.cacheKey) : [];
    if (this.pool.blocksFor(request.numTokens) - cached.length > this.pool.numAvailable) {
      this.pool.release(cached);
      return false;
    }
    this.waiting.shift();
    this.running.push(request);
    request.state = 'running';
    request.row = this.#freeRows.pop()!;
    request.blocks.push(...cached);
    request.numComputedTokens = cached.length * this.pool.blockSize;
    request.numPublishedBlocks = cached.length;
    request.chain = cached.length > 0 ? this.pool.linkTo(cached[cached.length - 1]) : ROOT;
    this.#countAdmission(request);
    return true;
  }

  #countAdmission(request: Request): void {
    if (this.#options.prefixCaching) {
      this.prefixCacheQueries += request.numTokens;
      this.prefixCacheHits += request.numComputedTokens;
    }
    if (request.numCachedTokens !== null) return;
    request.numCachedTokens = Math.min(request.numComputedTokens, request.promptLength);
    this.promptTokens += request.promptLength;
    this.cachedPromptTokens += request.numCachedTokens;
  }

  /** Takes row and blocks from a request. */
  #vacate(request: Request): void {
    this.pool.release(request.blocks);
    request.blocks.length = 0;
    request.numSentTokens = 0;
    request.numSentBlocks = 0;
    this.#freeRows.push(request.row);
    request.row = -1;
  }

  #publish(request: Request): void {
    if (!this.#options.prefixCaching) return;
    const { blockSize } = this.pool;
    // The tokens are known: whoever publishes has read the token that was in flight, or has not computed it.
    for (let i = request.numPublishedBlocks; (i + 1) * blockSize <= request.numComputedTokens; i++) {
      request.chain = this.pool.publish(request.blocks[i], request.chain, request.tokens, i * blockSize, request.cacheKey);
      request.numPublishedBlocks = i + 1;
    }
  }
}
