/** What every benchmark prints: a table for people and one JSON line for programs, with machine, commit and configuration. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, totalmem } from 'node:os';

export interface BenchResult {
  readonly bench: string;
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly rows: readonly Readonly<Record<string, string | number>>[];
  /** Figures a program would look for, beside the rows. */
  readonly summary?: Readonly<Record<string, unknown>>;
}

export function printResult(result: BenchResult, json: boolean): void {
  if (!json) process.stdout.write(`${table(result)}\n`);
  process.stdout.write(`${JSON.stringify({ ...result, summary: undefined, ...result.summary, machine: machine(), commit: commit(), date: new Date().toISOString() })}\n`);
}

function machine(): Record<string, unknown> {
  return { cpu: cpus()[0]?.model ?? 'unknown', cores: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version, platform: `${process.platform}-${process.arch}` };
}

/** The commit the sources stand at, with a + where they have changed since; null outside a checkout. */
function commit(): string | null {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty=+'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch (error) {
    if ((error as { status?: unknown }).status !== undefined || (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function table({ bench, configuration, rows }: BenchResult): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cells = rows.map((row) => columns.map((column) => cell(row[column])));
  const widths = columns.map((column, i) => Math.max(column.length, ...cells.map((line) => line[i].length)));
  const line = (values: readonly string[]): string => values.map((value, i) => (i === 0 ? value.padEnd(widths[i]) : value.padStart(widths[i]))).join('  ');
  const settings = Object.entries(configuration).map(([key, value]) => `${key} ${String(value)}`).join(', ');
  return [`${bench} (${settings})`, line(columns), ...cells.map(line)].join('\n');
}

function cell(value: string | number | undefined): string {
  if (typeof value !== 'number') return value ?? '';
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
