import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { BackendName } from '../backend/open.ts';
import { reportErrors } from './terminal.ts';

interface Flags {
  readonly backend: BackendName;
  readonly threads: number;
  readonly dimensions: string;
  readonly model?: string;
  readonly json: boolean;
  readonly quick: boolean;
}

export function benchCommand(): Command {
  return new Command('bench')
    .description('measure speed: kernels, one stream, many streams, and llama.cpp beside them')
    .addArgument(new Argument('[names...]', 'kernels, calls, grammar, load, latency, throughput, peers (default: all but peers)'))
    .addOption(new Option('--backend <name>', 'where to run').choices(['auto', 'reference', 'cpu', 'cuda']).default('auto'))
    .option('--threads <n>', 'threads; 0: one per core', wholeNumber, 0)
    .option('--dimensions <name>', 'random weights with the dimensions of tiny, llama-3.2-1b or llama-3-8b', 'llama-3.2-1b')
    .option('--model <dir>', 'a quantized checkpoint in place of random weights')
    .option('--quick', 'short runs: a look, not a figure', false)
    .option('--json', 'only the JSON lines', false)
    .action((names: string[], flags: Flags) => reportErrors(() => run(names, flags)));
}

async function run(names: readonly string[], flags: Flags): Promise<void> {
  const { BENCHES, DEFAULT_BENCHES, runBenches } = await import('../../bench/main.ts');
  const unknown = names.filter((name) => !(name in BENCHES));
  if (unknown.length > 0) throw new Error(`bench ${unknown.join(', ')} is not known; known: ${Object.keys(BENCHES).join(', ')}`);
  await runBenches(names.length === 0 ? DEFAULT_BENCHES : names, { ...flags, model: flags.model ?? null });
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number is wanted');
  return value;
}
