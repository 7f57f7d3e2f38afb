import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import type { BackendName } from '../backend/open.ts';
import { runSuite } from '../evaluate/json-schema-suite.ts';
import { runMaskbench } from '../evaluate/maskbench.ts';
import type { MaskbenchReport } from '../evaluate/maskbench.ts';
import { evaluateLogits, readReferenceLogits, writeReferenceLogits } from '../evaluate/logits.ts';
import { syntheticVocabulary } from '../evaluate/synthetic-vocabulary.ts';
import { checkTokenizer, readCases } from '../evaluate/tokenizer.ts';
import { Vocabulary } from '../grammar/trie.ts';
import type { Precision } from '../model/load.ts';
import { ensureQuantized } from '../quantize/cache.ts';
import { loadTokenizer } from '../tokenizer/tokenizer.ts';
import { progress, reportErrors } from './terminal.ts';

export function evaluateCommand(): Command {
  return new Command('evaluate').description('measure what a model computes').addCommand(logitsCommand()).addCommand(tokenizerCommand()).addCommand(maskbenchCommand()).addCommand(suiteCommand());
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

const FIXTURE_TOKENIZER = fileURLToPath(new URL('../../../test/fixtures/tokenizers/llama3', import.meta.url));

function maskbenchCommand(): Command {
  return new Command('maskbench')
    .description('check grammars of JSON schemas on valid and invalid instances, token by token')
    .argument('<dir>', 'directory of JSON-lines files, one per split: {id, schema, tests: [{valid, data}]}')
    .option('--tokenizer <dir>', 'directory with tokenizer.json', FIXTURE_TOKENIZER)
    .option('--synthetic <tokens>', 'a made-up vocabulary of this size in place of a tokenizer', Number)
    .option('--failures', 'list the schemas that did not pass, and why', false)
    .option('--json', 'print the result as JSON', false)
    .action((directory: string, flags: MaskbenchFlags) => reportErrors(async () => maskbench(directory, flags)));
}

interface MaskbenchFlags {
  readonly tokenizer: string;
  readonly synthetic?: number;
  readonly failures: boolean;
  readonly json: boolean;
}

function maskbench(directory: string, { tokenizer: path, synthetic, failures, json }: MaskbenchFlags): void {
  const tokenizer = synthetic === undefined ? loadTokenizer(path) : syntheticVocabulary(synthetic);
  const bar = progress();
  const report = runMaskbench(directory, { encode: (text) => tokenizer.encode(text), vocabulary: new Vocabulary(tokenizer, []), onProgress: (split, done, total) => bar.update(split, done, total) });
  bar.stop();
  if (json) process.stdout.write(`${JSON.stringify({ ...report, failures: failures ? report.failures : undefined })}\n`);
  else {
    process.stdout.write(maskbenchTable(report));
    if (failures) for (const { id, outcome, reason } of report.failures) process.stdout.write(`${outcome} ${id}: ${reason.slice(0, 300)}\n`);
  }
  if (report.tooLoose > 0) process.exitCode = 1;
}

function maskbenchTable({ splits, ...total }: MaskbenchReport): string {
  const columns = ['split', 'schemas', 'pass', 'refused', 'over-strict', 'too loose', 'pass %', 'compile ms p50', 'p99', 'mask us p50', 'p99'];
  const rows = [...Object.entries(splits), ['all', total] as const].map(([split, { schemas, pass, refused, overStrict, tooLoose, compileMs, maskUs }]) => [
    split,
    ...[schemas, pass, refused, overStrict, tooLoose].map(String),
    ...[(100 * pass) / schemas, compileMs.p50, compileMs.p99, maskUs.p50, maskUs.p99].map((value) => value.toFixed(value < 10 ? 2 : 1)),
  ]);
  const widths = columns.map((column, i) => Math.max(column.length, ...rows.map((row) => row[i].length)));
  return [columns, ...rows].map((row) => `${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')}\n`).join('');
}

function suiteCommand(): Command {
  return new Command('json-schema-suite')
    .description('check grammars against the official JSON Schema test suite')
    .argument('<dir>', 'the suite, or the folder of one draft in it')
    .option('--draft <name>', 'which draft', 'draft2020-12')
    .option('--json', 'print the result as JSON', false)
    .action((directory: string, flags: { draft: string; json: boolean }) => reportErrors(async () => suite(directory, flags)));
}

function suite(directory: string, { draft, json }: { draft: string; json: boolean }): void {
  const report = runSuite(directory, draft);
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    for (const [file, { tests, pass, refused, failed }] of Object.entries(report.files)) {
      process.stdout.write(`${file.padEnd(36)} ${tests} tests: ${pass} pass, ${refused} refused, ${failed} failed\n`);
    }
    for (const { file, group, test, valid } of report.failures) process.stdout.write(`failed ${file}: ${group}: ${test} (${valid ? 'valid' : 'invalid'})\n`);
    process.stdout.write(`${report.tests} tests: ${report.pass} pass, ${report.refused} refused, ${report.overStrict} over-strict, ${report.tooLoose} too loose\n`);
    process.stdout.write(`refused by: ${Object.entries(report.refusedKeywords).map(([keyword, count]) => `${keyword || 'size'} ${count}`).join(', ')}\n`);
  }
  if (report.failed > 0) process.exitCode = 1;
}
