import { afterEach, expect, test } from 'vitest';
import { reader } from '../../test/support/grammar.ts';
import type { GrammarSource } from './compile.ts';
import { GrammarCompiler } from './compiler.ts';
import type { CompilerOptions } from './compiler.ts';
import { GrammarError } from './error.ts';

const open: GrammarCompiler[] = [];
const compiler = (options?: CompilerOptions): GrammarCompiler => {
  const made = new GrammarCompiler(options);
  open.push(made);
  return made;
};
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

const schema = (value: unknown): GrammarSource => ({ kind: 'schema', schema: value });
/** Seconds of work, different ones for different seeds. */
const slow = (seed: number): GrammarSource => ({
  kind: 'sequence',
  parts: Array.from({ length: 30 }, (_, i) => schema({ enum: Array.from({ length: 20_000 }, (_2, j) => `${seed} ${i} ${j}`) })),
});

test('a grammar crosses the thread, and equal sources share one', async () => {
  const made = compiler();
  const source = schema({ type: 'object', properties: { at: { type: 'string', format: 'date' }, n: { type: 'integer', minimum: 3 } }, required: ['at'] });
  const [first, second] = await Promise.all([made.compile(source), made.compile(structuredClone(source))]);
  expect(second).toBe(first);
  expect(await made.compile(source)).toBe(first);
  const takes = reader(first);
  expect(takes('{"at": "2024-02-29", "n": 3}')).toBe(true);
  expect(takes('{"at": "2023-02-29"}')).toBe(false);
});

test('a refusal keeps its keyword, pointer and part', async () => {
  const made = compiler();
  const source: GrammarSource = { kind: 'either', options: [{ kind: 'literal', text: 'no' }, { ...schema({ properties: { a: { pattern: '\\b' } } }), label: 'tools[1].parameters' }] };
  for (let i = 0; i < 2; i++) {
    const error = await made.compile(source).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(GrammarError);
    expect(error).toMatchObject({ keyword: 'pattern', pointer: '/properties/a/pattern', part: 'tools[1].parameters' });
    expect((error as Error).message).toMatch(/^tools\[1\]\.parameters: pattern at \/properties\/a\/pattern: /);
  }
});

test('slow sources in a row do not hold up a quick one, and end at the limit', async () => {
  const made = compiler({ timeLimitMs: 400 });
  const hostile = [1, 2, 3].map((seed) => made.compile(slow(seed)).catch((reason: unknown) => reason));
  const start = performance.now();
  await made.compile(schema({ type: 'boolean' }));
  expect(performance.now() - start).toBeLessThan(6000);
  for (const error of await Promise.all(hostile)) expect(error).toMatchObject({ name: 'GrammarError', reason: expect.stringContaining('longer than 400 ms') as string });
  expect(reader(await made.compile(schema({ type: 'null' })))('null')).toBe(true);
});

test('memory is limited', async () => {
  const made = compiler({ memoryLimitMb: 24 });
  await expect(made.compile(slow(0))).rejects.toThrow(/24 MB of memory|longer than/);
  expect(reader(await made.compile(schema({ type: 'null' })))('null')).toBe(true);
});

test('an abort ends the wait, and the work where nobody else waits for it', async () => {
  const made = compiler();
  const controller = new AbortController();
  const [lone, shared, other] = [made.compile(slow(7), controller.signal), made.compile(schema({ const: 1 }), controller.signal), made.compile(schema({ const: 1 }))];
  controller.abort();
  await expect(lone).rejects.toThrow('abort');
  await expect(shared).rejects.toThrow('abort');
  expect(reader(await other)('1')).toBe(true);
  await expect(made.compile(schema({ const: 1 }), controller.signal)).rejects.toThrow('abort');
});

test('what is kept is bounded', async () => {
  const made = compiler({ maxEntries: 2 });
  const sources = ['a', 'b', 'c'].map((value) => schema({ const: value }));
  const grammars = [];
  for (const source of sources) grammars.push(await made.compile(source));
  expect(await made.compile(sources[2])).toBe(grammars[2]);
  expect(await made.compile(sources[0])).not.toBe(grammars[0]);
});

test('closing rejects what waits', async () => {
  const made = compiler();
  const waiting = made.compile(slow(9)).catch((reason: unknown) => reason);
  await made.close();
  expect(await waiting).toBeInstanceOf(Error);
  await expect(made.compile(schema(true))).rejects.toThrow('closed');
});
