/**
 * What a rule can become. Objects and arrays have more states than could be written out as rules (which keys were seen, how many
 * items), so theirs are made when they are first reached.
 */
import type { Alternative, ArrayRule, Child, Grammar, GrammarSymbol, Item, ObjectRule } from './grammar.ts';

/** Symbols at or above the number of rules are states of a container. */
type ContainerState =
  | { readonly kind: 'items'; readonly rule: ArrayRule; readonly index: number; readonly matches: number }
  | { readonly kind: 'members'; readonly rule: ObjectRule; readonly seen: bigint; readonly count: number; readonly next: number }
  /** After the comma, or after the brace: one member must come. */
  | { readonly kind: 'member'; readonly rule: ObjectRule; readonly seen: bigint; readonly count: number; readonly next: number };

export class Expansion {
  readonly #grammar: Grammar;
  readonly #states: ContainerState[] = [];
  readonly #index = new Map<string, GrammarSymbol>();
  readonly #alternatives: (readonly Alternative[] | undefined)[] = [];
  readonly #ruleIds = new Map<ArrayRule | ObjectRule, number>();

  constructor(grammar: Grammar) {
    this.#grammar = grammar;
    grammar.rules.forEach((rule, i) => {
      if (rule.kind !== 'choice') this.#ruleIds.set(rule, i);
    });
  }

  /** Its presence on the stack says that a container is open. */
  isFrame(symbol: GrammarSymbol): boolean {
    return symbol >= this.#grammar.rules.length;
  }

  of(symbol: GrammarSymbol): readonly Alternative[] {
    return (this.#alternatives[symbol] ??= this.#expand(symbol));
  }

  #expand(symbol: GrammarSymbol): readonly Alternative[] {
    const { rules } = this.#grammar;
    if (symbol >= rules.length) {
      const state = this.#states[symbol - rules.length];
      if (state.kind === 'items') return this.#items(state);
      return state.kind === 'members' ? this.#members(state) : this.#member(state);
    }
    const rule = rules[symbol];
    if (rule.kind === 'choice') return rule.alternatives;
    if (rule.kind === 'array') return [{ symbols: [rule.punctuation.openArray, this.#symbol({ kind: 'items', rule, index: 0, matches: 0 })], height: 1 }];
    return [{ symbols: [rule.punctuation.openObject, this.#symbol({ kind: 'members', rule, seen: 0n, count: 0, next: 0 })], height: 1 }];
  }

  #symbol(state: ContainerState): GrammarSymbol {
    const rule = this.#ruleIds.get(state.rule) as number;
    const key = state.kind === 'items' ? `${rule} ${state.index} ${state.matches}` : `${rule} ${state.kind} ${state.seen.toString(36)} ${state.count} ${state.next}`;
    let symbol = this.#index.get(key);
    if (symbol === undefined) {
      symbol = this.#grammar.rules.length + this.#states.push(state) - 1;
      this.#index.set(key, symbol);
    }
    return symbol;
  }

  #items({ rule, index, matches }: Extract<ContainerState, { kind: 'items' }>): Alternative[] {
    const { comma, closeArray, endArray } = rule.punctuation;
    const out: Alternative[] = [];
    if (index >= rule.min && matches >= rule.minMatches) out.push({ symbols: [index === 0 ? endArray : closeArray], height: 0 });
    if (index >= rule.max) return out;
    const item = itemAt(rule, index);
    const add = (child: Child | null, nextMatches: number): void => {
      if (child === null || nextMatches > rule.maxMatches || !canEnd(rule, index + 1, nextMatches)) return;
      const next = this.#symbol({ kind: 'items', rule, index: settled(rule, index + 1), matches: rule.maxMatches === Infinity ? Math.min(nextMatches, rule.minMatches) : nextMatches });
      out.push({ symbols: [...(index === 0 ? [] : [comma]), child.value, next], height: 1 + child.height });
    };
    add(item.plain, matches);
    add(item.match, matches + 1);
    return out;
  }

  #members(state: Extract<ContainerState, { kind: 'members' }>): Alternative[] {
    const { rule, seen, count } = state;
    const { comma, closeObject, endObject } = rule.punctuation;
    const out: Alternative[] = [];
    const complete = rule.named.every(({ required }, i) => !required || hasBit(seen, i));
    if (complete && count >= rule.min) out.push({ symbols: [count === 0 ? endObject : closeObject], height: 0 });
    if (count >= rule.max) return out;
    const member = this.#symbol({ ...state, kind: 'member' });
    const options = this.of(member);
    if (options.length === 0) return out;
    if (count === 0) return [...out, ...options];
    out.push({ symbols: [comma, member], height: Math.min(...options.map(({ height }) => height)) });
    return out;
  }

  #member({ rule, seen, count, next }: Extract<ContainerState, { kind: 'member' }>): Alternative[] {
    const { colon } = rule.punctuation;
    const out: Alternative[] = [];
    let missing = 0;
    let unseen = 0;
    rule.named.forEach(({ required }, i) => {
      if (hasBit(seen, i)) return;
      unseen++;
      if (required) missing++;
    });
    const add = (key: GrammarSymbol, child: Child, after: { seen: bigint; next: number }, needed: number, available: number): void => {
      if (count + 1 + needed > rule.max || count + 1 + available < rule.min) return;
      // Beyond the bounds the count need not be told apart; other keys may repeat, so only the first of them counts towards the least.
      const total = rule.max < Infinity ? count + 1 : Math.min(count + 1, Math.max(rule.min, 1));
      out.push({ symbols: [key, colon, child.value, this.#symbol({ kind: 'members', rule, seen: after.seen, count: total, next: after.next })], height: 1 + child.height });
    };
    const open = rule.open.length > 0 ? Infinity : 0;
    for (let i = next; i < rule.named.length; i++) {
      const { key, child, required } = rule.named[i];
      if (hasBit(seen, i)) continue;
      const later = rule.ordered ? rule.named.length - i - 1 : unseen - 1;
      add(key, child, { seen: seen | (1n << BigInt(i)), next: rule.ordered ? i + 1 : 0 }, missing - (required ? 1 : 0), later + open);
      if (rule.ordered && required) return out;
    }
    if (rule.ordered && missing > 0) return out;
    for (const { key, child } of rule.open) {
      add(key, child, { seen, next: rule.ordered ? rule.named.length : 0 }, missing, Infinity);
    }
    return out;
  }
}

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
