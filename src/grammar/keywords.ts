/** Keywords that speak of one type: their values are checked here and become sets and shapes. */
import { get, isObject } from './document.ts';
import type { Json, JsonObject, SchemaNode } from './document.ts';
import { uniteDfa } from './dfa.ts';
import type { Dfa } from './dfa.ts';
import { BudgetError, GrammarError } from './error.ts';
import { FORMATS, REFUSED_FORMATS } from './formats.ts';
import { regexDfa } from './nfa.ts';
import type { Normalizer } from './normalize.ts';
import { ANY_NUMBER, exactly, intersectNumbers, multipleOf } from './numbers.ts';
import type { NumberSet } from './numbers.ts';
import { RegexError } from './regex.ts';
import { ANY_ARRAY, ANY_OBJECT, FALSE, NOTHING, TRUE } from './shapes.ts';
import type { ArrayShape, Layer, ObjectShape, Shapes, Term } from './shapes.ts';
import { ANY_STRING, dfaOfStrings, intersectStrings, withLengths, wordSet } from './strings.ts';
import type { StringSet } from './strings.ts';

const at = (node: SchemaNode, ...steps: readonly (string | number)[]): string => [node.pointer, ...steps].join('/');

/** A whole number from 0 on. */
export function size(node: SchemaNode, schema: JsonObject, keyword: string, otherwise: number): number {
  const value = get(schema, keyword);
  if (value === undefined) return otherwise;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw new GrammarError(keyword, at(node, keyword), `must be a whole number from 0 on, not ${JSON.stringify(value)}`);
  return value;
}

function number(node: SchemaNode, schema: JsonObject, keyword: string): number | null {
  const value = get(schema, keyword);
  if (value === undefined) return null;
  if (typeof value !== 'number') throw new GrammarError(keyword, at(node, keyword), `must be a number, not ${JSON.stringify(value)}`);
  return value;
}

/** Null where no number will do. Draft 4 has booleans for exclusiveMinimum and exclusiveMaximum. */
export function numberSet(node: SchemaNode, schema: JsonObject): NumberSet | null {
  let set: NumberSet | null = ANY_NUMBER;
  const bound = (side: 'min' | 'max', keyword: string, value: number | null, exclusive: boolean): void => {
    if (value !== null && set !== null) set = intersectNumbers(set, { ...ANY_NUMBER, [side]: { value, exclusive } });
  };
  for (const [side, inclusive, exclusive] of [['min', 'minimum', 'exclusiveMinimum'], ['max', 'maximum', 'exclusiveMaximum']] as const) {
    const flag = get(schema, exclusive);
    bound(side, inclusive, number(node, schema, inclusive), flag === true);
    if (typeof flag !== 'boolean') bound(side, exclusive, number(node, schema, exclusive), true);
  }
  const divisor = number(node, schema, 'multipleOf');
  if (divisor !== null && set !== null) {
    if (divisor <= 0) throw new GrammarError('multipleOf', at(node, 'multipleOf'), 'must be above 0');
    const condition = multipleOf(divisor);
    if (condition === null) throw new GrammarError('multipleOf', at(node, 'multipleOf'), `${divisor} has too many digits to be exact`);
    set = intersectNumbers(set, { ...ANY_NUMBER, conditions: [condition] });
  }
  return set;
}

const compiled = new Map<string, Dfa | null>();

/** Errors name the keyword and its place. */
export function compilePattern(node: SchemaNode, keyword: string, pattern: string, whole: boolean): Dfa | null {
  const key = `${whole ? '=' : '~'}${pattern}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  try {
    const dfa = regexDfa(pattern, { whole });
    if (compiled.size > 500) compiled.clear();
    compiled.set(key, dfa);
    return dfa;
  } catch (error) {
    if (error instanceof RegexError || error instanceof BudgetError) throw new GrammarError(keyword, at(node, keyword), `${JSON.stringify(pattern.slice(0, 200))}: ${error.message}`);
    throw error;
  }
}

/** Null where no string will do. */
export function stringSet(normalizer: Normalizer, node: SchemaNode, schema: JsonObject): StringSet | null {
  let set: StringSet | null = ANY_STRING;
  const min = size(node, schema, 'minLength', 0);
  const max = size(node, schema, 'maxLength', Infinity);
  const pattern = get(schema, 'pattern');
  const format = get(schema, 'format');
  if (pattern !== undefined) {
    if (typeof pattern !== 'string') throw new GrammarError('pattern', at(node, 'pattern'), 'must be a string');
    const dfa = compilePattern(node, 'pattern', pattern, false);
    normalizer.budget.spend(dfa === null ? 0 : dfa.accepting.length);
    set = dfa === null ? null : { ...ANY_STRING, dfa };
  }
  if (typeof format === 'string' && normalizer.formats === 'assert' && set !== null) {
    const language = formatSet(node, format);
    if (language !== null) set = intersectStrings(set, language);
  }
  if (set === null || (min === 0 && max === Infinity)) return set;
  return intersectStrings(set, withLengths(null, min, max) ?? wordSet([]));
}

/** Null for names that the standard doesn't know: those are annotations. */
function formatSet(node: SchemaNode, name: string): StringSet | null {
  if (REFUSED_FORMATS.has(name)) throw new GrammarError('format', at(node, 'format'), `"${name}" can't be enforced exactly`);
  if (!Object.hasOwn(FORMATS, name)) return null;
  const { pattern, maxLength } = FORMATS[name];
  return withLengths(compilePattern(node, 'format', pattern, true), 0, maxLength ?? Infinity);
}

/** Null where the schema says nothing of arrays. */
export function arrayShape(normalizer: Normalizer, node: SchemaNode, schema: JsonObject): ArrayShape | null {
  const items = get(schema, 'items');
  const listed = get(schema, 'prefixItems') ?? (Array.isArray(items) ? items : undefined);
  const keyword = get(schema, 'prefixItems') === undefined ? 'items' : 'prefixItems';
  if (listed !== undefined && !Array.isArray(listed)) throw new GrammarError(keyword, at(node, keyword), 'must be a list of schemas');
  const prefix = ((listed ?? []) as readonly Json[]).map((item, i) => normalizer.childTerm(node, item, keyword, i));
  const [others, restKeyword] = Array.isArray(items) ? [get(schema, 'additionalItems'), 'additionalItems'] : [items, 'items'];
  const min = size(node, schema, 'minItems', 0);
  const max = size(node, schema, 'maxItems', Infinity);
  const contains = containsOf(normalizer, node, schema);
  const unique = get(schema, 'uniqueItems') === true;
  if (prefix.length === 0 && others === undefined && min === 0 && max === Infinity && contains === null && !unique) return null;
  const rest = others === undefined ? TRUE : normalizer.childTerm(node, others, restKeyword);
  return { ...ANY_ARRAY, prefix, rest, min, max, contains, unique, evaluated: !normalizer.terms.tracksEvaluated ? 0 : others === undefined ? prefix.length : Infinity };
}

function containsOf(normalizer: Normalizer, node: SchemaNode, schema: JsonObject): ArrayShape['contains'] {
  const value = get(schema, 'contains');
  if (value === undefined) return null;
  const min = size(node, schema, 'minContains', 1);
  const max = size(node, schema, 'maxContains', Infinity);
  const term = normalizer.childTerm(node, value, 'contains');
  return min === 0 && max === Infinity && !normalizer.terms.tracksEvaluated ? null : { term, min, max };
}

export function requiredNames(node: SchemaNode, schema: JsonObject): readonly string[] {
  const required = get(schema, 'required');
  if (required === undefined) return [];
  if (!Array.isArray(required) || required.some((name) => typeof name !== 'string')) throw new GrammarError('required', at(node, 'required'), 'must be a list of names');
  return [...new Set(required as readonly string[])].sort();
}

/** Null where the schema says nothing of objects. */
export function objectShape(normalizer: Normalizer, node: SchemaNode, schema: JsonObject): ObjectShape | null {
  const layer = layerOf(normalizer, node, schema);
  const required = requiredNames(node, schema);
  const min = size(node, schema, 'minProperties', 0);
  const max = size(node, schema, 'maxProperties', Infinity);
  const names = get(schema, 'propertyNames');
  const empty = layer === null && required.length === 0 && min === 0;
  if (empty && max === Infinity && names === undefined) return null;
  const all = get(schema, 'additionalProperties') !== undefined;
  const looked = layer === null || !normalizer.terms.tracksEvaluated ? [] : all ? null : [layer];
  const shape: ObjectShape = { ...ANY_OBJECT, layers: layer === null ? [] : [layer], required, min, max, evaluated: looked };
  if (names === undefined) return shape;
  const term = normalizer.childTerm(node, names, 'propertyNames');
  if (term === TRUE) return shape;
  const keys = keysOf(normalizer, term);
  // No name will do: only the empty object is left.
  return keys === null ? { ...shape, max: 0 } : { ...shape, keys };
}

/** The keys that propertyNames allows; null where none are. */
export function keysOf(normalizer: Normalizer, term: Term): Dfa | null {
  return normalizer.shapes(term).strings.map(dfaOfStrings).reduce<Dfa | null>((sum, dfa) => (sum === null || dfa === null ? (sum ?? dfa) : uniteDfa(sum, dfa)), null);
}

export function layerOf(normalizer: Normalizer, node: SchemaNode, schema: JsonObject): Layer | null {
  const properties = get(schema, 'properties');
  const patterns = get(schema, 'patternProperties');
  const additional = get(schema, 'additionalProperties');
  if (properties === undefined && patterns === undefined && additional === undefined) return null;
  for (const [keyword, value] of [['properties', properties], ['patternProperties', patterns]] as const) {
    if (value !== undefined && !isObject(value)) throw new GrammarError(keyword, at(node, keyword), 'must be an object of schemas');
  }
  return normalizer.layer(`node ${node.id}`, () => ({
    named: new Map(Object.entries((properties ?? {}) as JsonObject).map(([name, value]) => [name, normalizer.childTerm(node, value, 'properties', name)])),
    patterns: Object.entries((patterns ?? {}) as JsonObject).map(([source, value]) => ({
      source,
      dfa: compilePattern(node, 'patternProperties', source, false),
      term: normalizer.childTerm(node, value, 'patternProperties', source),
    })),
    additional: additional === undefined ? TRUE : normalizer.childTerm(node, additional, 'additionalProperties'),
    says: patterns === undefined && additional === undefined ? 'properties' : 'others',
  }));
}

/** The values of enum and const; null where there is neither. */
export function valueShapes(normalizer: Normalizer, node: SchemaNode, schema: JsonObject): Shapes | null {
  const listed = get(schema, 'enum');
  const constant = get(schema, 'const');
  if (listed !== undefined && !Array.isArray(listed)) throw new GrammarError('enum', at(node, 'enum'), 'must be a list of values');
  const of = (values: readonly Json[]): Shapes => {
    normalizer.budget.spend(values.length);
    const words = values.filter((value) => typeof value === 'string');
    return values.reduce<Shapes>((sum, value) => (typeof value === 'string' ? sum : normalizer.or(sum, shapesOfValue(normalizer, node, value))), words.length === 0 ? NOTHING : { ...NOTHING, strings: [wordSet(words)] });
  };
  const shapes = [...(listed === undefined ? [] : [of(listed as readonly Json[])]), ...(constant === undefined ? [] : [of([constant])])];
  return shapes.length === 0 ? null : shapes.reduce((a, b) => normalizer.and(a, b));
}

export function termOfValue(normalizer: Normalizer, node: SchemaNode, value: Json): Term {
  return normalizer.termOf(normalizer.document.synthetic(`const ${JSON.stringify(value)}`, node.pointer, () => ({ const: value })));
}

export function shapesOfValue(normalizer: Normalizer, node: SchemaNode, value: Json): Shapes {
  normalizer.budget.spend(1);
  if (value === null) return { ...NOTHING, null: true };
  if (value === true) return { ...NOTHING, true: true };
  if (value === false) return { ...NOTHING, false: true };
  if (typeof value === 'number') return { ...NOTHING, numbers: [exactly(value)] };
  if (typeof value === 'string') return { ...NOTHING, strings: [wordSet([value])] };
  if (Array.isArray(value)) {
    const prefix = (value as readonly Json[]).map((item) => termOfValue(normalizer, node, item));
    return { ...NOTHING, arrays: [{ ...ANY_ARRAY, prefix, rest: FALSE, min: prefix.length, max: prefix.length, evaluated: 0 }] };
  }
  const named = new Map(Object.entries(value as JsonObject).map(([name, item]) => [name, termOfValue(normalizer, node, item)]));
  const layer = normalizer.layer(`value ${JSON.stringify(value)}`, () => ({ named, patterns: [], additional: FALSE, says: 'others' }));
  return { ...NOTHING, objects: [{ ...ANY_OBJECT, layers: [layer], required: [...named.keys()].sort(), evaluated: [] }] };
}
