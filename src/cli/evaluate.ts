import { writeFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { evaluateBfcl } from '../evaluate/bfcl.ts';
import type { BfclReport } from '../evaluate/bfcl.ts';
import { evaluateCalls, readCallSet } from '../evaluate/calls.ts';
import type { CallAnswer, CallsReport } from '../evaluate/calls.ts';
import type { BackendName } from '../backend/open.ts';
import { evaluateLogits, readReferenceLogits, writeReferenceLogits } from '../evaluate/logits.ts';
import { evaluatePerplexity } from '../evaluate/perplexity.ts';
import { checkTokenizer, readCases } from '../evaluate/tokenizer.ts';
import type { Precision } from '../model/load.ts';
import { ensureQuantized } from '../quantize/cache.ts';
import { loadTokenizer } from '../tokenizer/tokenizer.ts';
import { maskbenchCommand, suiteCommand } from './evaluate-grammar.ts';
import { integerFrom, modelOptions, openWithProgress } from './models.ts';
import type { ModelFlags } from './models.ts';
import { progress, reportErrors } from './terminal.ts';

export function evaluateCommand(): Command {
  return new Command('evaluate').description('measure what a model computes').addCommand(logitsCommand()).addCommand(tokenizerCommand()).addCommand(callsCommand()).addCommand(bfclCommand()).addCommand(perplexityCommand()).addCommand(maskbenchCommand()).addCommand(suiteCommand());
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

interface CallsFlags extends ModelFlags {
  readonly data: string;
  readonly limit?: number;
  readonly answers?: string;
  readonly guided: boolean;
  readonly json: boolean;
}

function callsCommand(): Command {
  const command = new Command('calls')
    .description('tool calls of a model on the held-out set: greedy, in batches')
    .argument('<model-dir>', 'checkpoint')
    .option('--data <file>', 'the set', 'training/heldout.json.gz')
    .option('--limit <n>', 'only the first items', integerFrom(1))
    .option('--answers <file>', 'write what the model did with every item, as JSON lines')
    .option('--no-guided', "do not hold answers to the tools' schemas");
  return modelOptions(command)
    .option('--json', 'print the result as JSON', false)
    .action((directory: string, flags: CallsFlags) => reportErrors(() => runCalls(directory, flags)));
}

async function runCalls(directory: string, flags: CallsFlags): Promise<void> {
  const { tools, items } = readCallSet(flags.data);
  const model = await openWithProgress(directory, flags);
  const bar = progress();
  try {
    const onProgress = (done: number, total: number): void => bar.update(`${done} of ${total} conversations`, done, total);
    const answers: CallAnswer[] = [];
    const report = await evaluateCalls(model, { tools, items: items.slice(0, flags.limit) }, { concurrency: 16, maxTokens: 256, guided: flags.guided, onProgress, onAnswer: (answer) => answers.push(answer) });
    bar.stop();
    if (flags.answers !== undefined) writeFileSync(flags.answers, answers.sort((a, b) => a.index - b.index).map((answer) => `${JSON.stringify(answer)}\n`).join(''));
    process.stdout.write(flags.json ? `${JSON.stringify({ model: model.id, precision: flags.precision, guided: flags.guided, ...report })}\n` : callsTable(report));
  } finally {
    bar.stop();
    await model.close();
  }
}

function callsTable({ items, exact, abstention, falseRefusals, byKind, seconds }: CallsReport): string {
  const rows = Object.entries(byKind).map(([kind, row]) => `${kind.padEnd(10)}${String(row.items).padStart(6)}${percent(row.exact)}${percent(row.tool)}${percent(row.refused)}`);
  const head = `${'kind'.padEnd(10)}${'items'.padStart(6)}${'exact'.padStart(8)}${'tool'.padStart(8)}${'refused'.padStart(8)}`;
  return `${[head, ...rows].join('\n')}\nexact calls ${percent(exact).trim()}, abstention ${percent(abstention).trim()}, false refusals ${percent(falseRefusals).trim()}; ${items} items in ${seconds.toFixed(0)} s\n`;
}

interface PerplexityFlags {
  readonly data: string;
  readonly limit?: number;
  readonly precision: Precision;
  readonly backend: BackendName;
  readonly json: boolean;
}

function perplexityCommand(): Command {
  return new Command('perplexity')
    .description('perplexity of the wanted calls of the held-out set')
    .argument('<model-dir>', 'checkpoint; quantized on the way where w4a8kv4 needs it')
    .option('--data <file>', 'the set', 'training/heldout.json.gz')
    .option('--limit <n>', 'only the first items', integerFrom(1))
    .addOption(new Option('--precision <name>', 'weights, activations and cache').choices(['full', 'w4a8kv4']).default('w4a8kv4'))
    .addOption(new Option('--backend <name>', 'where to run').choices(['auto', 'reference', 'cpu', 'cuda']).default('auto'))
    .option('--json', 'print the result as JSON', false)
    .action((directory: string, flags: PerplexityFlags) => reportErrors(() => runPerplexity(directory, flags)));
}

async function runPerplexity(directory: string, { data, limit, precision, backend, json }: PerplexityFlags): Promise<void> {
  const { tools, items } = readCallSet(data);
  const bar = progress();
  const weights = precision === 'w4a8kv4' ? await ensureQuantized(directory) : directory;
  const report = await evaluatePerplexity(directory, weights, { tools, items: items.slice(0, limit) }, { precision, backend }, (done, total) => bar.update(`${done} of ${total} answers`, done, total));
  bar.stop();
  process.stdout.write(json ? `${JSON.stringify({ precision, ...report })}\n` : `perplexity ${report.perplexity.toFixed(4)} over ${report.tokens} tokens of ${report.items} answers\n`);
}

interface BfclFlags extends ModelFlags {
  readonly data: string;
  readonly model: string;
  readonly guided: boolean;
  readonly json: boolean;
}

function bfclCommand(): Command {
  const command = new Command('bfcl')
    .description('single-turn Python categories of the Berkeley Function-Calling Leaderboard v4, by its AST rules: greedy')
    .requiredOption('--data <dir>', 'directory with BFCL_v4_<category>.json and possible_answer/')
    .requiredOption('--model <dir>', 'checkpoint')
    .option('--no-guided', "do not hold answers to the tools' schemas");
  return modelOptions(command)
    .option('--json', 'print the result as JSON', false)
    .action((flags: BfclFlags) => reportErrors(() => runBfcl(flags)));
}

async function runBfcl(flags: BfclFlags): Promise<void> {
  const model = await openWithProgress(flags.model, flags);
  const bar = progress();
  try {
    const report = await evaluateBfcl(model, flags.data, { concurrency: 16, maxTokens: 256, guided: flags.guided, onProgress: (category, done, total) => bar.update(category, done, total) });
    bar.stop();
    process.stdout.write(flags.json ? `${JSON.stringify({ model: model.id, precision: flags.precision, guided: flags.guided, ...report })}\n` : bfclTable(report));
  } finally {
    bar.stop();
    await model.close();
  }
}

function bfclTable({ categories, seconds }: BfclReport): string {
  const rows = Object.entries(categories).map(([name, row]) => `${name.padEnd(24)}${String(row.items).padStart(6)}${percent(row.right)}${row.names === null ? ''.padStart(8) : percent(row.names)}${percent(row.tooLong)}`);
  return `${'category'.padEnd(24)}${'items'.padStart(6)}${'right'.padStart(8)}${'names'.padStart(8)}${'too long'.padStart(9)}\n${rows.join('\n')}\n${seconds.toFixed(0)} s\n`;
}

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`.padStart(8);
