import { describe, expect, test } from 'vitest';
import { reader } from '../../test/support/grammar.ts';
import { GrammarError } from './error.ts';
import { compileSchema } from './schema.ts';
import type { SchemaOptions } from './schema.ts';

const takes = (schema: unknown, options?: SchemaOptions): ((text: string) => boolean) => reader(compileSchema(schema, options));

function refusal(schema: unknown, options?: SchemaOptions): GrammarError {
  try {
    compileSchema(schema, options);
  } catch (error) {
    if (error instanceof GrammarError) return error;
    throw error;
  }
  throw new Error(`not refused: ${JSON.stringify(schema)?.slice(0, 200)}`);
}

const PERSON = { $schema: 'http://json-schema.org/draft-07/schema#', title: 'Person', type: 'object', properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 0 }, mail: { type: 'string' } }, required: ['name'] };

describe('property order', () => {
  test('declared: optional ones may be left out, others follow', () => {
    const person = takes(PERSON);
    for (const text of ['{"name":"a"}', '{"name": "a", "age": 3}', '{"name":"a","mail":"m"}', '{"name":"a","age":3,"mail":"m","other":[1]}']) expect(person(text), text).toBe(true);
    for (const text of ['{"age":3,"name":"a"}', '{"age":3}', '{"name":"a","name":"b"}', '{"name":"a","age":-1}', '{"name":"a","other":1,"age":3}']) expect(person(text), text).toBe(false);
  });

  test('any: as the model likes, each once', () => {
    const person = takes(PERSON, { order: 'any' });
    for (const text of ['{"age":3,"name":"a"}', '{"other":1,"mail":"m","name":"a"}']) expect(person(text), text).toBe(true);
    for (const text of ['{"age":3}', '{"name":"a","age":1,"age":2}']) expect(person(text), text).toBe(false);
  });

  test('a key spelled with escapes is the same key', () => {
    const closed = takes({ properties: { ab: { type: 'integer' } }, additionalProperties: { type: 'string' } }, { order: 'any' });
    expect(closed('{"\\u0061b":"x"}')).toBe(false);
    expect(closed('{"\\u0061c":"x"}')).toBe(true);
  });
});

describe('white space', () => {
  test('flexible: compact and indented text, and no more of it than that', () => {
    const value = { name: 'a', list: [1, { deep: [] }, 'x'] };
    const object = takes({ type: 'object' });
    for (const indent of [undefined, 2, 4, '\t']) expect(object(JSON.stringify(value, null, indent))).toBe(true);
    expect(object('{"a": 1, "b": [2, 3]}')).toBe(true);
    expect(object(`{${' '.repeat(80)}"a":1}`)).toBe(false);
    expect(object('{\n\n\n"a":1}')).toBe(false);
  });

  test('compact: none', () => {
    const object = takes({ type: 'object' }, { whitespace: 'compact' });
    expect(object('{"a":[1,2]}')).toBe(true);
    expect(object('{"a": 1}')).toBe(false);
  });
});

test('numbers and nesting are bounded', () => {
  const anything = takes(true);
  expect(anything('9'.repeat(21))).toBe(true);
  expect(anything('9'.repeat(22))).toBe(false);
  expect(anything(`0.${'3'.repeat(60)}`)).toBe(false);
  expect(anything('1e308')).toBe(false);
  expect(anything('-1.5e-7')).toBe(true);
  expect(anything('['.repeat(64) + ']'.repeat(64))).toBe(true);
  expect(anything('['.repeat(65))).toBe(false);
});

test.each([
  [{ minimum: 0, maximum: 255, type: 'integer' }, ['0', '255', '99'], ['-1', '256', '1.5', '00', '-0']],
  [{ exclusiveMinimum: 0, maximum: 0.5, type: 'number' }, ['0.1', '0.5', '0.001'], ['0', '0.6', '-0.1', '0.51']],
  [{ multipleOf: 0.01, type: 'number' }, ['0.01', '12.34', '5'], ['0.001', '1.234']],
  [{ multipleOf: 7, minimum: 10, type: 'integer' }, ['14', '700'], ['7', '15']],
  [{ type: 'number', not: { type: 'integer' } }, ['1.5'], ['1', '1.0']],
  [{ type: 'string', minLength: 2, maxLength: 3 }, ['"ab"', '"😀é"', '"\\ud83d\\ude00a"'], ['"a"', '"abcd"', '"\\ud83d\\ude00"', '"\\ud83d"']],
  [{ type: 'string', pattern: '^a+$', maxLength: 3 }, ['"aaa"'], ['"aaaa"', '"b"', '""']],
  [{ type: 'string', pattern: 'b' }, ['"abc"'], ['"ac"']],
  [{ type: 'string', pattern: '^(?!no)[a-z]+$' }, ['"yes"', '"n"'], ['"no"', '"none"']],
  [{ type: 'string', format: 'date' }, ['"2024-02-29"'], ['"2023-02-29"', '"2024-13-01"']],
  [{ type: 'string', format: 'ipv4' }, ['"127.0.0.1"'], ['"256.0.0.1"']],
  [{ const: { a: [1, null] } }, ['{"a":[1,null]}'], ['{"a":[1]}', '{}']],
  [{ enum: ['a', 1, null, true] }, ['"a"', '1', 'null', 'true'], ['"b"', '2', 'false']],
  [{ items: [{ type: 'integer' }], additionalItems: false, minItems: 1 }, ['[1]'], ['[]', '[1,2]', '["a"]']],
  [{ allOf: [{ required: ['a'] }, { properties: { a: { minimum: 3 } } }], type: 'object' }, ['{"a":3}', '{"a":"x"}'], ['{}', '{"a":2}']],
  [{ type: 'object', dependencies: { a: ['b'] }, additionalProperties: { type: 'integer' } }, ['{"b":1}', '{"b":1,"a":2}', '{}'], ['{"a":1}']],
  [{ oneOf: [{ type: 'integer', minimum: 3 }, { type: 'integer', maximum: 5 }] }, ['2', '6'], ['4', '"a"']],
  [JSON.parse('{"type":"object","if":{"properties":{"kind":{"const":"a"}},"required":["kind"]},"then":{"required":["x"]}}'), ['{"kind":"b"}', '{"kind":"a","x":1}'], ['{"kind":"a"}']],
  [{ type: 'object', patternProperties: { '^n_': { type: 'number' } }, additionalProperties: false }, ['{"n_a":1}', '{}'], ['{"n_a":"x"}', '{"m":1}']],
  [{ type: 'array', contains: { const: 1 }, maxContains: 1 }, ['[1]', '[2,1]'], ['[]', '[1,1]', '[2]']],
  [{ type: 'object', not: { patternProperties: { '^n_': { type: 'number' } } } }, ['{"n_a":"x"}', '{"n_a":1,"m":2,"n_b":null}'], ['{}', '{"n_a":1}', '{"m":"x"}']],
  [{ type: 'object', not: { properties: { a: true }, additionalProperties: { type: 'number' } } }, ['{"b":"x"}', '{"a":1,"b":null}'], ['{"a":"x"}', '{"b":1}']],
  [{ type: 'object', not: { propertyNames: { pattern: '^[a-z]+$' } } }, ['{"A":1}', '{"a":1,"":2}'], ['{"a":1}', '{}']],
  [{ not: { const: { a: [1] } } }, ['{"a":[1,2]}', '{"a":[2]}', '{"a":[]}', '{}', '{"a":[1],"b":0}', '[1]', '1'], ['{"a":[1]}']],
  [{ oneOf: [{ type: 'object', additionalProperties: { type: 'string' } }, { type: 'object', required: ['a'] }] }, ['{"b":"x"}', '{"a":1}'], ['{"a":"x"}', '{"b":1}']],
  [{ type: 'object', minProperties: 3 }, ['{"a":1,"b":2,"c":3}', '{"a":1,"b":2,"c":3,"d":1}'], ['{"a":1,"b":2}', '{}']],
  [{ allOf: [{ not: { additionalProperties: { type: 'number' } } }, { not: { additionalProperties: { type: 'string' } } }], type: 'object' }, ['{"a":1,"b":"x"}', '{"b":"x","a":1}', '{"a":null}'], ['{"a":1}', '{"a":"x"}', '{}']],
  [{ type: 'array', uniqueItems: true, items: { type: 'string' } }, ['[]', '["a","b"]', '["a","aa","a\\"","é"]'], ['["a","a"]', '["a","b","\\u0061"]', '[1]']],
  [{ type: 'array', uniqueItems: true, items: { enum: ['a', 'b', 1, null] }, minItems: 2 }, ['["a","b"]', '[null,1,"b","a"]'], ['["a","a"]', '["a"]', '["a","b",1,null,1]']],
  [{ type: 'array', uniqueItems: true, items: { type: 'integer' } }, ['[1,2,-1,0]'], ['[1,1]', '[0,10,0]', '[1.0,1]']],
  [{ type: 'array', uniqueItems: true, items: { type: 'string', pattern: '^a?b$', maxLength: 5 } }, ['["b","ab"]'], ['["b","b"]', '["b","ab","b"]']],
  [{ $ref: '#/$defs/t', $defs: { t: { type: 'object', properties: { next: { $ref: '#/$defs/t' } }, additionalProperties: false } } }, ['{}', '{"next":{"next":{}}}'], ['{"next":1}']],
])('%j', (schema, valid, invalid) => {
  const judge = takes(schema, { order: 'any' });
  for (const text of valid) expect(judge(text), text).toBe(true);
  for (const text of invalid) expect(judge(text), text).toBe(false);
});

test.each([
  [{ type: 'object', properties: { a: { type: 'array', uniqueItems: true } } }, 'uniqueItems', '/properties/a/uniqueItems'],
  [{ items: { type: 'number' }, uniqueItems: true }, 'uniqueItems', '/uniqueItems'],
  [{ pattern: '(a)\\1' }, 'pattern', '/pattern'],
  [{ pattern: '\\bword' }, 'pattern', '/pattern'],
  [{ $ref: 'https://example.org/other.json' }, '$ref', '/$ref'],
  [{ not: { unevaluatedProperties: { type: 'string' } } }, 'unevaluatedProperties', '/not/unevaluatedProperties'],
  [{ format: 'idn-email' }, 'format', '/format'],
  [{ minProperties: 33 }, 'minProperties', '/minProperties'],
  [{ type: 'strang' }, 'type', '/type'],
  [{ properties: { a: { minLength: -1 } } }, 'minLength', '/properties/a/minLength'],
  [{ $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' }, '$ref', '/$defs/a'],
])('refuses %j, and says why', (schema, keyword, pointer) => {
  const error = refusal(schema);
  expect(error.keyword).toBe(keyword);
  expect(error.pointer).toBe(pointer);
  expect(error.message).toContain(keyword);
});

test('keys that may repeat are ruled out where they count', () => {
  const witness = takes({ type: 'object', not: { additionalProperties: { type: 'number' } } }, { order: 'any' });
  expect(witness('{"a":"x","b":1}')).toBe(true);
  expect(witness('{"a":"x","a":1}')).toBe(false);
  const three = takes({ type: 'object', minProperties: 3 });
  expect(three('{"a":1,"b":2,"a":3}')).toBe(false);
});

test('what nothing satisfies is refused', () => {
  for (const schema of [{ type: 'array', items: { type: 'boolean' }, uniqueItems: true, minItems: 3 }, false, { type: 'object', required: ['a'], properties: { a: { $ref: '#' } } }, { allOf: [{ type: 'string' }, { type: 'null' }] }]) {
    expect(refusal(schema).message).toContain('no value satisfies');
  }
});

test('names of every object, like constructor, are keys like others', () => {
  const judge = takes(JSON.parse('{"properties":{"__proto__":{"type":"integer"},"constructor":{"type":"null"}},"required":["constructor"],"additionalProperties":false,"toString":1}'), { order: 'any' });
  expect(judge('{"constructor":null,"__proto__":1}')).toBe(true);
  expect(judge('{"__proto__":1}')).toBe(false);
  expect(judge('{"constructor":1}')).toBe(false);
  expect(refusal({ type: 'toString' }).keyword).toBe('type');
});

describe('hostile schemas end, refused or not', () => {
  const nested = (depth: number, wrap: (inner: unknown) => unknown): unknown => {
    let schema: unknown = { type: 'string' };
    for (let i = 0; i < depth; i++) schema = wrap(schema);
    return schema;
  };
  const attempt = (schema: unknown): void => {
    try {
      takes(schema)('{"a":1}');
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
    }
  };

  test.each<[string, () => unknown]>([
    ['nesting of 100,000', () => nested(100_000, (inner) => ({ items: inner }))],
    ['nesting of anyOf', () => nested(400, (inner) => ({ anyOf: [inner, { type: 'null' }] }))],
    ['a schema that contains itself', () => {
      const schema: Record<string, unknown> = { type: 'array' };
      schema.items = schema;
      return schema;
    }],
    ['an enum of 200,000', () => ({ enum: Array.from({ length: 200_000 }, (_, i) => `value ${i}`) })],
    ['the contrary of an enum of 50,000', () => ({ not: { enum: Array.from({ length: 50_000 }, (_, i) => `value ${i}`) } })],
    ['a catastrophic pattern', () => ({ type: 'string', pattern: '^(a+)+(b|a)*(.*a){12}$' })],
    ['exponential subsets', () => ({ type: 'string', pattern: '(a|b)*a(a|b){24}' })],
    ['huge repetitions', () => ({ type: 'string', pattern: '((a{1,1000}){1,1000}){1,1000}' })],
    ['huge lengths', () => ({ type: 'string', pattern: 'a.*b', minLength: 10_000_000, maxLength: 20_000_000 })],
    ['huge arrays', () => ({ type: 'array', minItems: 1e15 })],
    ['anyOf to the power of 20', () => ({ allOf: Array.from({ length: 20 }, (_, i) => ({ anyOf: Array.from({ length: 10 }, (_2, j) => ({ required: [`k${i}_${j}`] })) })) })],
    ['oneOf of 500 objects', () => ({ oneOf: Array.from({ length: 500 }, (_, i) => ({ properties: { [`k${i}`]: { type: 'string' } } })) })],
    ['references that double', () => ({ $ref: '#/$defs/d0', $defs: Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`d${i}`, i === 59 ? { type: 'null' } : { anyOf: [{ items: { $ref: `#/$defs/d${i + 1}` } }, { properties: { a: { $ref: `#/$defs/d${i + 1}` } } }] }])) })],
    ['patternProperties that overlap', () => ({ patternProperties: Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`x${i}.*y`, { minimum: i }])) })],
    ['multiples of many numbers', () => ({ allOf: [997, 991, 983, 977].map((multipleOf) => ({ multipleOf })) })],
    ['5,000 properties', () => ({ properties: Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`property_${i}`, { type: 'string' }])) })],
  ])('%s', (_, make) => {
    attempt(make());
  });
});
