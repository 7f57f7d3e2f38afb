/**
 * What a rule can become. Objects and arrays have more states than could be written out as rules (which keys were seen, how many
 * items), so theirs are made when they are first reached.
 */
import { withoutValues } from './lexeme.ts';
import type { LexemeSpec } from './lexeme.ts';
import type { Alternative, ArrayRule, Child, Grammar, GrammarSymbol, Item, MemberValue, ObjectRule } from './grammar.ts';

/** Symbols at or above the number of rules are states of a container. */
type ContainerState =
  | { readonly kind: 'items'; readonly rule: ArrayRule; readonly index: number; readonly matches: number; readonly used: readonly string[] }
  /** After an item that must not come again: what it was is told when it has been read. */
  | { readonly kind: 'used'; readonly rule: ArrayRule; readonly index: number; readonly used: readonly string[] }
  | { readonly kind: 'members'; readonly rule: ObjectRule; readonly seen: bigint; readonly count: number; readonly next: number; readonly witnessed: number; readonly used: readonly string[] }
  /** After the comma, or after the brace: one member must come. */
  | { readonly kind: 'member'; readonly rule: ObjectRule; readonly seen: bigint; readonly count: number; readonly next: number; readonly witnessed: number; readonly used: readonly string[] }
  /** After a key that must not come again: what it was is told when it has been read. Then its value must come. */
  | { readonly kind: 'key' | 'value'; readonly child: Child; readonly after: Extract<ContainerState, { readonly kind: 'members' }>; readonly rule: ObjectRule };

export class Expansion {
  readonly #grammar: Grammar;
  readonly #states: ContainerState[] = [];
  readonly #index = new Map<string, GrammarSymbol>();
  readonly #alternatives: (readonly Alternative[] | undefined)[] = [];
  readonly #ruleIds = new Map<ArrayRule | ObjectRule, number>();
  /** Those of the grammar, and more of them as arrays rule out values. */
  readonly #lexemes: LexemeSpec[];
  readonly #ownLexemes = new Map<string, GrammarSymbol | null>();

  constructor(grammar: Grammar) {
    this.#grammar = grammar;
    this.#lexemes = [...grammar.lexemes];
    grammar.rules.forEach((rule, i) => {
      if (rule.kind !== 'choice') this.#ruleIds.set(rule, i);
    });
  }

  /** Its presence on the stack says that a container is open. */
  isFrame(symbol: GrammarSymbol): boolean {
    return symbol >= this.#grammar.rules.length;
  }

  lexeme(index: number): LexemeSpec {
    return this.#lexemes[index];
  }

  /** The symbol after a unique item, once its value is known. */
  afterValue(symbol: GrammarSymbol, value: string): GrammarSymbol {
    const state = this.#states[symbol - this.#grammar.rules.length];
    if (state.kind === 'key') return this.#symbol({ ...state, kind: 'value', after: { ...state.after, used: [...state.after.used, value].sort() } });
    if (state.kind !== 'used') throw new Error('only items and keys that must not come again tell what they are');
    const { rule, index } = state;
    return this.#symbol({ kind: 'items', rule, index: settled(rule, index), matches: 0, used: [...state.used, value].sort() });
  }

  /** Where the same may follow, whatever was told before: equal keys. Null where values may run out. */
  keyWithoutUsed(symbol: GrammarSymbol): string | null {
    const state = this.#states[symbol - this.#grammar.rules.length];
    const rule = this.#ruleIds.get(state.rule) as number;
    if (state.kind === 'key') return `${rule} ${keyOf({ ...state, after: { ...state.after, used: [] } })}`;
    if (state.kind !== 'used' || !state.rule.unique?.every((lexeme) => isEndless(this.#lexemes[-1 - lexeme]))) return null;
    return `${rule} ${settled(state.rule, state.index)}`;
  }

  of(symbol: GrammarSymbol): readonly Alternative[] {
    return (this.#alternatives[symbol] ??= this.#expand(symbol));
  }

  #expand(symbol: GrammarSymbol): readonly Alternative[] {
    const { rules } = this.#grammar;
    if (symbol >= rules.length) return this.#expandState(this.#states[symbol - rules.length]);
    const rule = rules[symbol];
    if (rule.kind === 'choice') return rule.alternatives;
    if (rule.kind === 'array') return [{ symbols: [rule.punctuation.openArray, this.#symbol({ kind: 'items', rule, index: 0, matches: 0, used: [] })], height: 1 }];
    return [{ symbols: [rule.punctuation.openObject, this.#symbol({ kind: 'members', rule, seen: 0n, count: 0, next: 0, witnessed: 0, used: [] })], height: 1 }];
  }

  #expandState(state: ContainerState): readonly Alternative[] {
    switch (state.kind) {
      case 'items':
        return this.#items(state);
      case 'members':
        return this.#members(state);
      case 'member':
        return this.#member(state);
      case 'value':
        return [{ symbols: [state.rule.punctuation.colon, state.child.value, this.#symbol(state.after)], height: 1 + state.child.height }];
      default:
        return [];
    }
  }

  #symbol(state: ContainerState): GrammarSymbol {
    const rule = this.#ruleIds.get(state.rule) as number;
    const key = `${rule} ${keyOf(state)}`;
    let symbol = this.#index.get(key);
    if (symbol === undefined) {
      symbol = this.#grammar.rules.length + this.#states.push(state) - 1;
      this.#index.set(key, symbol);
    }
    return symbol;
  }

  #items({ rule, index, matches, used }: Extract<ContainerState, { kind: 'items' }>): Alternative[] {
    const { comma, closeArray, endArray } = rule.punctuation;
    const out: Alternative[] = [];
    if (index >= rule.min && matches >= rule.minMatches) out.push({ symbols: [index === 0 ? endArray : closeArray], height: 0 });
    if (index >= rule.max) return out;
    if (rule.unique !== null) {
      const next = this.#symbol({ kind: 'used', rule, index: index + 1, used });
      for (const symbol of rule.unique) {
        const lexeme = this.#lexemeWithout(symbol, used, true);
        if (lexeme !== null) out.push({ symbols: [...(index === 0 ? [] : [comma]), lexeme, next], height: 1 });
      }
      return out;
    }
    const item = itemAt(rule, index);
    const add = (child: Child | null, nextMatches: number): void => {
      if (child === null || nextMatches > rule.maxMatches || !canEnd(rule, index + 1, nextMatches)) return;
      const next = this.#symbol({ kind: 'items', rule, index: settled(rule, index + 1), matches: rule.maxMatches === Infinity ? Math.min(nextMatches, rule.minMatches) : nextMatches, used: [] });
      out.push({ symbols: [...(index === 0 ? [] : [comma]), child.value, next], height: 1 + child.height });
    };
    add(item.plain, matches);
    add(item.match, matches + 1);
    return out;
  }

  /** Null where no value is left. `isTold`: what is read matters for what follows. */
  #lexemeWithout(symbol: GrammarSymbol, used: readonly string[], isTold: boolean): GrammarSymbol | null {
    const key = `${symbol} ${isTold} ${JSON.stringify(used)}`;
    let own = this.#ownLexemes.get(key);
    if (own === undefined) {
      const left = withoutValues(this.#lexemes[-1 - symbol], used);
      own = left === null ? null : -this.#lexemes.push(isTold ? { kind: 'told', base: left } : left);
      this.#ownLexemes.set(key, own);
    }
    return own;
  }

  #members(state: Extract<ContainerState, { kind: 'members' }>): Alternative[] {
    const { rule, seen, count } = state;
    const { comma, closeObject, endObject } = rule.punctuation;
    const out: Alternative[] = [];
    const complete = rule.named.every(({ required }, i) => !required || hasBit(seen, i));
    if (complete && count >= rule.min && state.witnessed === rule.witnesses) out.push({ symbols: [count === 0 ? endObject : closeObject], height: 0 });
    if (count >= rule.max) return out;
    const member = this.#symbol({ ...state, kind: 'member' });
    const options = this.of(member);
    if (options.length === 0) return out;
    if (count === 0) return [...out, ...options];
    out.push({ symbols: [comma, member], height: Math.min(...options.map(({ height }) => height)) });
    return out;
  }

  #member({ rule, seen, count, next, witnessed, used }: Extract<ContainerState, { kind: 'member' }>): Alternative[] {
    const { colon } = rule.punctuation;
    const out: Alternative[] = [];
    let missing = 0;
    let unseen = 0;
    rule.named.forEach(({ required }, i) => {
      if (hasBit(seen, i)) return;
      unseen++;
      if (required) missing++;
    });
    const add = (key: GrammarSymbol, { child, witnesses }: MemberValue, after: { seen: bigint; next: number }, needed: number, available: number, isOpen: boolean): void => {
      if (count + 1 + needed > rule.max || count + 1 + available < rule.min) return;
      const sofar = witnessed | witnesses;
      if (!canWitness(rule, rule.witnesses & ~sofar, after, rule.max - count - 1 - needed)) return;
      // Beyond the bounds the count need not be told apart; other keys may repeat, so only the first of them counts towards the least.
      const total = rule.max < Infinity ? count + 1 : Math.min(count + 1, Math.max(rule.min, 1));
      const members = { kind: 'members', rule, seen: after.seen, count: total, next: after.next, witnessed: sofar, used } as const;
      const height = 1 + child.height;
      if (!isOpen) out.push({ symbols: [key, colon, child.value, this.#symbol(members)], height });
      else if (witnesses !== 0 || (rule.distinct && count < rule.min)) {
        const own = this.#lexemeWithout(key, used, true);
        if (own !== null) out.push({ symbols: [own, this.#symbol({ kind: 'key', rule, child, after: members })], height });
      } else {
        const own = used.length === 0 ? key : this.#lexemeWithout(key, used, false);
        if (own !== null) out.push({ symbols: [own, colon, child.value, this.#symbol(members)], height });
      }
    };
    const open = rule.open.length > 0 ? Infinity : 0;
    for (let i = next; i < rule.named.length; i++) {
      const { key, values, required } = rule.named[i];
      if (hasBit(seen, i)) continue;
      const later = rule.ordered ? rule.named.length - i - 1 : unseen - 1;
      for (const value of values) add(key, value, { seen: seen | (1n << BigInt(i)), next: rule.ordered ? i + 1 : 0 }, missing - (required ? 1 : 0), later + open, false);
      if (rule.ordered && required) return out;
    }
    if (rule.ordered && missing > 0) return out;
    for (const { key, values } of rule.open) {
      for (const value of values) add(key, value, { seen, next: rule.ordered ? rule.named.length : 0 }, missing, Infinity, true);
    }
    return out;
  }
}

/** Members to come can be the witnesses that are missing, with at most `spare` of them beside the required ones. */
function canWitness(rule: ObjectRule, missing: number, { seen, next }: { seen: bigint; next: number }, spare: number): boolean {
  if (missing === 0) return true;
  const wanted = missing & -missing;
  for (let i = next; i < rule.named.length; i++) {
    const { values, required } = rule.named[i];
    if (hasBit(seen, i) || (!required && spare < 1)) continue;
    for (const { witnesses } of values) {
      if ((witnesses & wanted) !== 0 && canWitness(rule, missing & ~witnesses, { seen: seen | (1n << BigInt(i)), next }, required ? spare : spare - 1)) return true;
    }
  }
  return spare >= 1 && rule.open.some(({ values }) => values.some(({ witnesses }) => (witnesses & wanted) !== 0)) && canWitness(rule, missing & ~wanted, { seen, next }, spare - 1);
}

/** However many values are ruled out, any text that was begun can be gone on with. */
const isEndless = (spec: LexemeSpec): boolean => spec.kind === 'text' && spec.dfa === null && spec.max === Infinity;

function keyOf(state: ContainerState): string {
  switch (state.kind) {
    case 'items':
      return `items ${state.index} ${state.matches} ${keyOfUsed(state.used)}`;
    case 'used':
      return `used ${state.index} ${keyOfUsed(state.used)}`;
    case 'members':
    case 'member':
      return `${state.kind} ${state.seen.toString(36)} ${state.count} ${state.next} ${state.witnessed} ${keyOfUsed(state.used)}`;
    default:
      return `${state.kind} ${state.child.value} ${state.child.height} ${keyOf(state.after)}`;
  }
}

const keyOfUsed = (used: readonly string[]): string => (used.length === 0 ? '' : JSON.stringify(used));

const hasBit = (bits: bigint, i: number): boolean => ((bits >> BigInt(i)) & 1n) === 1n;

const itemAt = (rule: ArrayRule, index: number): Item => (index < rule.prefix.length ? rule.prefix[index] : rule.rest);

/** Indices from here on are alike. */
const settled = (rule: ArrayRule, index: number): number => (rule.max < Infinity ? index : Math.min(index, Math.max(rule.prefix.length, rule.min, 1)));

/** From `index` on, with `matches` so far, the array can still get all it needs, and no more matches than it may have. */
export function canEnd(rule: ArrayRule, index: number, matches: number): boolean {
  let sure = matches;
  let possible = 0;
  for (let i = index; i < rule.min; i++) {
    const { plain, match } = itemAt(rule, i);
    if (plain === null && match === null) return false;
    if (plain === null) sure++;
    else if (match !== null) possible++;
    // Those after the listed ones are alike.
    if (i >= rule.prefix.length) {
      const others = rule.min - i - 1;
      if (plain === null) sure += others;
      else if (match !== null) possible += others;
      break;
    }
  }
  if (sure > rule.maxMatches) return false;
  for (let i = Math.max(index, rule.min); i < Math.min(rule.prefix.length, rule.max) && sure + possible < rule.minMatches; i++) {
    const { plain, match } = rule.prefix[i];
    if (plain === null && match === null) return false;
    if (match !== null) possible++;
  }
  const beyond = rule.max - Math.max(index, rule.min, rule.prefix.length);
  return sure + possible + (rule.rest.match === null ? 0 : Math.max(0, beyond)) >= rule.minMatches;
}
