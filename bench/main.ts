/** The benchmarks by name. */
import type { BackendName } from '../src/backend/open.ts';
import { benchCalls } from './calls.ts';
import { benchGrammar } from './grammar.ts';
import { benchKernels } from './kernels.ts';
import { benchLoad } from './load.ts';
import { benchPeers } from './peers.ts';
import { randomCheckpoint } from './random-model.ts';
import { printResult } from './report.ts';
import type { BenchResult } from './report.ts';
import { benchLatency, benchThroughput } from './serving.ts';
import type { ServingOptions } from './serving.ts';

export interface BenchOptions {
  readonly backend: BackendName;
  readonly threads: number;
  /** Dimensions of random weights: see random-model.ts. */
  readonly dimensions: string;
  /** A quantized checkpoint in their place. */
  readonly model: string | null;
  readonly json: boolean;
  readonly quick: boolean;
}

const progress = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

function serving(options: BenchOptions): ServingOptions {
  return {
    directory: options.model ?? randomCheckpoint(options.dimensions),
    model: options.model ?? `random ${options.dimensions}`,
    backend: options.backend,
    threads: options.threads,
    promptTokens: options.quick ? 64 : 512,
    outputTokens: options.quick ? 16 : 64,
    concurrencies: options.quick ? [1, 4] : [1, 2, 4, 8],
    repeats: options.quick ? 1 : 3,
  };
}

export const BENCHES: Readonly<Record<string, (options: BenchOptions) => BenchResult | Promise<BenchResult>>> = {
  kernels: ({ threads, quick }) => benchKernels({ threads, quick }),
  grammar: ({ dimensions, backend, threads, quick }) => benchGrammar({ dimensions, backend, threads, quick }),
  calls: ({ model, backend, threads, quick }) => benchCalls({ directory: model ?? 'models/tetrad-nano', backend, threads, items: quick ? 10 : 30, rounds: quick ? 1 : 7 }),
  load: (options) => {
    const { directory, model } = serving(options);
    return benchLoad(directory, model, options.backend);
  },
  latency: (options) => benchLatency(serving(options)),
  throughput: (options) => benchThroughput(serving(options)),
  peers: ({ dimensions, backend, threads, quick }) => benchPeers({ dimensions, backend, threads: threads || 2, rounds: quick ? 1 : 3, onProgress: progress }),
};

/** What runs when no name is given: all but the one that installs a peer. */
export const DEFAULT_BENCHES = ['kernels', 'grammar', 'calls', 'load', 'latency', 'throughput'];

export async function runBenches(names: readonly string[], options: BenchOptions): Promise<void> {
  for (const name of names) {
    progress(`bench ${name}`);
    printResult(await BENCHES[name](options), options.json);
  }
}
