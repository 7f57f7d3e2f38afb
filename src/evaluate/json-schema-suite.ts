/** The official JSON Schema test suite: every test passes, or its schema is refused by name. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { Automaton, REJECT } from '../grammar/automaton.ts';
import { GrammarError } from '../grammar/error.ts';
import type { Grammar } from '../grammar/grammar.ts';
import { compileSchema } from '../grammar/schema.ts';

const GROUPS = z.array(z.object({ description: z.string(), schema: z.unknown(), tests: z.array(z.object({ description: z.string(), data: z.unknown(), valid: z.boolean() })) }));

export interface SuiteReport {
  readonly tests: number;
  readonly pass: number;
  /** Tests whose schema was refused. */
  readonly refused: number;
  readonly failed: number;
  /** Of the failed: valid instances not taken, and invalid ones taken. */
  readonly overStrict: number;
  readonly tooLoose: number;
  readonly files: Readonly<Record<string, { tests: number; pass: number; refused: number; failed: number }>>;
  /** How often each keyword was the reason. */
  readonly refusedKeywords: Readonly<Record<string, number>>;
  readonly failures: readonly { readonly file: string; readonly group: string; readonly test: string; readonly valid: boolean }[];
}

/** The required tests of a draft, where formats are annotations, and those of the formats, where they hold. */
export function runSuite(directory: string, draft = 'draft2020-12'): SuiteReport {
  const root = existsSync(join(directory, 'tests')) ? join(directory, 'tests', draft) : directory;
  const formats = join(root, 'optional', 'format');
  const files = [...jsonFiles(root).map((file) => ({ file, mode: 'annotate' as const })), ...(existsSync(formats) ? jsonFiles(formats) : []).map((file) => ({ file, mode: 'assert' as const }))];
  const counts: Record<string, SuiteReport['files'][string]> = {};
  const refusedKeywords: Record<string, number> = {};
  const failures: SuiteReport['failures'][number][] = [];
  for (const { file, mode } of files) {
    const name = `${mode === 'assert' ? 'format/' : ''}${basename(file)}`;
    const count = (counts[name] = { tests: 0, pass: 0, refused: 0, failed: 0 });
    for (const { description, schema, tests } of GROUPS.parse(JSON.parse(readFileSync(file, 'utf8')))) {
      const verdict = judgeOf(schema, mode);
      count.tests += tests.length;
      if (verdict instanceof GrammarError) {
        count.refused += tests.length;
        refusedKeywords[verdict.keyword] = (refusedKeywords[verdict.keyword] ?? 0) + 1;
        continue;
      }
      for (const { description: test, data, valid } of tests) {
        if (verdict(data) === valid) count.pass++;
        else {
          count.failed++;
          failures.push({ file: name, group: description, test, valid });
        }
      }
    }
  }
  const sum = (field: 'tests' | 'pass' | 'refused' | 'failed'): number => Object.values(counts).reduce((total, count) => total + count[field], 0);
  return { tests: sum('tests'), pass: sum('pass'), refused: sum('refused'), failed: sum('failed'), overStrict: failures.filter(({ valid }) => valid).length, tooLoose: failures.filter(({ valid }) => !valid).length, files: counts, refusedKeywords, failures };
}

const jsonFiles = (directory: string): string[] => readdirSync(directory).filter((name) => name.endsWith('.json')).sort().map((name) => join(directory, name));

function judgeOf(schema: unknown, formats: 'assert' | 'annotate'): GrammarError | ((data: unknown) => boolean) {
  let grammar: Grammar;
  try {
    grammar = compileSchema(schema, { order: 'any', formats });
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    // A schema that nothing satisfies has no grammar, and takes nothing.
    return error.message.includes('no value satisfies') ? () => false : error;
  }
  const automaton = new Automaton(grammar);
  const utf8 = new TextEncoder();
  return (data) => {
    let state = automaton.start;
    for (const byte of utf8.encode(JSON.stringify(data))) {
      state = automaton.step(state, byte);
      if (state === REJECT) return false;
    }
    return automaton.isAccepting(state);
  };
}
