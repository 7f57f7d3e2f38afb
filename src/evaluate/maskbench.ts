/** MaskBench: schemas with valid and invalid instances. Each schema is refused, or takes the valid ones and no other, token by token. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { GrammarError } from '../grammar/error.ts';
import type { Grammar } from '../grammar/grammar.ts';
import { createMatcher } from '../grammar/matcher.ts';
import { compileSchema } from '../grammar/schema.ts';
import type { Vocabulary } from '../grammar/trie.ts';

const CASE = z.object({ id: z.string(), schema: z.unknown(), tests: z.array(z.object({ valid: z.boolean(), data: z.unknown() })) });

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}

export interface MaskbenchCounts {
  schemas: number;
  pass: number;
  refused: number;
  /** A valid instance was not taken. */
  overStrict: number;
  /** An invalid instance was taken. */
  tooLoose: number;
}

export interface MaskbenchReport extends Readonly<MaskbenchCounts> {
  readonly compileMs: Quantiles;
  readonly maskUs: Quantiles;
  readonly masks: number;
  readonly splits: Readonly<Record<string, MaskbenchCounts & { readonly compileMs: Quantiles; readonly maskUs: Quantiles }>>;
  /** Schemas that did not pass: why. */
  readonly failures: readonly { readonly id: string; readonly outcome: string; readonly reason: string }[];
}

class Tally {
  readonly counts: MaskbenchCounts = { schemas: 0, pass: 0, refused: 0, overStrict: 0, tooLoose: 0 };
  readonly compileMs: number[] = [];
  readonly maskUs: number[] = [];

  get summary(): MaskbenchCounts & { compileMs: Quantiles; maskUs: Quantiles } {
    return { ...this.counts, compileMs: quantiles(this.compileMs), maskUs: quantiles(this.maskUs) };
  }
}

function quantiles(values: readonly number[]): Quantiles {
  const sorted = Float64Array.from(values).sort();
  const at = (part: number): number => (sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]);
  return { p50: at(0.5), p99: at(0.99) };
}

export interface MaskbenchOptions {
  readonly encode: (text: string) => number[];
  readonly vocabulary: Vocabulary;
  readonly onProgress?: (split: string, done: number, total: number) => void;
}

/** Throws ZodError where a line is not {id, schema, tests}. */
export function runMaskbench(directory: string, { encode, vocabulary, onProgress }: MaskbenchOptions): MaskbenchReport {
  const all = new Tally();
  const splits: Record<string, Tally> = {};
  const failures: MaskbenchReport['failures'][number][] = [];
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.jsonl')).sort()) {
    const split = file.replace('.jsonl', '');
    const tally = (splits[split] = new Tally());
    const lines = readFileSync(join(directory, file), 'utf8').split('\n').filter((line) => line !== '');
    lines.forEach((line, i) => {
      const { id, schema, tests } = CASE.parse(JSON.parse(line));
      const judge = new Judge(encode, vocabulary);
      const { outcome, reason } = judge.run(schema, tests);
      for (const { counts, compileMs, maskUs } of [tally, all]) {
        counts.schemas++;
        counts[outcome]++;
        compileMs.push(judge.compileMs);
        for (const time of judge.maskUs) maskUs.push(time);
      }
      if (outcome !== 'pass') failures.push({ id, outcome, reason });
      onProgress?.(split, i + 1, lines.length);
    });
  }
  return { ...all.summary, masks: all.maskUs.length, splits: Object.fromEntries(Object.entries(splits).map(([split, tally]) => [split, tally.summary])), failures };
}

type Outcome = 'pass' | 'refused' | 'overStrict' | 'tooLoose';

class Judge {
  compileMs = 0;
  readonly maskUs: number[] = [];
  readonly #encode: (text: string) => number[];
  readonly #vocabulary: Vocabulary;
  readonly #mask: Int32Array;

  constructor(encode: (text: string) => number[], vocabulary: Vocabulary) {
    this.#encode = encode;
    this.#vocabulary = vocabulary;
    this.#mask = vocabulary.newMask();
  }

  run(schema: unknown, tests: readonly { readonly valid: boolean; readonly data: unknown }[]): { outcome: Outcome; reason: string } {
    const start = performance.now();
    let grammar: Grammar;
    try {
      grammar = compileSchema(schema, { order: 'any' });
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
      return { outcome: 'refused', reason: error.message };
    } finally {
      this.compileMs = performance.now() - start;
    }
    const wrong = tests.flatMap(({ valid, data }) => ([undefined, 2] as const).map((indent) => ({ valid, text: JSON.stringify(data, null, indent) }))).filter(({ valid, text }) => this.#takes(grammar, text) !== valid);
    if (wrong.length === 0) return { outcome: 'pass', reason: '' };
    const loose = wrong.find(({ valid }) => !valid);
    return loose === undefined ? { outcome: 'overStrict', reason: wrong[0].text } : { outcome: 'tooLoose', reason: loose.text };
  }

  #takes(grammar: Grammar, text: string): boolean {
    const matcher = createMatcher(grammar, this.#vocabulary);
    for (const token of this.#encode(text)) {
      const start = performance.now();
      matcher.fillMask(this.#mask);
      this.maskUs.push((performance.now() - start) * 1000);
      const allowed = ((this.#mask[token >> 5] >> (token & 31)) & 1) === 1;
      if (matcher.accept(token) !== allowed) throw new Error(`mask and accept differ on token ${token} of ${text}`);
      if (!allowed) return false;
    }
    return matcher.isAccepting;
  }
}
