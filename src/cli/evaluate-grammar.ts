/** Evaluations of grammars: no model is needed. */
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { runSuite } from '../evaluate/json-schema-suite.ts';
import { runMaskbench } from '../evaluate/maskbench.ts';
import type { MaskbenchReport } from '../evaluate/maskbench.ts';
import { syntheticVocabulary } from '../evaluate/synthetic-vocabulary.ts';
import { Vocabulary } from '../grammar/trie.ts';
import { loadTokenizer } from '../tokenizer/tokenizer.ts';
import { progress, reportErrors } from './terminal.ts';

const FIXTURE_TOKENIZER = fileURLToPath(new URL('../../../test/fixtures/tokenizers/llama3', import.meta.url));

export function maskbenchCommand(): Command {
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

export function suiteCommand(): Command {
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
