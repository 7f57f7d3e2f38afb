/** What values a schema admits, by type, as unions of simple shapes; closed under union and intersection. */
import type { Dfa } from './dfa.ts';
import { intersectDfa, matchesDfa } from './dfa.ts';
import { BudgetError, spend } from './error.ts';
import { ANY_NUMBER, intersectNumbers, keyOfNumbers } from './numbers.ts';
import type { NumberSet } from './numbers.ts';
import { ANY_STRING, intersectStrings, isAnyString, keyOfStrings, wordSet } from './strings.ts';
import type { StringSet } from './strings.ts';

/** A conjunction of subschemas and negated ones, by number: see terms.ts. */
export type Term = number;
export const TRUE: Term = 0;
export const FALSE: Term = 1;

export interface ArrayShape {
  readonly prefix: readonly Term[];
  readonly rest: Term;
  readonly min: number;
  readonly max: number;
  readonly contains: { readonly term: Term; readonly min: number; readonly max: number } | null;
  /** No two items are equal. */
  readonly unique: boolean;
  /** How many leading items a schema has looked at, for unevaluatedItems. */
  readonly evaluated: number;
}

/** One schema's say about an object's keys. */
export interface Layer {
  readonly id: number;
  readonly named: ReadonlyMap<string, Term>;
  readonly patterns: readonly { readonly source: string; readonly dfa: Dfa | null; readonly term: Term }[];
  readonly additional: Term;
  /** It declares properties, and nothing of other keys; it speaks of others, too; or it comes of something else than a declaration. */
  readonly says?: 'properties' | 'others';
}

/** At least one member has its key among these (null: any) and a value of the term. */
export interface Witness {
  readonly keys: Dfa | null;
  readonly term: Term;
}

export interface ObjectShape {
  /** A key must satisfy what each says of it. */
  readonly layers: readonly Layer[];
  readonly required: readonly string[];
  readonly min: number;
  readonly max: number;
  readonly keys: Dfa | null;
  readonly some: readonly Witness[];
  /** Layers whose named keys and patterns count as looked at, for unevaluatedProperties; null: every key does. */
  readonly evaluated: readonly Layer[] | null;
}

export interface Shapes {
  readonly null: boolean;
  readonly true: boolean;
  readonly false: boolean;
  readonly numbers: readonly NumberSet[];
  readonly strings: readonly StringSet[];
  readonly arrays: readonly ArrayShape[];
  readonly objects: readonly ObjectShape[];
}

export const ANY_ARRAY: ArrayShape = { prefix: [], rest: TRUE, min: 0, max: Infinity, contains: null, unique: false, evaluated: 0 };
export const ANY_OBJECT: ObjectShape = { layers: [], required: [], min: 0, max: Infinity, keys: null, some: [], evaluated: [] };
export const ANYTHING: Shapes = { null: true, true: true, false: true, numbers: [ANY_NUMBER], strings: [ANY_STRING], arrays: [ANY_ARRAY], objects: [ANY_OBJECT] };
export const NOTHING: Shapes = { null: false, true: false, false: false, numbers: [], strings: [], arrays: [], objects: [] };

export const isNothing = (shapes: Shapes): boolean =>
  !shapes.null && !shapes.true && !shapes.false && [shapes.numbers, shapes.strings, shapes.arrays, shapes.objects].every((list) => list.length === 0);

/** A schema that comes apart into more shapes than this is refused. */
const MAX_SHAPES = 400;

const keyIds = new WeakMap<Dfa, number>();
let keyCount = 0;

function keyOfKeys(dfa: Dfa | null): number {
  if (dfa === null) return 0;
  let id = keyIds.get(dfa);
  if (id === undefined) keyIds.set(dfa, (id = ++keyCount));
  return id;
}

const keyOfArray = ({ prefix, rest, min, max, contains, unique, evaluated }: ArrayShape): string =>
  `${prefix.join()};${rest};${min};${max};${contains === null ? '' : `${contains.term},${contains.min},${contains.max}`};${unique};${evaluated}`;

const idsOf = (layers: readonly Layer[]): string => layers.map(({ id }) => id).join();

const keyOfObject = ({ layers, required, min, max, keys, some, evaluated }: ObjectShape): string =>
  `${idsOf(layers)};${JSON.stringify(required)};${min};${max};${keyOfKeys(keys)};${some.map(keyOfWitness).join()};${evaluated === null ? 'all' : idsOf(evaluated)}`;

const keyOfWitness = ({ keys, term }: Witness): string => `${keyOfKeys(keys)} ${term}`;

const isAnyArray = (shape: ArrayShape): boolean => shape.prefix.length === 0 && shape.rest === TRUE && shape.min === 0 && shape.max === Infinity && shape.contains === null && !shape.unique;
const isAnyObject = (shape: ObjectShape): boolean => shape.layers.length === 0 && shape.required.length === 0 && shape.min === 0 && shape.max === Infinity && shape.keys === null && shape.some.length === 0;

/** What shapes need of the terms they speak of. */
export interface Conjunction {
  /** Both; FALSE where that is plain to see. */
  and(a: Term, b: Term): Term;
  /** Annotations are looked at, so shapes that admit the same values still differ. */
  readonly tracksEvaluated: boolean;
}

function merge<T>(a: readonly T[], b: readonly T[], keyOf: (shape: T) => string, isAny: (shape: T) => boolean): readonly T[] {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  for (const list of [a, b]) for (const shape of list) if (isAny(shape)) return [shape];
  spend(2 * (a.length + b.length));
  const out = [...new Map([...a, ...b].map((shape) => [keyOf(shape), shape])).values()];
  if (out.length > MAX_SHAPES) throw new BudgetError(`comes apart into more than ${MAX_SHAPES} alternatives`);
  return out;
}

const never = (): boolean => false;
const isAnyNumber = (set: NumberSet): boolean => keyOfNumbers(set) === '::';

export function unite(a: Shapes, b: Shapes, { tracksEvaluated }: Conjunction): Shapes {
  return {
    null: a.null || b.null,
    true: a.true || b.true,
    false: a.false || b.false,
    numbers: merge(a.numbers, b.numbers, keyOfNumbers, isAnyNumber),
    strings: mergeStrings(a.strings, b.strings),
    arrays: merge(a.arrays, b.arrays, keyOfArray, tracksEvaluated ? never : isAnyArray),
    objects: merge(a.objects, b.objects, keyOfObject, tracksEvaluated ? never : isAnyObject),
  };
}

/** All in one; words are joined once, not once for each. */
export function uniteAll(parts: readonly Shapes[], terms: Conjunction): Shapes {
  const words = parts.flatMap(({ strings }) => strings.flatMap((set) => set.words ?? []));
  spend(words.length >> 2);
  const others = parts.map((shapes) => (shapes.strings.some((set) => set.words !== null) ? { ...shapes, strings: shapes.strings.filter((set) => set.words === null) } : shapes));
  return others.reduce((sum, shapes) => unite(sum, shapes, terms), words.length === 0 ? NOTHING : { ...NOTHING, strings: [wordSet(words)] });
}

/** Words of both become one set. */
function mergeStrings(a: readonly StringSet[], b: readonly StringSet[]): readonly StringSet[] {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a;
  const all = merge(a, b, keyOfStrings, isAnyString);
  const words = all.filter((set) => set.words !== null);
  if (words.length < 2) return all;
  return [...all.filter((set) => set.words === null), { ...ANY_STRING, words: [...new Set(words.flatMap((set) => set.words ?? []))] }];
}

function cross<T>(a: readonly T[], b: readonly T[], keyOf: (shape: T) => string, both: (x: T, y: T) => T | null): readonly T[] {
  if (a.length === 0 || b.length === 0) return [];
  if (a.length * b.length > MAX_SHAPES * 10) throw new BudgetError(`comes apart into more than ${MAX_SHAPES} alternatives`);
  spend(5 * a.length * b.length);
  const out = new Map<string, T>();
  for (const x of a) {
    for (const y of b) {
      const shape = both(x, y);
      if (shape !== null) out.set(keyOf(shape), shape);
    }
  }
  if (out.size > MAX_SHAPES) throw new BudgetError(`comes apart into more than ${MAX_SHAPES} alternatives`);
  return [...out.values()];
}

export function intersect(a: Shapes, b: Shapes, terms: Conjunction): Shapes {
  if (a === ANYTHING) return b;
  if (b === ANYTHING) return a;
  return {
    null: a.null && b.null,
    true: a.true && b.true,
    false: a.false && b.false,
    numbers: cross(a.numbers, b.numbers, keyOfNumbers, intersectNumbers),
    strings: cross(a.strings, b.strings, keyOfStrings, intersectStrings),
    arrays: cross(a.arrays, b.arrays, keyOfArray, (x, y) => intersectArrays(x, y, terms)),
    objects: cross(a.objects, b.objects, keyOfObject, (x, y) => intersectObjects(x, y, terms)),
  };
}

function intersectArrays(a: ArrayShape, b: ArrayShape, terms: Conjunction): ArrayShape | null {
  const length = Math.max(a.prefix.length, b.prefix.length);
  const at = (shape: ArrayShape, i: number): Term => shape.prefix[i] ?? shape.rest;
  const prefix = Array.from({ length }, (_, i) => terms.and(at(a, i), at(b, i)));
  if (a.contains !== null && b.contains !== null && a.contains.term !== b.contains.term) throw new BudgetError('two different "contains" on one array are not supported');
  const contains =
    a.contains === null || b.contains === null
      ? (a.contains ?? b.contains)
      : { term: a.contains.term, min: Math.max(a.contains.min, b.contains.min), max: Math.min(a.contains.max, b.contains.max) };
  return settleArray({ prefix, rest: terms.and(a.rest, b.rest), min: Math.max(a.min, b.min), max: Math.min(a.max, b.max), contains, unique: a.unique || b.unique, evaluated: Math.max(a.evaluated, b.evaluated) });
}

/** Null where no array fits; an impossible item bounds the length. */
export function settleArray(shape: ArrayShape): ArrayShape | null {
  const impossible = shape.prefix.indexOf(FALSE);
  const bound = impossible >= 0 ? impossible : shape.rest === FALSE ? shape.prefix.length : Infinity;
  const max = Math.min(shape.max, bound);
  const matches = shape.contains;
  if (shape.min > max || (matches !== null && (matches.min > max || matches.min > matches.max))) return null;
  return max === shape.max ? shape : { ...shape, max };
}

const byId = (a: Layer, b: Layer): number => a.id - b.id;

function joinLayers(a: readonly Layer[], b: readonly Layer[]): readonly Layer[] {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  return [...new Set([...a, ...b])].sort(byId);
}

function intersectObjects(a: ObjectShape, b: ObjectShape, terms: Conjunction): ObjectShape | null {
  spend(a.layers.length + b.layers.length + a.required.length + b.required.length);
  const keys = a.keys === null || b.keys === null || a.keys === b.keys ? (a.keys ?? b.keys) : intersectDfa(a.keys, b.keys);
  const some = joinWitnesses(a.some, b.some);
  if (keys === null && a.keys !== null && b.keys !== null) return settleObject({ ...ANY_OBJECT, required: joinNames(a.required, b.required), min: Math.max(a.min, b.min), max: 0, some }, terms);
  return settleObject(
    {
      layers: joinLayers(a.layers, b.layers),
      required: joinNames(a.required, b.required),
      min: Math.max(a.min, b.min),
      max: Math.min(a.max, b.max),
      keys,
      some,
      evaluated: a.evaluated === null || b.evaluated === null ? null : joinLayers(a.evaluated, b.evaluated),
    },
    terms,
  );
}

const joinNames = (a: readonly string[], b: readonly string[]): readonly string[] => (a.length === 0 ? b : b.length === 0 ? a : [...new Set([...a, ...b])].sort());

const MAX_WITNESSES = 4;

function joinWitnesses(a: readonly Witness[], b: readonly Witness[]): readonly Witness[] {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const both = new Map([...a, ...b].map((witness) => [keyOfWitness(witness), witness]));
  if (both.size > MAX_WITNESSES) throw new BudgetError(`more than ${MAX_WITNESSES} contraries that speak of keys by pattern, on one object`);
  return [...both.keys()].sort().map((key) => both.get(key) as Witness);
}

/** Null where no object fits. */
export function settleObject(shape: ObjectShape, terms: Conjunction): ObjectShape | null {
  if (Math.max(shape.min, shape.required.length, shape.some.length > 0 ? 1 : 0) > shape.max) return null;
  if (shape.some.some(({ term }) => term === FALSE)) return null;
  return shape.required.some((name) => termOfKey(shape, name, terms) === FALSE) ? null : shape;
}

/** What the value of a key must satisfy. */
export function termOfKey({ layers, keys }: ObjectShape, name: string, terms: Conjunction): Term {
  if (keys !== null && !matchesDfa(keys, name)) return FALSE;
  let term = TRUE;
  spend(layers.length);
  for (const layer of layers) {
    const named = layer.named.get(name);
    const matching = layer.patterns.filter(({ dfa }) => matchesDfa(dfa, name));
    if (named !== undefined) term = terms.and(term, named);
    for (const pattern of matching) term = terms.and(term, pattern.term);
    if (named === undefined && matching.length === 0) term = terms.and(term, layer.additional);
    if (term === FALSE) return FALSE;
  }
  return term;
}
