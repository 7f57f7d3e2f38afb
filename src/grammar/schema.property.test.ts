/** Random schemas: what the grammar takes is what an independent validator calls valid, and every prefix leads somewhere. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomText, reader } from '../../test/support/grammar.ts';
import { Automaton } from './automaton.ts';
import { GrammarError } from './error.ts';
import { compileSchema } from './schema.ts';

type Schema = boolean | Record<string, unknown>;

const NAMES = ['a', 'b', 'c', 'x1'];
const name = fc.constantFrom(...NAMES);
const PATTERNS = ['^a', 'b$', '^[a-c]+$', 'a.c', '^(ab|c)*$', '[0-9]', '^x\\d{1,2}$'];
const small = fc.integer({ min: 0, max: 3 });
const numeral = fc.constantFrom(-3, -1.5, 0, 0.5, 1, 2, 2.5, 7, 10, 100);
const scalar = fc.oneof(fc.constant(null), fc.boolean(), numeral, fc.constantFrom('', 'a', 'ab', 'abc', 'b1', 'é"\\', '😀'));

/** As a request would bring it. */
const parsed = <T>(json: T): T => JSON.parse(JSON.stringify(json)) as T;

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 3 },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(name, fc.constantFrom('ab', 'zz', 'x12')), tie('value'), { maxKeys: 4 }),
  ),
}));

function some(arbitraries: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(arbitraries, { requiredKeys: [] });
}

const { schema } = fc.letrec<{ schema: Schema }>((tie) => {
  const sub = tie('schema');
  const list = fc.array(sub, { minLength: 1, maxLength: 3 });
  return {
    schema: fc.oneof(
      { depthSize: 'small', maxDepth: 3, withCrossShrink: true },
      fc.constantFrom<Schema>(true, {}, { type: 'string' }, { type: 'integer' }, { type: ['null', 'boolean'] }, { enum: ['a', 1, null] }),
      some({ type: fc.constantFrom('number', 'integer'), minimum: numeral, maximum: numeral, exclusiveMinimum: numeral, exclusiveMaximum: numeral, multipleOf: fc.constantFrom(1, 2, 3, 0.5, 2.5) }),
      some({ type: fc.constant('string'), minLength: small, maxLength: small, pattern: fc.constantFrom(...PATTERNS) }),
      some({ type: fc.constant('array'), prefixItems: fc.array(sub, { minLength: 1, maxLength: 2 }), items: sub, minItems: small, maxItems: small }),
      some({ type: fc.constant('array'), items: fc.oneof(sub, fc.constantFrom({ type: 'string' }, { type: 'integer', maximum: 2 }, { pattern: '^a', type: 'string', maxLength: 2 }, { enum: ['a', 'ab', 1, null, true] })), minItems: small, maxItems: small, uniqueItems: fc.boolean() }),
      some({ type: fc.constant('array'), items: sub, minItems: small, contains: fc.constantFrom({ type: 'string' }, { minimum: 1 }, { const: 'a' }), minContains: small, maxContains: small }),
      some({
        type: fc.constant('object'),
        properties: fc.dictionary(name, sub, { maxKeys: 3 }),
        required: fc.uniqueArray(name, { maxLength: 2 }),
        additionalProperties: sub,
        patternProperties: fc.dictionary(fc.constantFrom(...PATTERNS), sub, { maxKeys: 2 }),
        minProperties: small,
        maxProperties: small,
        propertyNames: fc.constantFrom({ pattern: '^[a-z]' }, { maxLength: 2 }, { enum: NAMES }),
        dependentRequired: fc.dictionary(name, fc.uniqueArray(name, { maxLength: 2 }), { maxKeys: 2 }),
        unevaluatedProperties: sub,
      }),
      some({ const: scalar }),
      some({ enum: fc.array(value, { minLength: 1, maxLength: 3 }) }),
      some({ allOf: list, anyOf: list, oneOf: list, not: sub, ...Object.fromEntries(['if', 'then', 'else'].map((keyword) => [keyword, sub])) }),
      some({ anyOf: list, properties: fc.dictionary(name, sub, { maxKeys: 2 }), unevaluatedProperties: fc.constant(false) }),
      some({ oneOf: list }),
      some({ dependentSchemas: fc.dictionary(name, sub, { maxKeys: 1 }), prefixItems: list, unevaluatedItems: fc.constant(false) }),
    ) as fc.Arbitrary<Schema>,
  };
});

/** The verdict is null where the validator breaks down (it does on some schemas with always-true items). */
function validator(root: Schema): (data: unknown) => boolean | null {
  const guarded = <T>(work: () => T): T | null => {
    try {
      return work();
    } catch (error) {
      if (error instanceof ReferenceError) return null;
      throw error;
    }
  };
  const validate = guarded(() => new Ajv2020({ strict: false, logger: false, validateFormats: false }).compile(root));
  return (data) => (validate === null ? null : guarded(() => validate(data) as boolean));
}

function compiled(root: Schema, order: 'any' | 'declared'): Automaton | 'nothing' | null {
  try {
    return new Automaton(compileSchema(root, { order }));
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    return error.message.includes('no value satisfies') ? 'nothing' : null;
  }
}

const RUNS = { numRuns: 800 };

test('takes what is valid and nothing else', () => {
  let taken = 0;
  let refused = 0;
  fc.assert(
    fc.property(schema.map(parsed), fc.array(value, { minLength: 8, maxLength: 16 }).map(parsed), (root, values) => {
      const automaton = compiled(root, 'any');
      if (automaton === null) {
        refused++;
        return;
      }
      const valid = validator(root);
      taken++;
      const takes = automaton === 'nothing' ? () => false : reader(compileSchema(root, { order: 'any' }));
      for (const data of values) {
        const expected = valid(data);
        if (expected !== null) expect(takes(JSON.stringify(data)), JSON.stringify(data)).toBe(expected);
      }
    }),
    RUNS,
  );
  expect(taken).toBeGreaterThan(3 * refused);
});

test.each(['any', 'declared'] as const)('whatever is written is valid, and never ends in a dead end (%s order)', (order) => {
  fc.assert(
    fc.property(schema.map(parsed), fc.infiniteStream(fc.nat(0xffff)), (root, stream) => {
      const automaton = compiled(root, order);
      if (automaton === null || automaton === 'nothing') return;
      const random = (n: number): number => stream.next().value % n;
      const valid = validator(root);
      for (let i = 0; i < 4; i++) {
        const text = randomText(automaton, random, 160);
        if (text !== null) expect(valid(JSON.parse(text)), text).not.toBe(false);
      }
    }),
    { numRuns: 400 },
  );
});
