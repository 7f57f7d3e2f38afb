/**
 * Compiles grammars in threads of their own, so that no source stalls its caller or others. Most take a millisecond; one that takes
 * longer than QUICK_MS is stopped and begun again in a second thread, where it has the whole time limit. So a source that is quick to
 * compile waits for QUICK_MS, and a fresh thread, for each of those before it at the most, however slow they are.
 */
import { Worker } from 'node:worker_threads';
import type { GrammarSource } from './compile.ts';
import { CompilerBusyError, GrammarError } from './error.ts';
import type { Grammar } from './grammar.ts';

/** What the thread answers: a grammar and roughly its bytes, why there is none, or a failure of the compiler's own. */
export type Compiled =
  | { readonly type: 'grammar'; readonly grammar: Grammar; readonly bytes: number }
  | { readonly type: 'refused'; readonly keyword: string; readonly pointer: string; readonly reason: string; readonly part: string }
  | { readonly type: 'busy' | 'failed'; readonly message: string };

export interface CompilerOptions {
  /** For one source; 5 s unless told. */
  readonly timeLimitMs?: number;
  /** Of a thread's heap; 512 unless told. */
  readonly memoryLimitMb?: number;
  /** Results kept. */
  readonly maxEntries?: number;
  readonly maxBytes?: number;
}

const QUICK_MS = 250;
/** Sources that wait for the slow thread; more are refused. */
const MAX_SLOW_WAITING = 32;

/** A thread needs a compiled file. Run from the sources, as tests are, it is the one in dist/. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? '../../dist/src/grammar/compiler-worker.js' : './compiler-worker.js', import.meta.url);

interface Job {
  readonly text: string;
  readonly settle: (result: Compiled) => void;
  /** Nobody waits for it any more. */
  isDropped: boolean;
}

interface Entry {
  readonly result: Promise<Compiled>;
  readonly job: Job;
  /** Callers that wait; −1 once the result is there. */
  waiting: number;
  bytes: number;
}

export class GrammarCompiler {
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #quick: Lane;
  readonly #slow: Lane;
  /** By source text, the least recently used first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  #isClosed = false;

  constructor({ timeLimitMs = 5000, memoryLimitMb = 512, maxEntries = 512, maxBytes = 64 << 20 }: CompilerOptions = {}) {
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
    const isQuickEnough = timeLimitMs <= QUICK_MS;
    this.#slow = new Lane(timeLimitMs, memoryLimitMb, (job) => job.settle(refusal(`compiling it takes longer than ${timeLimitMs} ms; simplify it`)));
    this.#quick = isQuickEnough ? this.#slow : new Lane(QUICK_MS, memoryLimitMb, (job) => this.#passOn(job));
  }

  /** Equal sources share one Grammar. Rejects with GrammarError, or with the signal's reason. */
  async compile(source: GrammarSource, signal?: AbortSignal): Promise<Grammar> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw new Error('The grammar compiler is closed');
    const text = textOf(source);
    const entry = this.#entries.get(text) ?? this.#start(text);
    this.#entries.delete(text);
    this.#entries.set(text, entry);
    const result = await this.#wait(entry, signal);
    if (result.type === 'grammar') return result.grammar;
    if (result.type === 'refused') throw new GrammarError(result.keyword, result.pointer, result.reason, result.part);
    throw result.type === 'busy' ? new CompilerBusyError(result.message) : new Error(result.message);
  }

  /** Stops the threads; what waits is rejected. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#entries.clear();
    await Promise.all([this.#quick.close(), this.#slow.close()]);
  }

  #start(text: string): Entry {
    let settle: (result: Compiled) => void = () => {};
    const result = new Promise<Compiled>((resolve) => (settle = resolve));
    const job: Job = {
      text,
      isDropped: false,
      settle: (compiled) => {
        settle(compiled);
        this.#keep(text, entry, compiled);
      },
    };
    const entry: Entry = { result, job, waiting: 0, bytes: 0 };
    this.#quick.add(job);
    return entry;
  }

  /** Refusals are remembered too; failures are not. */
  #keep(text: string, entry: Entry, compiled: Compiled): void {
    entry.waiting = -1;
    if (this.#entries.get(text) !== entry) return;
    if (compiled.type === 'failed' || compiled.type === 'busy') {
      this.#entries.delete(text);
      return;
    }
    entry.bytes = 2 * text.length + (compiled.type === 'grammar' ? compiled.bytes : 0);
    this.#bytes += entry.bytes;
    for (const [oldest, { waiting, bytes }] of this.#entries) {
      if (this.#entries.size <= this.#maxEntries && this.#bytes <= this.#maxBytes) break;
      if (waiting >= 0) continue;
      this.#entries.delete(oldest);
      this.#bytes -= bytes;
    }
  }

  async #wait(entry: Entry, signal?: AbortSignal): Promise<Compiled> {
    if (signal === undefined) {
      if (entry.waiting >= 0) entry.waiting++;
      return entry.result;
    }
    if (entry.waiting < 0) return entry.result;
    entry.waiting++;
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        if (entry.waiting > 0 && --entry.waiting === 0) this.#drop(entry);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', abort, { once: true });
      void entry.result.then((result) => {
        signal.removeEventListener('abort', abort);
        resolve(result);
      });
    });
  }

  #drop({ job }: Entry): void {
    job.isDropped = true;
    this.#entries.delete(job.text);
    this.#quick.drop(job);
    this.#slow.drop(job);
  }

  #passOn(job: Job): void {
    if (this.#slow.size < MAX_SLOW_WAITING) this.#slow.add(job);
    else job.settle({ type: 'busy', message: `${MAX_SLOW_WAITING} grammars that take long to compile are waiting already; try again later` });
  }
}

const MAX_CHARACTERS = 8_000_000;

function textOf(source: GrammarSource): string {
  let text: string;
  try {
    text = JSON.stringify(source);
  } catch (error) {
    if (error instanceof RangeError) throw new GrammarError('', '', 'the source nests too deep');
    if (error instanceof TypeError) throw new GrammarError('', '', `the source is not JSON: ${error.message}`); // it contains itself
    throw error;
  }
  if (text.length > MAX_CHARACTERS) throw new GrammarError('', '', `the source has ${text.length} characters; ${MAX_CHARACTERS} are allowed`);
  return text;
}

const refusal = (reason: string): Compiled => ({ type: 'refused', keyword: '', pointer: '', reason, part: '' });

/** One thread and those that wait for it, in order. The thread starts with the first, and an idle one keeps no process alive. */
class Lane {
  readonly #limitMs: number;
  readonly #memoryLimitMb: number;
  readonly #onTimeout: (job: Job) => void;
  readonly #waiting: Job[] = [];
  #worker: Worker | null = null;
  #running: Job | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(limitMs: number, memoryLimitMb: number, onTimeout: (job: Job) => void) {
    this.#limitMs = limitMs;
    this.#memoryLimitMb = memoryLimitMb;
    this.#onTimeout = onTimeout;
  }

  get size(): number {
    return this.#waiting.length;
  }

  add(job: Job): void {
    this.#waiting.push(job);
    this.#next();
  }

  drop(job: Job): void {
    const at = this.#waiting.indexOf(job);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (this.#running === job) this.#stop();
  }

  async close(): Promise<void> {
    const left = [...(this.#running === null ? [] : [this.#running]), ...this.#waiting.splice(0)];
    for (const job of left) job.settle({ type: 'failed', message: 'The grammar compiler is closed' });
    clearTimeout(this.#timer);
    this.#running = null;
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  #next(): void {
    if (this.#running !== null) return;
    const job = this.#waiting.shift();
    if (job === undefined) {
      this.#worker?.unref();
      return;
    }
    this.#running = job;
    const worker = (this.#worker ??= this.#open());
    worker.ref();
    worker.postMessage(job.text);
  }

  #open(): Worker {
    // Flags of the process are about its own script (--input-type, --import).
    const worker = new Worker(WORKER, { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: this.#memoryLimitMb } });
    worker.on('message', (message: Compiled | 'begun') => {
      if (worker !== this.#worker) return;
      if (message === 'begun') this.#timer = setTimeout(() => this.#timeout(), this.#limitMs);
      else this.#settle(message);
    });
    worker.on('error', (error: NodeJS.ErrnoException) => {
      if (worker !== this.#worker) return;
      this.#worker = null;
      const outOfMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
      this.#settle(outOfMemory ? refusal(`compiling it takes more than ${this.#memoryLimitMb} MB of memory; simplify it`) : { type: 'failed', message: `The grammar compiler failed: ${error.message}` });
    });
    return worker;
  }

  #settle(result: Compiled): void {
    clearTimeout(this.#timer);
    const job = this.#running;
    this.#running = null;
    job?.settle(result);
    this.#next();
  }

  #timeout(): void {
    const job = this.#running as Job;
    this.#stop();
    this.#onTimeout(job);
  }

  /** Ends the thread in the midst of its work; the next job starts another. */
  #stop(): void {
    clearTimeout(this.#timer);
    void this.#worker?.terminate();
    this.#worker = null;
    this.#running = null;
    this.#next();
  }
}
