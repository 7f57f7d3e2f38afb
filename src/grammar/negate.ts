/** The contrary of a schema: what violates one of its keywords. */
import { get, isObject } from './document.ts';
import type { Json, JsonObject, SchemaNode } from './document.ts';
import { ALL_TEXTS, complementDfa, subtractDfa, wordsDfa } from './dfa.ts';
import type { Dfa } from './dfa.ts';
import { GrammarError } from './error.ts';
import { arrayShape, keysOf, layerOf, numberSet, requiredNames, shapesOfValue, size, stringSet, termOfValue } from './keywords.ts';
import { TYPES, absent, typesOf } from './normalize.ts';
import type { Normalizer } from './normalize.ts';
import { ANY_NUMBER, INTEGER, complementNumbers } from './numbers.ts';
import { ANYTHING, ANY_ARRAY, ANY_OBJECT, FALSE, NOTHING, TRUE } from './shapes.ts';
import type { ArrayShape, ObjectShape, Shapes, Term } from './shapes.ts';
import { complementStrings } from './strings.ts';

type Violation = (normalizer: Normalizer, node: SchemaNode, schema: JsonObject, keyword: string) => Shapes;

const refuse = (keyword: string, node: SchemaNode): GrammarError => new GrammarError(keyword, `${node.pointer}/${keyword}`, "its contrary (under not, oneOf, if) can't be enforced exactly");

const objects = (...shapes: ObjectShape[]): Shapes => ({ ...NOTHING, objects: shapes });
const arrays = (...shapes: ArrayShape[]): Shapes => ({ ...NOTHING, arrays: shapes });

const numbers: Violation = (_, node, schema) => {
  const set = numberSet(node, schema);
  return { ...NOTHING, numbers: set === null ? [ANY_NUMBER] : complementNumbers(set) };
};

const strings: Violation = (normalizer, node, schema) => {
  const set = stringSet(normalizer, node, schema);
  return set === null ? { ...NOTHING, strings: ANYTHING.strings } : { ...NOTHING, strings: complementStrings(set) };
};

const each = (normalizer: Normalizer, terms: readonly Term[], node: SchemaNode): Shapes =>
  terms.reduce<Shapes>((sum, term) => normalizer.or(sum, normalizer.shapes(normalizer.negate(term, node))), NOTHING);

/** Every violation of the arrays' keywords. */
const arrayKeywords: Violation = (normalizer, node, schema, keyword) => {
  const shape = arrayShape(normalizer, node, schema);
  if (shape === null) return NOTHING;
  const out: ArrayShape[] = [];
  if (shape.min > 0) out.push({ ...ANY_ARRAY, max: shape.min - 1 });
  if (shape.max < Infinity) out.push({ ...ANY_ARRAY, min: shape.max + 1 });
  shape.prefix.forEach((term, i) => {
    if (term !== TRUE) out.push({ ...ANY_ARRAY, prefix: [...Array.from({ length: i }, () => TRUE), normalizer.negate(term, node)], min: i + 1 });
  });
  if (shape.rest === FALSE) out.push({ ...ANY_ARRAY, min: shape.prefix.length + 1 });
  else if (shape.rest !== TRUE) {
    if (shape.prefix.length > 0) throw refuse(keyword, node);
    out.push({ ...ANY_ARRAY, contains: { term: normalizer.negate(shape.rest, node), min: 1, max: Infinity } });
  }
  if (shape.contains !== null) {
    const { term, min, max } = shape.contains;
    if (min === 1) out.push({ ...ANY_ARRAY, rest: normalizer.negate(term, node) });
    else if (min > 0) out.push({ ...ANY_ARRAY, contains: { term, min: 0, max: min - 1 } });
    if (max < Infinity) out.push({ ...ANY_ARRAY, contains: { term, min: max + 1, max: Infinity } });
  }
  return arrays(...out.filter(({ prefix }) => !prefix.includes(FALSE)));
};

/** The object has the key, and its value is of the term. */
function having(normalizer: Normalizer, name: string, term: Term): Shapes {
  if (term === FALSE) return NOTHING;
  const layer = normalizer.layer(`having ${name} ${term}`, () => ({ named: new Map([[name, term]]), patterns: [], additional: TRUE }));
  return objects({ ...ANY_OBJECT, layers: term === TRUE ? [] : [layer], required: [name] });
}

function entries(schema: JsonObject, keyword: string): [string, Json][] {
  const map = get(schema, keyword);
  return isObject(map) ? Object.entries(map) : [];
}

/** The object has a key of the language, and its value is of the term. */
const withSome = (keys: Dfa | null, term: Term): Shapes => (term === FALSE ? NOTHING : objects({ ...ANY_OBJECT, some: [{ keys, term }] }));

const patternProperties: Violation = (normalizer, node, schema) =>
  (layerOf(normalizer, node, schema)?.patterns ?? []).reduce<Shapes>((sum, { dfa, term }) => (dfa === null ? sum : normalizer.or(sum, withSome(dfa, normalizer.negate(term, node)))), NOTHING);

const additionalProperties: Violation = (normalizer, node, schema) => {
  const layer = layerOf(normalizer, node, schema);
  if (layer === null || layer.additional === TRUE) return NOTHING;
  let others = subtractAll([...layer.named.keys()]);
  for (const { dfa } of layer.patterns) if (dfa !== null && others !== null) others = subtractDfa(others, dfa);
  return others === null ? NOTHING : withSome(others, normalizer.negate(layer.additional, node));
};

const propertyNames: Violation = (normalizer, node, schema, keyword) => {
  const wrong = complementDfa(keysOf(normalizer, normalizer.childTerm(node, get(schema, keyword), keyword)));
  return wrong === null ? NOTHING : withSome(wrong, TRUE);
};

const unsupportedUnlessTrue: Violation = (normalizer, node, schema, keyword) => {
  if (normalizer.childTerm(node, get(schema, keyword), keyword) !== TRUE) throw refuse(keyword, node);
  return NOTHING;
};

const dependencies: Violation = (normalizer, node, schema, keyword) =>
  entries(schema, keyword).reduce<Shapes>((sum, [name, value]) => {
    const broken = Array.isArray(value)
      ? (value as readonly string[]).reduce<Shapes>((all, other) => normalizer.or(all, absent(normalizer, other)), NOTHING)
      : normalizer.shapes(normalizer.negate(normalizer.childTerm(node, value, keyword, name), node));
    return normalizer.or(sum, normalizer.and(broken, objects({ ...ANY_OBJECT, required: [name] })));
  }, NOTHING);

const VIOLATIONS: ReadonlyMap<string, Violation> = new Map(Object.entries<Violation>({
  $ref: (normalizer, node, _, keyword) => normalizer.shapes(normalizer.negate(normalizer.target(node, keyword), node)),
  $dynamicRef: (normalizer, node, _, keyword) => normalizer.shapes(normalizer.negate(normalizer.target(node, keyword), node)),
  type: (_, node, schema) => notOfTypes(typesOf(node, schema) ?? []),
  enum: (normalizer, node, schema) => notValues(normalizer, node, get(schema, 'enum') as readonly Json[]),
  const: (normalizer, node, schema) => notValues(normalizer, node, [get(schema, 'const') as Json]),
  minimum: numbers,
  maximum: numbers,
  exclusiveMinimum: numbers,
  exclusiveMaximum: numbers,
  multipleOf: numbers,
  minLength: strings,
  maxLength: strings,
  pattern: strings,
  format: strings,
  items: arrayKeywords,
  prefixItems: arrayKeywords,
  additionalItems: arrayKeywords,
  minItems: arrayKeywords,
  maxItems: arrayKeywords,
  contains: arrayKeywords,
  uniqueItems: (_, node, schema, keyword) => {
    if (get(schema, 'uniqueItems') === true) throw refuse(keyword, node);
    return NOTHING;
  },
  required: (normalizer, node, schema) => requiredNames(node, schema).reduce<Shapes>((sum, name) => normalizer.or(sum, absent(normalizer, name)), NOTHING),
  properties: (normalizer, node, schema, keyword) =>
    entries(schema, keyword).reduce<Shapes>((sum, [name, value]) => normalizer.or(sum, having(normalizer, name, normalizer.negate(normalizer.childTerm(node, value, keyword, name), node))), NOTHING),
  patternProperties,
  additionalProperties,
  propertyNames,
  unevaluatedProperties: unsupportedUnlessTrue,
  unevaluatedItems: unsupportedUnlessTrue,
  minProperties: (_, node, schema, keyword) => {
    const min = size(node, schema, keyword, 0);
    return min === 0 ? NOTHING : objects({ ...ANY_OBJECT, max: min - 1 });
  },
  maxProperties: (_, node, schema, keyword) => objects({ ...ANY_OBJECT, min: size(node, schema, keyword, 0) + 1 }),
  dependentRequired: dependencies,
  dependentSchemas: dependencies,
  dependencies,
  allOf: (normalizer, node, schema, keyword) => each(normalizer, normalizer.branches(node, schema, keyword), node),
  anyOf: (normalizer, node, schema, keyword) =>
    normalizer.shapes(normalizer.branches(node, schema, keyword).reduce((all, term) => normalizer.terms.and(all, normalizer.negate(term, node)), TRUE)),
  oneOf: (normalizer, node, schema, keyword) => {
    const branches = normalizer.branches(node, schema, keyword);
    const none = normalizer.shapes(branches.reduce((all, term) => normalizer.terms.and(all, normalizer.negate(term, node)), TRUE));
    const pairs = branches.flatMap((a, i) => branches.slice(i + 1).map((b) => normalizer.terms.and(a, b)));
    return pairs.reduce<Shapes>((sum, both) => (normalizer.isEmpty(both) ? sum : normalizer.or(sum, normalizer.shapes(both))), none);
  },
  not: (normalizer, node, schema, keyword) => normalizer.shapes(normalizer.childTerm(node, get(schema, keyword), keyword)),
  if: (normalizer, node, schema) => {
    const part = (keyword: string): Term => (get(schema, keyword) === undefined ? TRUE : normalizer.childTerm(node, get(schema, keyword), keyword));
    const condition = part('if');
    const broken = normalizer.shapes(normalizer.terms.and(condition, normalizer.negate(part('then'), node)));
    return normalizer.or(broken, normalizer.shapes(normalizer.terms.and(normalizer.negate(condition, node), normalizer.negate(part('else'), node))));
  },
}));

export function negatedKeywords(normalizer: Normalizer, node: SchemaNode, schema: JsonObject): Shapes {
  const done = new Set<Violation>();
  return Object.keys(schema).reduce<Shapes>((sum, keyword) => {
    const violation = VIOLATIONS.get(keyword);
    if (violation === undefined || done.has(violation)) return sum;
    done.add(violation);
    return normalizer.or(sum, violation(normalizer, node, schema, keyword));
  }, NOTHING);
}

function notOfTypes(types: readonly string[]): Shapes {
  const left: Record<string, unknown> = { ...ANYTHING };
  for (const type of types) {
    if (type === 'integer') continue;
    for (const field of Object.keys(TYPES[type])) left[field] = NOTHING[field as keyof Shapes];
  }
  if (types.includes('integer') && !types.includes('number')) left.numbers = [{ ...ANY_NUMBER, conditions: [{ ...INTEGER, negative: true }] }];
  return left as unknown as Shapes;
}

function notValues(normalizer: Normalizer, node: SchemaNode, values: readonly Json[]): Shapes {
  const words = values.filter((value) => typeof value === 'string');
  const shapes = values.filter((value) => typeof value !== 'string' && !Array.isArray(value) && !isObject(value)).map((value) => shapesOfValue(normalizer, node, value));
  let left: Shapes = words.length === 0 ? ANYTHING : { ...ANYTHING, strings: complementStrings({ words, dfa: null, min: 0, max: Infinity }) };
  for (const value of values) {
    if (Array.isArray(value)) left = normalizer.and(left, { ...ANYTHING, arrays: otherArrays(normalizer, node, value as readonly Json[]) });
    else if (isObject(value)) left = normalizer.and(left, { ...ANYTHING, objects: otherObjects(normalizer, node, value) });
  }
  for (const shape of shapes) {
    left = normalizer.and(left, {
      ...ANYTHING,
      null: !shape.null,
      true: !shape.true,
      false: !shape.false,
      numbers: shape.numbers.length === 0 ? ANYTHING.numbers : shape.numbers.flatMap(complementNumbers),
    });
  }
  return left;
}

/** Shorter, longer, or with another item somewhere. */
function otherArrays(normalizer: Normalizer, node: SchemaNode, value: readonly Json[]): ArrayShape[] {
  const { length } = value;
  const before = (i: number): Term[] => Array.from({ length: i }, () => TRUE);
  return [
    ...(length > 0 ? [{ ...ANY_ARRAY, max: length - 1 }] : []),
    { ...ANY_ARRAY, min: length + 1 },
    ...value.map((item, i) => ({ ...ANY_ARRAY, prefix: [...before(i), normalizer.negate(termOfValue(normalizer, node, item), node)], min: i + 1 })),
  ];
}

/** Without one of the keys, with another value of one, or with one more. */
function otherObjects(normalizer: Normalizer, node: SchemaNode, value: JsonObject): readonly ObjectShape[] {
  const names = Object.keys(value);
  const more = subtractAll(names);
  return names.reduce(
    (sum, name) => normalizer.or(normalizer.or(sum, absent(normalizer, name)), having(normalizer, name, normalizer.negate(termOfValue(normalizer, node, value[name]), node))),
    more === null ? NOTHING : withSome(more, TRUE),
  ).objects;
}

function subtractAll(names: readonly string[]): Dfa | null {
  const words = wordsDfa(names);
  return words === null ? ALL_TEXTS : subtractDfa(ALL_TEXTS, words);
}
