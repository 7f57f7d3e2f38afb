/** Checks a tokenizer against recorded cases. */
import { readFileSync } from 'node:fs';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { z } from 'zod';

const CASES = z.array(z.object({ text: z.string(), ids: z.array(z.int().min(0)), decoded: z.string() }));

export type TokenizerCase = z.infer<typeof CASES>[number];

export interface TokenizerReport {
  readonly cases: number;
  readonly failed: number;
  readonly failures: readonly { readonly text: string; readonly expected: TokenizerCase; readonly ids: readonly number[]; readonly decoded: string }[];
}

/** Throws ZodError where the file is not a list of {text, ids, decoded}. */
export const readCases = (file: string): TokenizerCase[] => CASES.parse(JSON.parse(readFileSync(file, 'utf8')));

/** Ids without added special tokens; decoded with special tokens kept. */
export function checkTokenizer(tokenizer: Tokenizer, cases: readonly TokenizerCase[]): TokenizerReport {
  const failures: TokenizerReport['failures'][number][] = [];
  for (const expected of cases) {
    const ids = tokenizer.encode(expected.text);
    const decoded = tokenizer.decode(expected.ids);
    if (decoded !== expected.decoded || ids.join() !== expected.ids.join()) failures.push({ text: expected.text, expected, ids, decoded });
  }
  return { cases: cases.length, failed: failures.length, failures };
}
