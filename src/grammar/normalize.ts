/** Subschemas → shapes: every keyword's say, and its contrary, as sets of values by type. */
import { get, isObject } from './document.ts';
import type { Json, JsonObject, SchemaDocument, SchemaNode } from './document.ts';
import { Budget, BudgetError, GrammarError } from './error.ts';
import { negatedKeywords } from './negate.ts';
import { INTEGER, ANY_NUMBER } from './numbers.ts';
import { arrayShape, numberSet, objectShape, stringSet, valueShapes } from './keywords.ts';
import { ANYTHING, ANY_ARRAY, ANY_OBJECT, FALSE, NOTHING, TRUE, intersect, isNothing, settleArray, settleObject, termOfKey, unite, uniteAll } from './shapes.ts';
import type { ArrayShape, Layer, ObjectShape, Shapes, Term } from './shapes.ts';
import { ANY_STRING } from './strings.ts';
import { Terms, atomOf } from './terms.ts';
import type { Atom } from './terms.ts';

export type FormatMode = 'assert' | 'annotate';

/** A reference that leads back to itself without any value in between, or one that is being worked out further up. */
class CircularError extends GrammarError {}

const MAX_TRACKED_BRANCHES = 6;
const MAX_DEPTH = 200;

export class Normalizer {
  readonly document: SchemaDocument;
  readonly terms: Terms;
  readonly formats: FormatMode;
  readonly budget: Budget;
  readonly #atoms = new Map<Atom, Shapes>();
  readonly #terms = new Map<Term, Shapes>();
  readonly #open = new Set<Atom>();
  readonly #empty = new Map<Term, boolean>();
  readonly #layers = new Map<string, Layer>();

  constructor(document: SchemaDocument, formats: FormatMode, tracksEvaluated: boolean, budget: Budget) {
    this.document = document;
    this.terms = new Terms(tracksEvaluated);
    this.formats = formats;
    this.budget = budget;
  }

  termOf(node: SchemaNode, negated = false): Term {
    const { schema } = node;
    if (schema === true || (schema !== false && Object.keys(schema).length === 0)) return negated ? FALSE : TRUE;
    if (schema === false) return negated ? TRUE : FALSE;
    return this.terms.of(atomOf(node.id, negated));
  }

  childTerm(parent: SchemaNode, schema: Json | undefined, ...steps: readonly (string | number)[]): Term {
    return this.termOf(this.document.child(parent, schema, ...steps));
  }

  /** Layers with equal keys are one. */
  layer(key: string, make: () => Omit<Layer, 'id'>): Layer {
    let layer = this.#layers.get(key);
    if (layer === undefined) this.#layers.set(key, (layer = { id: this.#layers.size, ...make() }));
    return layer;
  }

  shapes(term: Term): Shapes {
    let shapes = this.#terms.get(term);
    if (shapes === undefined) {
      this.budget.spend(10);
      shapes = term === FALSE ? NOTHING : this.terms.atoms(term).reduce((all, atom) => (isNothing(all) ? all : this.#both(all, this.#atom(atom), atom)), ANYTHING);
      this.#terms.set(term, shapes);
    }
    return shapes;
  }

  #both(a: Shapes, b: Shapes, atom: Atom): Shapes {
    return this.#blame(atom, () => intersect(a, b, this.terms));
  }

  #atom(atom: Atom): Shapes {
    let shapes = this.#atoms.get(atom);
    if (shapes !== undefined) return shapes;
    const node = this.document.node(atom >> 1);
    if (this.#open.has(atom)) throw new CircularError('$ref', node.pointer, 'leads back to itself without an object or an array in between');
    if (this.#open.size > MAX_DEPTH) throw new GrammarError('', node.pointer, `subschemas nest deeper than ${MAX_DEPTH}`);
    this.#open.add(atom);
    try {
      shapes = this.#blame(atom, () => (atom % 2 === 0 ? this.#positive(node) : this.#negative(node)));
    } finally {
      this.#open.delete(atom);
    }
    this.#atoms.set(atom, shapes);
    return shapes;
  }

  /** What is too large is too large somewhere: at the innermost subschema at work. */
  #blame<T>(atom: Atom, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof BudgetError)) throw error;
      throw new GrammarError('', this.document.node(atom >> 1).pointer, error.message);
    }
  }

  and(a: Shapes, b: Shapes): Shapes {
    return intersect(a, b, this.terms);
  }

  or(a: Shapes, b: Shapes): Shapes {
    return unite(a, b, this.terms);
  }

  #positive(node: SchemaNode): Shapes {
    const { schema } = node;
    if (typeof schema === 'boolean') return schema ? ANYTHING : NOTHING;
    const keys = Object.keys(schema);
    this.budget.spend(5 + keys.length);
    const reference = get(schema, '$ref');
    if (this.document.legacy && reference !== undefined) return this.shapes(this.#target(node, '$ref'));
    let shapes = this.#own(node, schema);
    for (const keyword of keys) {
      const apply = APPLICATORS.get(keyword);
      if (apply !== undefined && !isNothing(shapes)) shapes = this.and(shapes, apply(this, node, schema, keyword));
    }
    return this.#unevaluated(node, schema, shapes);
  }

  /** What the schema says itself, without others. */
  #own(node: SchemaNode, schema: JsonObject): Shapes {
    let shapes: Shapes = ANYTHING;
    const types = typesOf(node, schema);
    const numbers = numberSet(node, schema);
    const strings = stringSet(this, node, schema);
    const array = arrayShape(this, node, schema);
    const object = objectShape(this, node, schema);
    const settledArray = array === null ? ANY_ARRAY : settleArray(array);
    const settledObject = object === null ? ANY_OBJECT : settleObject(object, this.terms);
    shapes = {
      ...shapes,
      numbers: numbers === null ? [] : [numbers],
      strings: strings === null ? [] : [strings],
      arrays: settledArray === null ? [] : [settledArray],
      objects: settledObject === null ? [] : [settledObject],
    };
    if (types !== null) shapes = this.and(shapes, shapesOfTypes(types));
    const values = valueShapes(this, node, schema);
    return values === null ? shapes : this.and(shapes, values);
  }

  #target(node: SchemaNode, keyword: string): Term {
    const schema = node.schema as JsonObject;
    return this.termOf(this.document.resolve(node, get(schema, keyword), keyword));
  }

  target(node: SchemaNode, keyword: string): Term {
    const reference = get(node.schema as JsonObject, keyword);
    if (keyword === '$dynamicRef' && typeof reference === 'string') {
      const name = reference.split('#')[1] ?? '';
      if (!name.startsWith('/') && this.document.dynamicAnchors(name) > 1) {
        throw new GrammarError(keyword, `${node.pointer}/${keyword}`, 'more than one schema answers to this dynamic anchor; only one is supported');
      }
    }
    return this.#target(node, keyword);
  }

  #negative(node: SchemaNode): Shapes {
    const { schema } = node;
    if (typeof schema === 'boolean') return schema ? NOTHING : ANYTHING;
    if (this.document.legacy && get(schema, '$ref') !== undefined) return this.shapes(this.negate(this.#target(node, '$ref'), node));
    return forget(negatedKeywords(this, node, schema));
  }

  /** The contrary of a term of one atom. */
  negate(term: Term, at: SchemaNode): Term {
    if (term === TRUE) return FALSE;
    if (term === FALSE) return TRUE;
    const atoms = this.terms.atoms(term);
    if (atoms.length !== 1) throw new GrammarError('not', at.pointer, 'the contrary of a conjunction is not supported here');
    return this.terms.of(atoms[0] ^ 1);
  }

  branches(node: SchemaNode, schema: JsonObject, keyword: string): Term[] {
    const list = get(schema, keyword);
    if (!Array.isArray(list) || list.length === 0) throw new GrammarError(keyword, `${node.pointer}/${keyword}`, 'must be a list of schemas that is not empty');
    return (list as readonly Json[]).map((branch, i) => this.childTerm(node, branch, keyword, i));
  }

  /** At least one. Where annotations are looked at, which ones hold matters, so every combination is a shape of its own. */
  anyOf(node: SchemaNode, keyword: string, branches: readonly Term[]): Shapes {
    let all = uniteAll(branches.map((term) => this.shapes(term)), this.terms);
    if (!this.terms.tracksEvaluated || branches.length === 1) return all;
    if (branches.length > MAX_TRACKED_BRANCHES) throw new GrammarError(keyword, `${node.pointer}/${keyword}`, `more than ${MAX_TRACKED_BRANCHES} branches together with unevaluatedProperties or unevaluatedItems`);
    for (let subset = 1; subset < 1 << branches.length; subset++) {
      const terms = branches.filter((_, i) => (subset & (1 << i)) !== 0);
      if (terms.length > 1) all = this.or(all, this.shapes(terms.reduce((both, term) => this.terms.and(both, term), TRUE)));
    }
    return all;
  }

  /** Exactly one: each branch without those of the others that it could overlap with. */
  oneOf(node: SchemaNode, branches: readonly Term[]): Shapes {
    const parts = branches.map((term, i) => {
      let only = term;
      for (const [j, other] of branches.entries()) {
        this.budget.spend(20);
        if (j === i || this.isEmpty(this.terms.and(term, other))) continue;
        only = this.#without(only, other, node);
      }
      return this.shapes(only);
    });
    return uniteAll(parts, this.terms);
  }

  #without(term: Term, other: Term, node: SchemaNode): Term {
    this.budget.spend(20);
    try {
      const negated = this.negate(other, node);
      this.shapes(negated);
      return this.terms.and(term, negated);
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
      throw new GrammarError('oneOf', `${node.pointer}/oneOf`, `branches may overlap, and their difference can't be enforced (${error.message})`);
    }
  }

  /** Nothing satisfies the term, and that is plain to see. */
  isEmpty(term: Term, depth = 0): boolean {
    const known = this.#empty.get(term);
    if (known !== undefined) return known;
    if (term === FALSE) return true;
    if (term === TRUE || depth > 4) return false;
    this.budget.spend(10);
    let shapes: Shapes;
    try {
      shapes = this.shapes(term);
    } catch (error) {
      if (error instanceof CircularError) return false;
      throw error;
    }
    const empty =
      isNothing({ ...shapes, arrays: [], objects: [] }) &&
      shapes.arrays.every((shape) => this.#isEmptyArray(shape, depth + 1)) &&
      shapes.objects.every((shape) => shape.required.some((name) => this.isEmpty(termOfKey(shape, name, this.terms), depth + 1)) || shape.some.some((witness) => this.isEmpty(witness.term, depth + 1)));
    if (depth === 0 || empty) this.#empty.set(term, empty);
    return empty;
  }

  #isEmptyArray({ prefix, rest, min }: ArrayShape, depth: number): boolean {
    for (let i = 0; i < Math.min(min, prefix.length + 1); i++) if (this.isEmpty(prefix[i] ?? rest, depth)) return true;
    return false;
  }

  #unevaluated(node: SchemaNode, schema: JsonObject, shapes: Shapes): Shapes {
    let out = shapes;
    const properties = get(schema, 'unevaluatedProperties');
    if (properties !== undefined) {
      const term = this.childTerm(node, properties, 'unevaluatedProperties');
      out = { ...out, objects: out.objects.flatMap((shape) => this.#closeObject(shape, term) ?? []) };
    }
    const items = get(schema, 'unevaluatedItems');
    if (items !== undefined) {
      const term = this.childTerm(node, items, 'unevaluatedItems');
      out = { ...out, arrays: out.arrays.flatMap((shape) => this.#closeArray(node, shape, term) ?? []) };
    }
    return out;
  }

  #closeObject(shape: ObjectShape, term: Term): ObjectShape | null {
    const { evaluated } = shape;
    if (evaluated === null) return shape;
    const layer = this.layer(`unevaluated ${evaluated.map(({ id }) => id).join()} ${term}`, () => ({
      named: new Map(evaluated.flatMap(({ named }) => [...named.keys()].map((name) => [name, TRUE] as const))),
      patterns: evaluated.flatMap(({ patterns }) => patterns.map((pattern) => ({ ...pattern, term: TRUE }))),
      additional: term,
      says: 'others',
    }));
    return settleObject({ ...shape, layers: [...shape.layers, layer].sort((a, b) => a.id - b.id), evaluated: null }, this.terms);
  }

  #closeArray(node: SchemaNode, shape: ArrayShape, term: Term): ArrayShape | null {
    if (shape.contains !== null && term !== TRUE) throw new GrammarError('unevaluatedItems', `${node.pointer}/unevaluatedItems`, 'together with contains it is not supported');
    const length = Math.max(shape.prefix.length, shape.evaluated === Infinity ? 0 : shape.evaluated);
    const prefix = Array.from({ length }, (_, i) => this.terms.and(shape.prefix[i] ?? shape.rest, i < shape.evaluated ? TRUE : term));
    const rest = shape.evaluated === Infinity ? shape.rest : this.terms.and(shape.rest, term);
    return settleArray({ ...shape, prefix, rest, evaluated: Infinity });
  }
}

/** A negated schema annotates nothing. */
const forget = (shapes: Shapes): Shapes => ({
  ...shapes,
  arrays: shapes.arrays.map((shape) => ({ ...shape, evaluated: 0 })),
  objects: shapes.objects.map((shape) => ({ ...shape, evaluated: [] })),
});

type Applicator = (normalizer: Normalizer, node: SchemaNode, schema: JsonObject, keyword: string) => Shapes;

const reference: Applicator = (normalizer, node, _, keyword) => normalizer.shapes(normalizer.target(node, keyword));

const APPLICATORS: ReadonlyMap<string, Applicator> = new Map(Object.entries<Applicator>({
  $ref: reference,
  $dynamicRef: reference,
  allOf: (normalizer, node, schema) => normalizer.shapes(normalizer.branches(node, schema, 'allOf').reduce((all, term) => normalizer.terms.and(all, term), TRUE)),
  anyOf: (normalizer, node, schema) => normalizer.anyOf(node, 'anyOf', normalizer.branches(node, schema, 'anyOf')),
  oneOf: (normalizer, node, schema) => normalizer.oneOf(node, normalizer.branches(node, schema, 'oneOf')),
  not: (normalizer, node, schema) => forget(normalizer.shapes(normalizer.negate(normalizer.childTerm(node, get(schema, 'not'), 'not'), node))),
  if: conditional,
  dependentSchemas: dependentSchemas,
  dependencies: dependentSchemas,
  dependentRequired: dependentRequired,
}));

function conditional(normalizer: Normalizer, node: SchemaNode, schema: JsonObject): Shapes {
  const part = (keyword: string): Term => {
    const value = get(schema, keyword);
    return value === undefined ? TRUE : normalizer.childTerm(node, value, keyword);
  };
  const condition = part('if');
  const [then, otherwise] = [part('then'), part('else')];
  if (then === TRUE && otherwise === TRUE && !normalizer.terms.tracksEvaluated) return ANYTHING;
  const holds = normalizer.shapes(normalizer.terms.and(condition, then));
  return normalizer.or(holds, normalizer.shapes(normalizer.terms.and(normalizer.negate(condition, node), otherwise)));
}

function mapOf(node: SchemaNode, schema: JsonObject, keyword: string): [string, Json][] {
  const map = get(schema, keyword);
  if (!isObject(map)) throw new GrammarError(keyword, `${node.pointer}/${keyword}`, 'must be an object');
  return Object.entries(map);
}

const isNameList = (value: Json): value is readonly string[] => Array.isArray(value) && value.every((name) => typeof name === 'string');

function dependentRequired(normalizer: Normalizer, node: SchemaNode, schema: JsonObject, keyword: string): Shapes {
  return mapOf(node, schema, keyword).reduce<Shapes>((all, [name, needed]) => {
    if (!isNameList(needed)) throw new GrammarError(keyword, `${node.pointer}/${keyword}`, 'must map names to lists of names');
    return needed.every((other) => other === name) ? all : normalizer.and(all, whenPresent(normalizer, name, { ...ANYTHING, objects: [{ ...ANY_OBJECT, required: [...new Set(needed)].sort() }] }));
  }, ANYTHING);
}

function dependentSchemas(normalizer: Normalizer, node: SchemaNode, schema: JsonObject, keyword: string): Shapes {
  return mapOf(node, schema, keyword).reduce<Shapes>((all, [name, value]) => {
    if (keyword === 'dependencies' && isNameList(value)) return normalizer.and(all, dependentRequired(normalizer, node, { [keyword]: { [name]: value } }, keyword));
    return normalizer.and(all, whenPresent(normalizer, name, normalizer.shapes(normalizer.childTerm(node, value, keyword, name))));
  }, ANYTHING);
}

/** Objects without the key, and those of `shapes` with it; values of other types as they are. */
function whenPresent(normalizer: Normalizer, name: string, shapes: Shapes): Shapes {
  const present = normalizer.and(shapes, { ...ANYTHING, objects: [{ ...ANY_OBJECT, required: [name] }] });
  return { ...ANYTHING, objects: normalizer.or(absent(normalizer, name), { ...NOTHING, objects: present.objects }).objects };
}

/** Objects without the key, and nothing else. */
export function absent(normalizer: Normalizer, name: string): Shapes {
  return { ...NOTHING, objects: [{ ...ANY_OBJECT, layers: [normalizer.layer(`absent ${name}`, () => ({ named: new Map([[name, FALSE]]), patterns: [], additional: TRUE }))] }] };
}

export function typesOf(node: SchemaNode, schema: JsonObject): readonly string[] | null {
  const type = get(schema, 'type');
  if (type === undefined) return null;
  const types = typeof type === 'string' ? [type] : type;
  if (!isNameList(types) || types.some((name) => !Object.hasOwn(TYPES, name))) {
    throw new GrammarError('type', `${node.pointer}/type`, `${JSON.stringify(type).slice(0, 80)} is not a type; there are ${Object.keys(TYPES).join(', ')}`);
  }
  return types;
}

export const TYPES: Readonly<Record<string, Partial<Shapes>>> = {
  null: { null: true },
  boolean: { true: true, false: true },
  number: { numbers: [ANY_NUMBER] },
  integer: { numbers: [{ ...ANY_NUMBER, conditions: [INTEGER] }] },
  string: { strings: [ANY_STRING] },
  array: { arrays: [ANY_ARRAY] },
  object: { objects: [ANY_OBJECT] },
};

const shapesOfTypes = (types: readonly string[]): Shapes =>
  Object.assign({}, NOTHING, ...types.filter((type) => type !== 'integer' || !types.includes('number')).map((type) => TYPES[type])) as Shapes;
