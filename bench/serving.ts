/** The engine end to end: one stream's latency, and throughput at several concurrencies. */
import { startEngine } from '../src/engine/client.ts';
import type { EngineClient } from '../src/engine/client.ts';
import { GREEDY } from '../src/engine/sampling.ts';
import type { BackendName } from '../src/backend/open.ts';
import { median } from './report.ts';
import type { BenchResult } from './report.ts';

export interface ServingOptions {
  readonly directory: string;
  readonly model: string;
  readonly backend: BackendName;
  readonly threads: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly concurrencies: readonly number[];
  readonly repeats: number;
}

const engineFor = (options: ServingOptions, concurrency: number): Promise<EngineClient> =>
  startEngine(options.directory, {
    backend: options.backend,
    threads: options.threads,
    maxBatchSize: concurrency,
    prefixCaching: false,
    cacheTokens: concurrency * (options.promptTokens + options.outputTokens + 64),
  });

/** Tokens no two requests share, so that nothing is found in a cache. */
const promptOf = (engine: EngineClient, length: number, salt: number): number[] =>
  Array.from({ length }, (_, i) => (Math.imul(i + 1 + salt * 7919, 2654435761) >>> 8) % Math.min(engine.description.vocabSize, 4096));

interface Timing {
  readonly ttft: number;
  /** Milliseconds between tokens after the first. */
  readonly itl: number;
  readonly total: number;
}

async function time(engine: EngineClient, options: ServingOptions, salt: number): Promise<Timing> {
  const prompt = promptOf(engine, options.promptTokens, salt);
  const start = performance.now();
  let first = 0;
  let tokens = 0;
  for await (const event of engine.generate({ prompt, sampling: { ...GREEDY, ignoreEos: true, maxTokens: options.outputTokens } })) {
    if (event.tokens.length > 0 && first === 0) first = performance.now();
    tokens += event.tokens.length;
  }
  const end = performance.now();
  if (tokens !== options.outputTokens) throw new Error(`asked for ${options.outputTokens} tokens, got ${tokens}`);
  return { ttft: first - start, itl: (end - first) / Math.max(1, tokens - 1), total: end - start };
}

export async function benchLatency(options: ServingOptions): Promise<BenchResult> {
  const engine = await engineFor(options, 1);
  await time(engine, options, 0);
  const timings: Timing[] = [];
  for (let i = 1; i <= options.repeats; i++) timings.push(await time(engine, options, i));
  const { backendDescription } = engine.description;
  await engine.close();
  const ttft = median(timings.map((timing) => timing.ttft));
  const itl = median(timings.map((timing) => timing.itl));
  const prefill = (1000 * options.promptTokens) / ttft;
  return {
    bench: 'latency',
    configuration: { model: options.model, backend: backendDescription, prompt: options.promptTokens, output: options.outputTokens, repeats: options.repeats },
    rows: [{ 'TTFT ms': ttft, 'ITL ms': itl, 'prefill tok/s': prefill, 'decode tok/s': 1000 / itl }],
    summary: { ttftMs: ttft, itlMs: itl, prefill, decode: 1000 / itl },
  };
}

export async function benchThroughput(options: ServingOptions): Promise<BenchResult> {
  const rows: Record<string, number>[] = [];
  let backend = '';
  for (const concurrency of options.concurrencies) {
    const engine = await engineFor(options, concurrency);
    backend = engine.description.backendDescription;
    const round = (salt: number): Promise<Timing[]> => Promise.all(Array.from({ length: concurrency }, (_, i) => time(engine, options, salt * 1000 + i)));
    await round(0);
    const walls: number[] = [];
    const timings: Timing[] = [];
    for (let i = 1; i <= options.repeats; i++) {
      const start = performance.now();
      timings.push(...(await round(i)));
      walls.push(performance.now() - start);
    }
    await engine.close();
    rows.push({
      concurrency,
      'output tok/s': (1000 * concurrency * options.outputTokens) / median(walls),
      'TTFT ms': median(timings.map((timing) => timing.ttft)),
      'ITL ms': median(timings.map((timing) => timing.itl)),
    });
  }
  return {
    bench: 'throughput',
    configuration: { model: options.model, backend, prompt: options.promptTokens, output: options.outputTokens, repeats: options.repeats },
    rows,
  };
}
