/** Shapes → grammar: what can be reached from the root, without what can never be completed. */
import { ALL_TEXTS, intersectDfa, listWords, matchesDfa, subtractDfa, wordsDfa } from './dfa.ts';
import type { Dfa } from './dfa.ts';
import { BudgetError, GrammarError } from './error.ts';
import { canEnd } from './expand.ts';
import { MAX_NESTING } from './grammar.ts';
import type { Alternative, ArrayRule, Child, GrammarBuilder, GrammarSymbol, Item, MemberValue, ObjectRule, Whitespace } from './grammar.ts';
import { regexDfa } from './nfa.ts';
import type { Normalizer } from './normalize.ts';
import { INTEGER, intersectNumbers, isWhole, keyOfNumbers, numberTable, tableDfa } from './numbers.ts';
import type { NumberSet } from './numbers.ts';
import { FALSE, TRUE, termOfKey } from './shapes.ts';
import type { ArrayShape, ObjectShape, Shapes, Term } from './shapes.ts';
import { keyOfStrings } from './strings.ts';
import type { StringSet } from './strings.ts';

/** declared: named properties in their order, others after them; any: as the model likes. */
export type PropertyOrder = 'declared' | 'any';

export type Notation = 'json' | 'python-call';

interface ItemPlan {
  readonly plain: Term;
  /** FALSE where the array counts no matches. */
  readonly match: Term;
}

interface ArrayPlan {
  readonly shape: ArrayShape;
  /** Lexemes of items that must differ. */
  readonly unique: readonly GrammarSymbol[] | null;
  readonly prefix: readonly ItemPlan[];
  readonly rest: ItemPlan;
}

/** What a member's value may be, and which witnesses (bits) it then is. */
interface ValuePlan {
  readonly term: Term;
  readonly witnesses: number;
}

interface KeyClass {
  readonly dfa: Dfa | null;
  readonly except: readonly string[];
  readonly values: readonly ValuePlan[];
}

interface ObjectPlan {
  readonly shape: ObjectShape;
  readonly named: readonly { readonly name: string; readonly values: readonly ValuePlan[]; readonly required: boolean }[];
  readonly open: readonly KeyClass[];
  readonly distinct: boolean;
}

interface Plan {
  readonly term: Term;
  readonly scalars: readonly GrammarSymbol[];
  readonly arrays: readonly ArrayPlan[];
  readonly objects: readonly ObjectPlan[];
}

const NO_CHILD: Child = { value: 0, height: 0 };
const MAX_TERMS = 20_000;
const MAX_KEY_CLASSES = 64;
const MAX_FEW = 32;
/** Doubles that their digits tell apart. */
const EXACT_NUMBERS: NumberSet = { min: { value: -999_999_999_999_999, exclusive: false }, max: { value: 999_999_999_999_999, exclusive: false }, conditions: [] };
/** Values of items that must differ are counted up to so many. */
const MAX_LISTED = 1_000;
/** A sign, at most 21 digits, a fraction, or one digit with fraction and exponent: no double runs over, and none runs on. */
const ANY_NUMBER_TEXT = '-?(0|[1-9]\\d{0,20})(\\.\\d{1,20})?|-?\\d(\\.\\d{1,20})?[eE][+-]?(\\d{1,2}|[12]\\d\\d|30[0-7])';
const INTEGER_TEXT = '0|-?[1-9]\\d{0,20}';
const INTEGER_KEY = keyOfNumbers({ min: null, max: null, conditions: [INTEGER] });

/** Names that can be keywords of a call. */
const KEYWORD_TEXT = '[A-Za-z_][A-Za-z0-9_]*';
const PYTHON_WORDS = { null: 'None', true: 'True', false: 'False' } as const;

export interface EmitOptions {
  readonly order: PropertyOrder;
  readonly whitespace: Whitespace;
  readonly closed: boolean;
  readonly notation: Notation;
}

export class Emitter {
  readonly #normalizer: Normalizer;
  readonly #builder: GrammarBuilder;
  readonly #options: EmitOptions;
  readonly #plans = new Map<Term, Plan>();
  readonly #heights = new Map<Term, number>();
  readonly #symbols = new Map<Term, GrammarSymbol>();

  constructor(normalizer: Normalizer, builder: GrammarBuilder, options: EmitOptions) {
    this.#normalizer = normalizer;
    this.#builder = builder;
    this.#options = options;
  }

  emit(root: Term): GrammarSymbol {
    this.#explore(root);
    this.#settleHeights();
    const height = this.#height(root);
    if (height === Infinity) throw new GrammarError('', '', 'no value satisfies the schema');
    if (height > MAX_NESTING) throw new GrammarError('', '', `every value nests deeper than ${MAX_NESTING}`);
    return this.#options.notation === 'json' ? this.#symbol(root) : this.#call(root);
  }

  /** The objects among the values, as keyword arguments; objects within them are dictionaries. */
  #call(root: Term): GrammarSymbol {
    const objects = (this.#plans.get(root) as Plan).objects.filter((object) => this.#objectHeight(object) < Infinity);
    if (objects.length === 0) throw new GrammarError('type', '', 'keyword arguments are an object');
    const alternatives = objects.map((object) => ({ symbols: [this.#builder.rule(this.#callRule(object))], height: this.#objectHeight(object) }));
    return this.#builder.rule({ kind: 'choice', alternatives });
  }

  #callRule(plan: ObjectPlan): ObjectRule {
    const rule = this.#objectRule(plan);
    const keyword = new RegExp(`^${KEYWORD_TEXT}$`, 'u');
    const named = plan.named.filter(({ values }) => this.#members(values).length > 0);
    const wrong = named.find(({ name }) => !keyword.test(name));
    if (wrong !== undefined) throw new GrammarError('properties', `/properties/${wrong.name}`, 'the name cannot be a keyword of a call in Python');
    const open = plan.open.filter(({ values }) => this.#members(values).length > 0);
    return {
      ...rule,
      named: rule.named.map((key, i) => ({ ...key, key: this.#builder.words([named[i].name]) })),
      open: rule.open.flatMap((key, i) => {
        const words = this.#keywords(open[i]);
        return words === null ? [] : [{ ...key, key: words }];
      }),
      punctuation: this.#builder.callPunctuation(this.#options.whitespace),
    };
  }

  #keywords({ dfa, except }: KeyClass): GrammarSymbol | null {
    const keyword = regexDfa(KEYWORD_TEXT, { whole: true });
    const words = dfa === null || keyword === null ? keyword : intersectDfa(dfa, keyword);
    if (words === null) return null;
    return this.#builder.lexeme(`keywords ${keyOfStrings({ words: null, dfa: words, min: 0, max: Infinity })} ${JSON.stringify(except)}`, () => ({ kind: 'text', quoted: false, dfa: words, min: 0, max: Infinity, except }));
  }

  #explore(root: Term): void {
    const todo = [root];
    for (let term = todo.pop(); term !== undefined; term = todo.pop()) {
      if (term === FALSE || this.#plans.has(term)) continue;
      if (this.#plans.size >= MAX_TERMS) throw new GrammarError('', '', `the schema comes apart into more than ${MAX_TERMS} different subschemas`);
      const plan = this.#at(term, () => this.#plan(term as Term));
      this.#plans.set(term, plan);
      for (const { prefix, rest } of plan.arrays) for (const { plain, match } of [...prefix, rest]) todo.push(plain, match);
      for (const { named, open } of plan.objects) for (const { values } of [...named, ...open]) for (const value of values) todo.push(value.term);
    }
  }

  /** Where the fault is: the first subschema of the term. */
  #pointer(term: Term): string {
    const [atom] = this.#normalizer.terms.atoms(term);
    return atom === undefined ? '' : this.#normalizer.document.node(atom >> 1).pointer;
  }

  #at<T>(term: Term, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof BudgetError) throw new GrammarError('', this.#pointer(term), error.message);
      throw error;
    }
  }

  #plan(term: Term): Plan {
    const shapes = this.#normalizer.shapes(term);
    return {
      term,
      scalars: this.#scalars(shapes),
      arrays: shapes.arrays.map((shape) => this.#arrayPlan(shape, term)),
      objects: shapes.objects.map((shape) => this.#objectPlan(shape, term)),
    };
  }

  #scalars(shapes: Shapes): GrammarSymbol[] {
    const literals = (['null', 'true', 'false'] as const).filter((word) => shapes[word]);
    const words: string[] = literals.map((word) => (this.#options.notation === 'json' ? word : PYTHON_WORDS[word]));
    const symbols: GrammarSymbol[] = [];
    for (const set of shapes.strings) {
      if (set.words === null) symbols.push(this.#text(set));
      else for (const word of set.words) words.push(JSON.stringify(word));
    }
    for (const set of shapes.numbers) {
      const point = pointOf(set);
      if (point !== null) words.push(...(numberTable(set) === null && set.conditions.length > 0 ? [] : [point]));
      else symbols.push(...this.#number(set));
    }
    return words.length === 0 ? symbols : [this.#builder.words(words), ...symbols];
  }

  #text(set: StringSet, except: readonly string[] = []): GrammarSymbol {
    return this.#builder.lexeme(`text ${keyOfStrings(set)} ${JSON.stringify(except)}`, () => ({ kind: 'text', quoted: true, dfa: set.dfa, min: set.min, max: set.max, except }));
  }

  #number(set: NumberSet): GrammarSymbol[] {
    const key = keyOfNumbers(set);
    if (key === '::') return [this.#builder.pattern(ANY_NUMBER_TEXT)];
    if (key === INTEGER_KEY) return [this.#builder.pattern(INTEGER_TEXT)];
    const table = numberTable(set);
    return table === null ? [] : [this.#builder.lexeme(`number ${key}`, () => ({ kind: 'number', table }))];
  }

  #arrayPlan(shape: ArrayShape, term: Term): ArrayPlan {
    const { terms } = this.#normalizer;
    const { contains } = shape;
    const item = (plain: Term): ItemPlan => {
      if (contains === null) return { plain, match: FALSE };
      const [atom] = terms.atoms(contains.term);
      const others = contains.max === Infinity ? TRUE : this.#normalizer.negate(contains.term, this.#normalizer.document.node((atom ?? 0) >> 1));
      return { plain: terms.and(plain, others), match: terms.and(plain, contains.term) };
    };
    const prefix = shape.prefix.slice(0, Math.min(shape.prefix.length, shape.max)).map(item);
    if (shape.unique && shape.max > 1) return this.#uniquePlan(shape, term);
    if (shape.min > 100_000) throw new GrammarError('minItems', this.#pointer(term), 'more than 100000 items are not supported');
    return { shape, unique: null, prefix, rest: item(shape.max <= prefix.length ? FALSE : shape.rest) };
  }

  /** Equal values of these items have equal texts, so texts that were read are ruled out as the array goes on. */
  #uniquePlan(shape: ArrayShape, term: Term): ArrayPlan {
    const refuse = (reason: string): never => {
      throw new GrammarError('uniqueItems', `${this.#pointer(term)}/uniqueItems`, reason);
    };
    if (shape.prefix.length > 0 || shape.contains !== null) refuse('together with prefixItems or contains it is not supported');
    const rest = { plain: shape.rest, match: FALSE };
    if (shape.rest === FALSE) return { shape, unique: null, prefix: [], rest };
    const all = this.#normalizer.shapes(shape.rest);
    const shapes = { ...all, numbers: all.numbers.flatMap((set) => intersectNumbers(set, EXACT_NUMBERS) ?? []) };
    if (shapes.arrays.length + shapes.objects.length > 0) refuse("arrays and objects that differ from each other can't be enforced; strings, whole numbers, listed values can");
    if (!shapes.numbers.every((set) => isWhole(set) || pointOf(set) !== null)) refuse("numbers that differ from each other can't be enforced unless they are whole");
    const values = new Set<string>();
    for (const word of ['null', 'true', 'false'] as const) if (shapes[word]) values.add(word);
    const strings = shapes.strings.map(({ words, dfa, min, max }) => words ?? listWords(dfa ?? ALL_TEXTS, min, max, MAX_LISTED));
    const numbers = shapes.numbers.map((set) => {
      const point = pointOf(set);
      const table = point === null ? numberTable(set) : null;
      return point !== null ? [point] : table === null ? [] : listWords(tableDfa(table), 0, Infinity, MAX_LISTED);
    });
    for (const list of strings) for (const word of list ?? []) values.add(JSON.stringify(word));
    for (const list of numbers) for (const word of list ?? []) values.add(word);
    const count = [...strings, ...numbers].includes(null) ? Infinity : values.size;
    if (count === Infinity && shape.min > MAX_LISTED) refuse(`more than ${MAX_LISTED} items that differ are not supported`);
    return { shape: { ...shape, max: Math.min(shape.max, count) }, unique: this.#scalars(shapes), prefix: [], rest };
  }

  #objectPlan(shape: ObjectShape, term: Term): ObjectPlan {
    const { terms, budget } = this.#normalizer;
    const names = new Set([...shape.layers.flatMap(({ named }) => [...named.keys()]), ...shape.required]);
    const required = new Set(shape.required);
    budget.spend(names.size);
    const named = [...names].map((name) => {
      const witnesses = bitsOf(shape.some, ({ keys }) => keys === null || matchesDfa(keys, name));
      return { name, values: this.#values(shape, termOfKey(shape, name, terms), witnesses), required: required.has(name) };
    });
    const classes = shape.max === 0 || this.#isClosed(shape) ? [] : this.#keyClasses(shape, [...names]);
    // Few keys are as good as named ones.
    const open: KeyClass[] = [];
    for (const part of classes) {
      const few = part.dfa === null ? null : listWords(part.dfa, 0, Infinity, MAX_FEW);
      if (few === null) open.push(part);
      else for (const name of few) named.push({ name, values: [...part.values], required: false });
    }
    const distinct = open.length > 0 && shape.min > required.size + 1;
    if (distinct && shape.min > MAX_FEW) throw new GrammarError('minProperties', `${this.#pointer(term)}/minProperties`, `more than ${MAX_FEW} keys that are not named are not supported`);
    return { shape, distinct, named: named.filter(({ values }) => values.length > 0), open };
  }

  #isClosed({ layers }: ObjectShape): boolean {
    return this.#options.closed && layers.some(({ says }) => says === 'properties') && !layers.some(({ says }) => says === 'others');
  }

  /** A member that can be some witnesses may be any of them, or none. */
  #values({ some }: ObjectShape, term: Term, witnesses: number): ValuePlan[] {
    const { terms } = this.#normalizer;
    const out: ValuePlan[] = [];
    for (let subset = 0; subset <= witnesses; subset++) {
      if ((subset & ~witnesses) !== 0) continue;
      const both = some.reduce((all, witness, i) => ((subset & (1 << i)) === 0 ? all : terms.and(all, witness.term)), term);
      if (both !== FALSE) out.push({ term: both, witnesses: subset });
    }
    return out;
  }

  /** Keys that no schema names, by what their values must satisfy. */
  #keyClasses(shape: ObjectShape, names: readonly string[]): KeyClass[] {
    const { terms, budget } = this.#normalizer;
    const witnessKey = (i: number): string => `witness ${i}`;
    const patterns = new Map<string, Dfa | null>(shape.some.map(({ keys }, i) => [witnessKey(i), keys]));
    for (const layer of shape.layers) for (const { source, dfa } of layer.patterns) patterns.set(`pattern ${source}`, dfa);
    let classes: { dfa: Dfa | null; hits: ReadonlySet<string> }[] = [{ dfa: shape.keys, hits: new Set() }];
    for (const [source, dfa] of patterns) {
      if (dfa === null) continue;
      budget.spend(classes.length * dfa.accepting.length);
      classes = classes.flatMap((part) => {
        const language = part.dfa ?? ALL_TEXTS;
        const inside = intersectDfa(language, dfa);
        const outside = subtractDfa(language, dfa);
        return [...(inside === null ? [] : [{ dfa: inside, hits: new Set([...part.hits, source]) }]), ...(outside === null ? [] : [{ dfa: outside, hits: part.hits }])];
      });
      if (classes.length > MAX_KEY_CLASSES) throw new BudgetError(`patternProperties overlap in more than ${MAX_KEY_CLASSES} ways`);
    }
    return classes.flatMap(({ dfa, hits }): KeyClass[] => {
      let term = TRUE;
      for (const layer of shape.layers) {
        const matching = layer.patterns.filter(({ source }) => hits.has(`pattern ${source}`));
        for (const pattern of matching) term = terms.and(term, pattern.term);
        if (matching.length === 0) term = terms.and(term, layer.additional);
      }
      if (term === FALSE) return [];
      const witnesses = bitsOf(shape.some, ({ keys }, i) => keys === null || hits.has(witnessKey(i)));
      const values = this.#values(shape, term, witnesses);
      if (dfa === null) return [{ dfa, except: names, values }];
      const taken = names.filter((name) => matchesDfa(dfa, name));
      const left = taken.length === 0 ? dfa : subtractDfa(dfa, wordsDfa(taken) as Dfa);
      return left === null ? [] : [{ dfa: left, except: [], values }];
    });
  }

  #height(term: Term): number {
    return term === FALSE ? Infinity : (this.#heights.get(term) ?? Infinity);
  }

  /** Least nesting that completes each term, up from those that need none; what is left at infinity can't be completed. */
  #settleHeights(): void {
    const plans = [...this.#plans.values()].reverse();
    for (let changed = true; changed; ) {
      changed = false;
      this.#normalizer.budget.spend(plans.length);
      for (const plan of plans) {
        const height = this.#heightOf(plan);
        if (height >= this.#height(plan.term)) continue;
        this.#heights.set(plan.term, height);
        changed = true;
      }
    }
  }

  #heightOf({ scalars, arrays, objects }: Plan): number {
    if (scalars.length > 0) return 0;
    return Math.min(Infinity, ...arrays.map((array) => this.#arrayHeight(array)), ...objects.map((object) => this.#objectHeight(object)));
  }

  #itemHeight({ plain, match }: ItemPlan): number {
    return Math.min(this.#height(plain), this.#height(match));
  }

  #arrayHeight(plan: ArrayPlan): number {
    const { shape, prefix, rest } = plan;
    if (shape.min > shape.max) return Infinity;
    if (!canEnd(this.#arrayRule(plan, (term) => (this.#height(term) === Infinity ? null : NO_CHILD)), 0, 0)) return Infinity;
    let height = 0;
    for (let i = 0; i < Math.min(shape.min, prefix.length + 1); i++) height = Math.max(height, this.#itemHeight(prefix[i] ?? rest));
    if ((shape.contains?.min ?? 0) > 0) height = Math.max(height, Math.min(...[...prefix, rest].map(({ match }) => this.#height(match))));
    return 1 + height;
  }

  #objectHeight({ shape, named, open }: ObjectPlan): number {
    const heightOf = (values: readonly ValuePlan[], witness = 0): number => Math.min(Infinity, ...values.filter(({ witnesses }) => (witnesses & witness) === witness).map(({ term }) => this.#height(term)));
    const required = named.filter((key) => key.required).map(({ values }) => heightOf(values));
    const optional = named.filter((key) => !key.required).map(({ values }) => heightOf(values));
    const witnesses = shape.some.map((_, i) => Math.min(Infinity, ...[...named, ...open].map(({ values }) => heightOf(values, 1 << i))));
    const missing = shape.min - required.length;
    const others = [...optional, ...open.flatMap(({ values }) => Array.from({ length: Math.max(missing, 0) }, () => heightOf(values)))].sort((a, b) => a - b);
    return 1 + Math.max(0, ...required, ...witnesses, missing > 0 ? (others[missing - 1] ?? Infinity) : 0);
  }

  #child(term: Term): Child | null {
    const height = this.#height(term);
    return height === Infinity ? null : { value: this.#symbol(term), height };
  }

  #symbol(term: Term): GrammarSymbol {
    let symbol = this.#symbols.get(term);
    if (symbol !== undefined) return symbol;
    symbol = this.#builder.reserve();
    this.#symbols.set(term, symbol);
    // Defined below, not here: schemas nest deeper than calls may.
    this.#pending.push(term);
    if (this.#pending.length === 1) this.#definePending();
    return symbol;
  }

  readonly #pending: Term[] = [];

  #definePending(): void {
    for (let i = 0; i < this.#pending.length; i++) this.#define(this.#pending[i]);
    this.#pending.length = 0;
  }

  #define(term: Term): void {
    const plan = this.#plans.get(term) as Plan;
    const alternatives: Alternative[] = plan.scalars.map((symbol) => ({ symbols: [symbol], height: 0 }));
    for (const array of plan.arrays) {
      const height = this.#arrayHeight(array);
      if (height < Infinity) alternatives.push({ symbols: [this.#builder.rule(this.#arrayRule(array, (child) => this.#child(child)))], height });
    }
    for (const object of plan.objects) {
      const height = this.#objectHeight(object);
      if (height < Infinity) alternatives.push({ symbols: [this.#builder.rule(this.#objectRule(object))], height });
    }
    this.#builder.define(this.#symbols.get(term) as GrammarSymbol, { kind: 'choice', alternatives });
  }

  #arrayRule({ shape, unique, prefix, rest }: ArrayPlan, child: (term: Term) => Child | null): ArrayRule {
    const item = ({ plain, match }: ItemPlan): Item => ({ plain: child(plain), match: child(match) });
    const items = prefix.map(item);
    const others = item(rest);
    // The first impossible item ends the array before it.
    const broken = items.findIndex(({ plain, match }) => plain === null && match === null);
    const bound = broken >= 0 ? broken : others.plain === null && others.match === null ? items.length : Infinity;
    return {
      kind: 'array',
      prefix: items,
      rest: others,
      min: shape.min,
      max: Math.min(shape.max, bound),
      minMatches: shape.contains?.min ?? 0,
      maxMatches: shape.contains?.max ?? Infinity,
      unique,
      punctuation: this.#builder.punctuation(this.#options.whitespace),
    };
  }

  #members(values: readonly ValuePlan[]): MemberValue[] {
    return values.flatMap(({ term, witnesses }) => {
      const child = this.#child(term);
      return child === null ? [] : [{ child, witnesses }];
    });
  }

  #objectRule({ shape, named, open, distinct }: ObjectPlan): ObjectRule {
    return {
      kind: 'object',
      named: named.flatMap(({ name, values, required }) => {
        const members = this.#members(values);
        return members.length === 0 ? [] : [{ key: this.#builder.words([JSON.stringify(name)]), values: members, required }];
      }),
      open: open.flatMap(({ dfa, except, values }) => {
        const members = this.#members(values);
        return members.length === 0 ? [] : [{ key: this.#text({ words: null, dfa, min: 0, max: Infinity }, except), values: members }];
      }),
      distinct,
      witnesses: (1 << shape.some.length) - 1,
      min: shape.min,
      max: shape.max,
      ordered: this.#options.order === 'declared',
      punctuation: this.#builder.punctuation(this.#options.whitespace),
    };
  }
}

/** Bit i tells of item i. */
const bitsOf = <T>(items: readonly T[], holds: (item: T, i: number) => boolean): number => items.reduce((bits, item, i) => (holds(item, i) ? bits | (1 << i) : bits), 0);

/** The text of the one number in the set; null where there may be more. */
function pointOf({ min, max }: NumberSet): string | null {
  return min !== null && max !== null && min.value === max.value && !min.exclusive && !max.exclusive ? String(min.value) : null;
}
