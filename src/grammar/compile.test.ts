/** Sources that combine, against a reader of plain strings that knows nothing of automata. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomText, reader } from '../../test/support/grammar.ts';
import { AmbiguityError, Automaton } from './automaton.ts';
import { compileGrammar } from './compile.ts';
import type { GrammarSource } from './compile.ts';
import { GrammarError } from './error.ts';

const CALL: GrammarSource = { kind: 'schema', schema: { type: 'object', properties: { a: { type: 'integer' }, b: { enum: ['<t>', 'x'] } }, required: ['a'] }, options: { order: 'any', whitespace: 'compact', closed: true } };

function isCall(text: string): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  if (typeof value !== 'object' || value === null || JSON.stringify(value) !== text) return false;
  const { a, b, ...others } = value as Record<string, unknown>;
  return Number.isInteger(a) && (b === undefined || b === '<t>' || b === 'x') && Object.keys(others).length === 0;
}

/** Where a text of the source that begins at `from` may end. */
function endings(source: GrammarSource, text: string, from: number): Set<number> {
  const candidates = Array.from({ length: text.length - from + 1 }, (_, i) => from + i);
  const after = (starts: Iterable<number>, next: GrammarSource): Set<number> => new Set([...starts].flatMap((start) => [...endings(next, text, start)]));
  switch (source.kind) {
    case 'literal':
      return new Set(text.startsWith(source.text, from) ? [from + source.text.length] : []);
    case 'text':
      return new Set(candidates.filter((end) => !source.without.some((word) => text.slice(from, end).includes(word))));
    case 'schema':
      return new Set(candidates.filter((end) => isCall(text.slice(from, end))));
    case 'sequence':
      return source.parts.reduce((starts, part) => after(starts, part), new Set([from]));
    case 'either':
      return new Set(source.options.flatMap((option) => [...endings(option, text, from)]));
    case 'repeat': {
      let reached = new Set([from]);
      const out = new Set(source.min === 0 ? reached : []);
      for (let count = 1; count <= Math.min(source.max ?? Infinity, text.length + source.min + 1) && reached.size > 0; count++) {
        if (count > 1) reached = after(reached, { kind: 'literal', text: source.separator ?? '' });
        reached = after(reached, source.item);
        if (count >= source.min) for (const end of reached) out.add(end);
      }
      return out;
    }
    default:
      throw new Error(`no oracle for ${source.kind}`);
  }
}

const literal = fc.constantFrom('', 'a', 'ab', '<t>', '</t>', '\n', 'é');
const forbidden = fc.constantFrom('<t>', 'a', 'aab', 'ba', '</t>', 'é');
const { source } = fc.letrec<{ source: GrammarSource }>((tie) => ({
  source: fc.oneof(
    { depthSize: 'small', maxDepth: 3 },
    literal.map((text): GrammarSource => ({ kind: 'literal', text })),
    fc.uniqueArray(forbidden, { maxLength: 3 }).map((without): GrammarSource => ({ kind: 'text', without })),
    fc.constant(CALL),
    fc.array(tie('source'), { maxLength: 3 }).map((parts): GrammarSource => ({ kind: 'sequence', parts })),
    fc.array(tie('source'), { minLength: 1, maxLength: 3 }).map((options): GrammarSource => ({ kind: 'either', options })),
    fc
      .record({ item: tie('source'), min: fc.nat(2), more: fc.option(fc.nat(2)), separator: fc.constantFrom('', ',', '\n') })
      .map(({ item, min, more, separator }): GrammarSource => ({ kind: 'repeat', item, min, max: more === null ? null : min + more, separator })),
  ),
}));
const text = fc.array(fc.constantFrom('a', 'b', '<t>', '</t>', '<', 't>', '\n', ',', 'é', '{"a":1}', '{"b":"<t>","a":-2}', '{"a":1,"c":2}'), { maxLength: 7 }).map((pieces) => pieces.join(''));

test('takes what the parts take, one after the other', () => {
  fc.assert(
    fc.property(source, fc.array(text, { minLength: 6, maxLength: 10 }), fc.infiniteStream(fc.nat(0xffff)), (combined, texts, stream) => {
      const grammar = compileGrammar(combined);
      const takes = reader(grammar);
      for (const each of texts) expect(takes(each), JSON.stringify(each)).toBe(endings(combined, each, 0).has(each.length));
      const written = randomText(new Automaton(grammar), (n) => stream.next().value % n, 40);
      if (written !== null) expect(endings(combined, written, 0).has(written.length), JSON.stringify(written)).toBe(true);
    }),
    { numRuns: 400 },
  );
});

test('a whole answer: text, then calls, or text alone', () => {
  const call: GrammarSource = { kind: 'sequence', parts: [{ kind: 'literal', text: '<tool_call>\n' }, CALL, { kind: 'literal', text: '\n</tool_call>' }] };
  const prose: GrammarSource = { kind: 'text', without: ['<tool_call>'] };
  const takes = reader(compileGrammar({ kind: 'either', options: [prose, { kind: 'sequence', parts: [prose, { kind: 'repeat', item: call, min: 1, max: null, separator: '\n' }] }] }));
  const one = '<tool_call>\n{"a":1}\n</tool_call>';
  for (const each of ['', 'Hello <tool> {"a"', 'a < b', `${one}`, `Let me see.\n${one}`, `${one}\n${one}`, `<<tool_call${one}`]) expect(takes(each), each).toBe(true);
  for (const each of [`${one} and then`, 'so <tool_call>', `${one}${one}`, '<tool_call>\n{"a":1,"c":0}\n</tool_call>', '<tool_call>\n{"a": 1}\n</tool_call>']) expect(takes(each), each).toBe(false);
});

test('spaced JSON is that of json.dumps', () => {
  const takes = reader(compileGrammar({ kind: 'json-object', options: { whitespace: 'spaced' } }));
  expect(takes('{"a": [1, 2, {}], "b": {"c": null}}')).toBe(true);
  for (const other of ['{"a":1}', '{ "a": 1}', '{"a": [1,2]}', '{"a": 1,"b": 2}', '{"a": 1 }', '{"a": 1,\n"b": 2}']) expect(takes(other), other).toBe(false);
});

test.each<[unknown, readonly string[], readonly string[]]>([
  [{ properties: { a: true }, type: 'object' }, ['{}', '{"a":1}'], ['{"b":1}']],
  [{ properties: {}, type: 'object' }, ['{}'], ['{"b":1}']],
  [{ type: 'object' }, ['{"b":1}'], []],
  [{ properties: { a: true }, required: ['b'], type: 'object' }, ['{"b":1}', '{"a":1,"b":1}'], ['{"b":1,"c":1}']],
  [{ properties: { a: true }, additionalProperties: true, type: 'object' }, ['{"b":1}'], []],
  [{ properties: { a: true }, patternProperties: { '^x': true }, type: 'object' }, ['{"b":1}', '{"x":1}'], []],
  [{ properties: { a: true }, unevaluatedProperties: { type: 'null' }, type: 'object' }, ['{"b":null}'], ['{"b":1}']],
  [{ type: 'object', allOf: [{ properties: { a: true } }, { properties: { b: true } }] }, ['{"a":1,"b":1}'], ['{"a":1,"c":1}']],
  [{ type: 'object', properties: { a: { properties: { b: true }, type: 'object' } } }, ['{"a":{"b":1}}'], ['{"a":{"c":1}}']],
  [{ type: 'object', dependentRequired: { a: ['b'] } }, ['{"c":1}', '{"a":1,"b":1,"c":1}'], ['{"a":1}']],
  [{ type: 'object', oneOf: [{ properties: { a: true }, required: ['a'] }, { properties: { b: true }, required: ['b'] }] }, ['{"a":1}', '{"b":1}'], ['{"a":1,"b":1}', '{"a":1,"c":1}']],
])('closed: %j', (schema, valid, invalid) => {
  const takes = reader(compileGrammar({ kind: 'schema', schema, options: { closed: true } }));
  for (const each of valid) expect(takes(each), each).toBe(true);
  for (const each of invalid) expect(takes(each), each).toBe(false);
});

test.each<[unknown, string]>([
  [{ kind: 'either', options: [] }, 'no options'],
  [{ kind: 'sequence', parts: [{ kind: 'literal', text: 'a' }, { kind: 'schema', schema: { type: 'strang' } }] }, '/parts/1: type at /type'],
  [{ kind: 'repeat', item: { kind: 'regex', pattern: '\\b' }, min: 0, max: 2 }, '/item: regex at the root'],
  [{ kind: 'either', label: 'tools', options: [{ kind: 'schema', schema: false }] }, 'tools options/0: the root: no value'],
  [{ kind: 'repeat', item: { kind: 'literal', text: 'a' }, min: 3, max: 2 }, 'count down'],
  [{ kind: 'repeat', item: { kind: 'literal', text: 'a' }, min: 0, max: 1e9 }, 'whole numbers up to'],
  [{ kind: 'text', without: [''] }, 'not the empty one'],
  [{ kind: 'literal', text: '\ud800' }, 'well-formed'],
  [{ kind: 'sorcery' }, 'not a kind of source'],
  [{ kind: 'json-object', options: { whitespace: 'loose' } }, 'not known'],
])('refuses %j', (wrong, reason) => {
  expect(() => compileGrammar(wrong as GrammarSource)).toThrow(GrammarError);
  expect(() => compileGrammar(wrong as GrammarSource)).toThrow(reason);
});

const branches = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const object = (schema: unknown): GrammarSource => ({ kind: 'schema', schema });

test.each<[string, () => GrammarSource]>([
  ['anyOf of 10,000 objects', () => object({ anyOf: branches(10_000, (i) => ({ type: 'object', properties: { [`k${i}`]: { type: 'string' } }, required: [`k${i}`] })) })],
  ['anyOf of 10,000 constants', () => object({ anyOf: branches(10_000, (i) => ({ const: `v${i}` })) })],
  ['10,000 tools', () => ({ kind: 'either', options: branches(10_000, (i) => ({ kind: 'sequence', parts: [{ kind: 'literal', text: `tool_${i}` }, object({ type: 'object', properties: { a: { type: 'string' } } })] })) })],
  ['an enum of megabytes', () => object({ enum: branches(100, (i) => `${i}`.repeat(20_000)) })],
  ['unique items of 100,000', () => object({ type: 'array', uniqueItems: true, minItems: 900, items: { enum: branches(100_000, (i) => i) } })],
  ['unique texts of a large language', () => object({ type: 'array', uniqueItems: true, items: { type: 'string', pattern: '^([a-z]{1,40}-){1,20}$', maxLength: 900 } })],
  ['contraries of patterns', () => object({ allOf: branches(12, (i) => ({ not: { patternProperties: { [`a{${i}}.*b${i}`]: { type: 'string' } } } })) })],
  ['contraries of large values', () => object({ not: { enum: branches(300, (i) => ({ a: i, b: [i, { c: i }] })) } })],
  ['references in a circle', () => object({ $ref: '#/$defs/a', $defs: { a: { anyOf: [{ $ref: '#/$defs/b' }, { items: { $ref: '#/$defs/a' } }] }, b: { allOf: [{ $ref: '#/$defs/c' }] }, c: { oneOf: [{ $ref: '#/$defs/a' }] } } })],
  ['text without 1,000 long words', () => ({ kind: 'text', without: branches(1000, (i) => `${i}`.repeat(500)) })],
  ['text without many letters', () => ({ kind: 'text', without: branches(1000, (i) => String.fromCodePoint(0x4e00 + i, 0x5e00 + i, 0x6e00 + i)) })],
  ['repetitions of repetitions', () => branches(12, (i) => i).reduce<GrammarSource>((item, i) => ({ kind: 'repeat', item: { kind: 'sequence', parts: [item, item] }, min: i % 2 === 0 ? 1000 : 0, max: 1000 }), { kind: 'literal', text: 'a' })],
  ['repetitions in EBNF', () => ({ kind: 'ebnf', text: `root ::= ${'('.repeat(40)}"a" b${'){0,1000}'.repeat(40)}\nb ::= "b" b | "c"` })],
  ['many rules', () => ({ kind: 'ebnf', text: `root ::= r0\n${branches(15_000, (i) => `r${i} ::= "a" r${(i + 1) % 15_000} | "b" r${(i * 7) % 15_000} | "c"`).join('\n')}` })],
  ['a catastrophic pattern', () => ({ kind: 'regex', pattern: '((a|b)*a(a|b){18}|(a+)+$|(.*x){30}){3,9}' })],
  ['conditions in a tower', () => object(branches(150, (i) => i).reduce<unknown>((inner, i) => ({ if: { required: [`k${i}`] }, else: { anyOf: [inner, { type: 'null' }] } }), { type: 'object' }))],
  ['oneOf of references', () => object({ oneOf: branches(200, (i) => ({ $ref: `#/$defs/d${i}` })), $defs: Object.fromEntries(branches(200, (i) => [`d${i}`, { type: 'object', properties: { next: { oneOf: branches(20, (j) => ({ $ref: `#/$defs/d${(i * j) % 200}` })) } }, additionalProperties: { type: 'integer' } }])) })],
])('hostile: %s', (_, make) => {
  const start = performance.now();
  try {
    const grammar = compileGrammar(make());
    randomText(new Automaton(grammar), (n) => n >> 1, 50);
  } catch (error) {
    if (!(error instanceof GrammarError || error instanceof AmbiguityError)) throw error;
  }
  expect(performance.now() - start).toBeLessThan(20_000);
});

test('a grammar of countless readings is read in little time', () => {
  const takes = reader(compileGrammar({ kind: 'ebnf', text: 'root ::= s "."\ns ::= "a" s s | "a" | "a" s' }));
  expect(takes(`${'a'.repeat(300)}.`)).toBe(true);
  expect(takes(`${'a'.repeat(300)}b.`)).toBe(false);
});

test('parts that nest too deep, or grow too large, are refused', () => {
  let deep: GrammarSource = { kind: 'literal', text: 'a' };
  for (let i = 0; i < 100; i++) deep = { kind: 'sequence', parts: [deep] };
  expect(() => compileGrammar(deep)).toThrow('deeper than 64');
  let wide: GrammarSource = { kind: 'literal', text: 'a' };
  for (let i = 0; i < 8; i++) wide = { kind: 'repeat', item: { kind: 'sequence', parts: [wide, wide] }, min: 1000, max: 1000 };
  expect(() => compileGrammar(wide)).not.toThrow();
});
