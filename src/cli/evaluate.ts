import { Command, Option } from 'commander';
import type { BackendName } from '../backend/open.ts';
import { evaluateLogits, readReferenceLogits, writeReferenceLogits } from '../evaluate/logits.ts';
import { checkTokenizer, readCases } from '../evaluate/tokenizer.ts';
import type { Precision } from '../model/load.ts';
import { ensureQuantized } from '../quantize/cache.ts';
import { loadTokenizer } from '../tokenizer/tokenizer.ts';
import { reportErrors } from './terminal.ts';

export function evaluateCommand(): Command {
  return new Command('evaluate').description('measure what a model computes').addCommand(logitsCommand()).addCommand(tokenizerCommand());
}

interface LogitsFlags {
  readonly reference: string;
  readonly precision: Precision;
  readonly backend: BackendName;
  readonly write?: string;
  readonly json: boolean;
}

function logitsCommand(): Command {
  return new Command('logits')
    .description('compare logits and greedy text with recorded ones')
    .argument('<model-dir>', 'checkpoint; quantized on the way where w4a8kv4 needs it')
    .requiredOption('--reference <file>', 'safetensors with input_ids, logits, greedy_ids, prompt_len')
    .addOption(new Option('--precision <name>', 'weights, activations and cache').choices(['full', 'w4a8kv4']).default('full'))
    .addOption(new Option('--backend <name>', 'where to run').choices(['auto', 'reference', 'cpu', 'cuda']).default('auto'))
    .option('--write <file>', 'record what was computed in the same form, as a reference for another run')
    .option('--json', 'print the result as JSON', false)
    .action((directory: string, flags: LogitsFlags) => reportErrors(() => runLogits(directory, flags)));
}

async function runLogits(directory: string, { reference: file, precision, backend, write, json }: LogitsFlags): Promise<void> {
  const reference = readReferenceLogits(file);
  const model = precision === 'w4a8kv4' ? await ensureQuantized(directory) : directory;
  const { logits, ...comparison } = await evaluateLogits(model, reference, { backend, precision });
  if (write !== undefined) writeReferenceLogits(write, { ...reference, logits, greedyIds: Int32Array.from(comparison.greedyIds) });
  if (json) process.stdout.write(`${JSON.stringify(comparison)}\n`);
  else {
    const { relativeError, greedyEqual, positions, ropePrecision } = comparison;
    process.stdout.write(`relative error ${relativeError.toExponential(2)} over ${positions} positions; greedy text ${greedyEqual ? 'equal' : 'differs'}; rope frequencies in ${ropePrecision}\n`);
  }
}

function tokenizerCommand(): Command {
  return new Command('tokenizer')
    .description('check encoding and decoding against recorded cases')
    .argument('<dir>', 'directory with tokenizer.json')
    .requiredOption('--cases <file>', 'JSON list of {text, ids, decoded}')
    .option('--json', 'print the result as JSON', false)
    .action((directory: string, { cases, json }: { cases: string; json: boolean }) => reportErrors(async () => runTokenizer(directory, cases, json)));
}

function runTokenizer(directory: string, file: string, json: boolean): void {
  const report = checkTokenizer(loadTokenizer(directory), readCases(file));
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    process.stdout.write(`${report.cases} cases, ${report.failed} failed\n`);
    for (const { text, expected, ids, decoded } of report.failures) {
      process.stdout.write(`  ${JSON.stringify(text)}: expected ${expected.ids.join(' ')} and ${JSON.stringify(expected.decoded)}, seen ${ids.join(' ')} and ${JSON.stringify(decoded)}\n`);
    }
  }
  if (report.failed > 0) process.exitCode = 1;
}
