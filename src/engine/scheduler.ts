import { ROOT, type BlockPool } from './kv-cache.ts';
import type { Request } from './request.ts';
import { DRAFT_ROWS } from './speculate.ts';

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

/** A token of the last forward after which one is to be drawn. Those of a request follow each other. */
export interface SampleEntry {
  readonly request: Request;
  /** Its place in the request, and among the tokens of the step. */
  readonly position: number;
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
  draftedTokens = 0;
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
    budget -= this.#planDrafts(rows, budget);
    return { rows, numTokens: this.#options.tokenBudget - budget };
  }

  /** Drafts get what is left of the step, and cost nobody a turn or a block. */
  #planDrafts(rows: PlanRow[], budget: number): number {
    let planned = 0;
    rows.forEach(({ request, start, count }, i) => {
      const isCaughtUp = request.numComputedTokens === request.numTokens;
      const room = Math.min(budget, DRAFT_ROWS - this.running.length) - planned;
      const extra = isCaughtUp ? Math.min(request.numDraftedTokens, room) : 0;
      if (extra <= 0 || this.pool.blocksFor(request.numTokens + extra) - request.blocks.length > this.pool.numAvailable) return;
      this.#makeRoom(request, request.numTokens + extra);
      request.numComputedTokens += extra;
      rows[i] = { request, start, count: count + extra };
      planned += extra;
    });
    this.draftedTokens += planned;
    return planned;
  }

  /**
   * To be called when the plan's forward is enqueued and every earlier token has been read. Full blocks whose tokens are
   * known can now be found by others. Returns what to sample, which could not be told before: the ends of those that still run and
   * have nothing left to compute, and their drafts.
   */
  settle(plan: StepPlan): SampleEntry[] {
    const entries: SampleEntry[] = [];
    let end = 0;
    for (const { request, start, count } of plan.rows) {
      end += count;
      if (request.state !== 'running') continue;
      const { tokens, drafts } = request;
      this.#publish(request);
      for (let position = tokens.length - 1; position < request.numComputedTokens; position++) {
        // What the grammar will force after a draft need not be drawn, unless it is to be judged.
        const draft = position < tokens.length ? undefined : drafts[position + 1 - tokens.length];
        if (draft?.forced !== true || request.sampling.logprobs !== null) entries.push({ request, position, index: end - count + position - start });
      }
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
    // What is computed of the known tokens is right: whoever publishes has read the token that was in flight, or has not computed it.
    const end = Math.min(request.numComputedTokens, request.tokens.length);
    for (let i = request.numPublishedBlocks; (i + 1) * blockSize <= end; i++) {
      request.chain = this.pool.publish(request.blocks[i], request.chain, request.tokens, i * blockSize, request.cacheKey);
      request.numPublishedBlocks = i + 1;
    }
  }
}
