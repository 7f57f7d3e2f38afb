/** A JSON Schema document: its subschemas by number, with their place and base URI, and where references lead. */
import { GrammarError } from './error.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export interface SchemaNode {
  readonly id: number;
  readonly schema: boolean | JsonObject;
  readonly pointer: string;
  readonly base: string;
}

interface Target {
  readonly schema: JsonObject | boolean;
  readonly pointer: string;
  /** Of what surrounds it. */
  readonly base: string;
}

export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

/** An own property, so that a schema's `__proto__` or `constructor` is only ever what it says. */
export const get = (object: JsonObject, key: string): Json | undefined => (Object.hasOwn(object, key) ? object[key] : undefined);

const ROOT_BASE = 'schema://document/';
const LEGACY = /draft-0?[34567]\b/;
/** From draft 2019-09 on a dialect chooses its vocabularies, so keywords need not mean what they do in the standard's own. */
const OWN_VOCABULARY = /^(?!https?:\/\/json-schema\.org\/).*(2019-09|2020-12)/;
const MAX_NODES = 100_000;

/** Keywords with subschemas, by how they hold them. */
const HOLDS_ONE = ['additionalProperties', 'items', 'additionalItems', 'contains', 'propertyNames', 'not', 'if', 'then', 'else', 'unevaluatedItems', 'unevaluatedProperties', 'contentSchema'];
const HOLDS_LIST = ['allOf', 'anyOf', 'oneOf', 'prefixItems', 'items'];
const HOLDS_MAP = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas', 'dependencies'];

export class SchemaDocument {
  readonly root: SchemaNode;
  /** `$ref` hides its siblings, and `id` may name a schema: draft 7 and before. */
  readonly legacy: boolean;
  readonly #nodes: SchemaNode[] = [];
  readonly #byValue = new Map<JsonObject, SchemaNode>();
  readonly #literals = new Map<string, SchemaNode>();
  readonly #text: JsonObject | boolean;
  /** Resources and anchors by URI; made when a reference first needs them. */
  #targets: Map<string, Target> | null = null;

  constructor(schema: unknown) {
    if (typeof schema !== 'boolean' && !isObject(schema)) throw new GrammarError('', '', `a schema is an object or a boolean, not ${JSON.stringify(schema)}`);
    this.#text = schema;
    const dialect = isObject(schema) ? get(schema, '$schema') : undefined;
    if (typeof dialect === 'string' && OWN_VOCABULARY.test(dialect)) throw new GrammarError('$schema', '/$schema', `the dialect ${JSON.stringify(dialect)} is not known`);
    this.legacy = isObject(schema) && LEGACY.test(String(get(schema, '$schema') ?? ''));
    this.root = this.#add(schema, '', ROOT_BASE);
  }

  node(id: number): SchemaNode {
    return this.#nodes[id];
  }

  /** The subschema at `steps` below `parent`. */
  child(parent: SchemaNode, schema: Json | undefined, ...steps: readonly (string | number)[]): SchemaNode {
    const pointer = parent.pointer + steps.map((step) => `/${escapeStep(String(step))}`).join('');
    if (typeof schema !== 'boolean' && !isObject(schema)) throw new GrammarError(String(steps[0]), pointer, `a schema is an object or a boolean, not ${JSON.stringify(schema)?.slice(0, 80)}`);
    return this.#add(schema, pointer, parent.base);
  }

  /** A schema that the document does not spell, one for each key. */
  synthetic(key: string, pointer: string, make: () => JsonObject | boolean): SchemaNode {
    let node = this.#literals.get(key);
    if (node === undefined) this.#literals.set(key, (node = this.#push(make(), pointer, ROOT_BASE)));
    return node;
  }

  #add(schema: boolean | JsonObject, pointer: string, base: string): SchemaNode {
    if (typeof schema === 'boolean') return this.synthetic(String(schema), pointer, () => schema);
    let node = this.#byValue.get(schema);
    if (node === undefined) this.#byValue.set(schema, (node = this.#push(schema, pointer, this.#baseOf(schema, base))));
    return node;
  }

  #push(schema: boolean | JsonObject, pointer: string, base: string): SchemaNode {
    if (this.#nodes.length >= MAX_NODES) throw new GrammarError('', pointer, `the schema has more than ${MAX_NODES} subschemas`);
    const node = { id: this.#nodes.length, schema, pointer, base };
    this.#nodes.push(node);
    return node;
  }

  #baseOf(schema: JsonObject, base: string): string {
    const id = get(schema, '$id') ?? (this.legacy ? get(schema, 'id') : undefined);
    if (typeof id !== 'string' || (this.legacy && get(schema, '$ref') !== undefined)) return base;
    const uri = resolveUri(id, base);
    return uri === null || (this.legacy && id.startsWith('#')) ? base : uri.split('#')[0];
  }

  resolve(from: SchemaNode, reference: Json | undefined, keyword: string): SchemaNode {
    const pointer = `${from.pointer}/${keyword}`;
    if (typeof reference !== 'string') throw new GrammarError(keyword, pointer, 'a reference is a string');
    const uri = resolveUri(reference, from.base);
    if (uri === null) throw new GrammarError(keyword, pointer, `${JSON.stringify(reference)} is not a URI reference`);
    const [resource, fragment = ''] = uri.split('#');
    const found = this.#find(resource, safeDecode(fragment));
    if (found === null) throw new GrammarError(keyword, pointer, `${JSON.stringify(reference)} leads to nothing in this schema; other documents are not fetched, put them under $defs`);
    return this.#add(found.schema, found.pointer, found.base);
  }

  #find(resource: string, fragment: string): Target | null {
    const targets = (this.#targets ??= this.#index());
    if (fragment !== '' && !fragment.startsWith('/')) return targets.get(`${resource}#${fragment}`) ?? null;
    const root = targets.get(resource);
    if (root === undefined) return null;
    let value: Json | undefined = root.schema;
    let { base } = root;
    const steps = fragment === '' ? [] : fragment.slice(1).split('/').map(unescapeStep);
    for (const [i, step] of steps.entries()) {
      if (Array.isArray(value)) value = (value as readonly Json[])[Number(step)];
      else value = isObject(value) ? get(value, step) : undefined;
      if (value === undefined) return null;
      if (isObject(value) && i < steps.length - 1) base = this.#baseOf(value, base);
    }
    return typeof value === 'boolean' || isObject(value) ? { schema: value, pointer: `${root.pointer}${fragment}`, base } : null;
  }

  #index(): Map<string, Target> {
    const targets = new Map<string, Target>();
    targets.set(ROOT_BASE, { schema: this.#text, pointer: '', base: ROOT_BASE });
    const todo: { schema: Json; pointer: string; base: string }[] = [{ schema: this.#text, pointer: '', base: ROOT_BASE }];
    for (let item = todo.pop(); item !== undefined; item = todo.pop()) {
      const { schema, pointer, base: outer } = item;
      if (!isObject(schema)) continue;
      const base = this.#baseOf(schema, outer);
      if (base !== outer) targets.set(base, { schema, pointer, base: outer });
      for (const keyword of ['$anchor', '$dynamicAnchor']) {
        const anchor = get(schema, keyword);
        if (typeof anchor === 'string') targets.set(`${base}#${anchor}`, { schema, pointer, base: outer });
      }
      const id = get(schema, '$id') ?? (this.legacy ? get(schema, 'id') : undefined);
      if (this.legacy && typeof id === 'string' && id.startsWith('#')) targets.set(`${base}${id}`, { schema, pointer, base: outer });
      const add = (value: Json | undefined, ...steps: readonly (string | number)[]): void => {
        if (isObject(value)) todo.push({ schema: value, pointer: `${pointer}/${steps.map((step) => escapeStep(String(step))).join('/')}`, base });
      };
      for (const keyword of HOLDS_ONE) add(get(schema, keyword), keyword);
      for (const keyword of HOLDS_LIST) {
        const list = get(schema, keyword);
        if (Array.isArray(list)) (list as readonly Json[]).forEach((value, i) => add(value, keyword, i));
      }
      for (const keyword of HOLDS_MAP) {
        const map = get(schema, keyword);
        if (isObject(map)) for (const [key, value] of Object.entries(map)) add(value, keyword, key);
      }
    }
    return targets;
  }

  /** How many schemas answer to a dynamic anchor of this name. */
  dynamicAnchors(name: string): number {
    return JSON.stringify(this.#text).split(`"$dynamicAnchor":${JSON.stringify(name)}`).length - 1;
  }
}

const escapeStep = (step: string): string => step.replaceAll('~', '~0').replaceAll('/', '~1');
const unescapeStep = (step: string): string => step.replaceAll('~1', '/').replaceAll('~0', '~');

function resolveUri(reference: string, base: string): string | null {
  if (reference.startsWith('#')) return base.split('#')[0] + reference;
  return URL.canParse(reference, base) ? new URL(reference, base).href : null;
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
