/**
 * Grammars as text, in the manner of GBNF: `root ::= "a" [0-9]+ (item | other)? # remark`. Left recursion is refused. A rule that
 * refers to no other is a regular language and becomes one lexeme.
 */
import { ANY_CHAR, complement, union } from './charset.ts';
import type { CharSet } from './charset.ts';
import { BudgetError, GrammarError, spend } from './error.ts';
import type { GrammarBuilder, GrammarSymbol } from './grammar.ts';
import { treeDfa } from './nfa.ts';
import type { RegexNode } from './regex.ts';

type Expression = RegexNode | { readonly kind: 'rule'; readonly name: string } | { readonly kind: 'group'; readonly parts: readonly Expression[] } | { readonly kind: 'either'; readonly options: readonly Expression[] } | { readonly kind: 'times'; readonly body: Expression; readonly min: number; readonly max: number };

const MAX_CHARACTERS = 200_000;
const MAX_REPEAT = 1_000;
const MAX_DEPTH = 100;
const MAX_RULES = 20_000;

/** The symbol of the rule named root. Throws GrammarError, with the line as its place. */
export function addEbnf(builder: GrammarBuilder, text: string): GrammarSymbol {
  if (text.length > MAX_CHARACTERS) throw new GrammarError('', '', `the grammar has ${text.length} characters; ${MAX_CHARACTERS} are allowed`);
  const rules = new EbnfParser(text).parse();
  return new EbnfCompiler(builder, rules).compile();
}

class EbnfParser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Map<string, Expression> {
    const rules = new Map<string, Expression>();
    for (this.#skip(true); this.#at < this.#text.length; this.#skip(true)) {
      const name = this.#match(/[A-Za-z_][A-Za-z0-9_-]*/y) ?? this.#fail('a rule begins with its name');
      this.#skip(true);
      if (this.#match(/::=/y) === null) this.#fail(`::= must follow the name ${name}`);
      if (rules.has(name)) this.#fail(`${name} is defined twice`);
      rules.set(name, this.#either(false));
    }
    return rules;
  }

  get #line(): string {
    return `line ${this.#text.slice(0, this.#at).split('\n').length}`;
  }

  #fail(reason: string): never {
    throw new GrammarError('', this.#line, reason);
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return null;
    this.#at += match[0].length;
    return match[0];
  }

  /** Spaces and remarks; line breaks too inside parentheses and where a rule goes on. */
  #skip(lines: boolean): void {
    this.#match(lines ? /(?:\s|#[^\n]*)*/y : /(?:[ \t]|#[^\n]*)*/y);
  }

  #either(inside: boolean): Expression {
    if (++this.#depth > MAX_DEPTH) this.#fail(`groups nest deeper than ${MAX_DEPTH}`);
    const options = [this.#group(inside)];
    while (this.#bar(inside)) options.push(this.#group(inside));
    this.#depth--;
    return options.length === 1 ? options[0] : { kind: 'either', options };
  }

  /** A bar may begin the next line, too. */
  #bar(inside: boolean): boolean {
    this.#skip(inside);
    return this.#match(/(?:\s|#[^\n]*)*\|/y) !== null;
  }

  #group(inside: boolean): Expression {
    const parts: Expression[] = [];
    this.#skip(true);
    for (;;) {
      this.#skip(inside);
      const part = this.#atom();
      if (part === null) break;
      parts.push(this.#repeated(part));
    }
    return parts.length === 1 ? parts[0] : { kind: 'group', parts };
  }

  #repeated(body: Expression): Expression {
    let out = body;
    for (;;) {
      const sign = this.#match(/[*+?]|\{\d{1,6}(?:,(?:\d{1,6})?)?\}/y);
      if (sign === null) return out;
      const [min, max] = boundsOf(sign);
      if (min > max || min > MAX_REPEAT || (max !== Infinity && max > MAX_REPEAT)) this.#fail(`${sign}: at most ${MAX_REPEAT} repetitions, and not counting down`);
      out = { kind: 'times', body: out, min, max };
    }
  }

  #atom(): Expression | null {
    const literal = this.#match(/"(?:[^"\\\n]|\\.)*"/y);
    if (literal !== null) return { kind: 'sequence', parts: this.#characters(literal.slice(1, -1)).map((char) => ({ kind: 'chars' as const, set: [char, char] })) };
    const set = this.#match(/\[(?:[^\]\\\n]|\\.)*\]/y);
    if (set !== null) return { kind: 'chars', set: this.#set(set.slice(1, -1)) };
    if (this.#match(/\./y) !== null) return { kind: 'chars', set: ANY_CHAR };
    if (this.#match(/\(/y) !== null) {
      const inner = this.#either(true);
      this.#skip(true);
      if (this.#match(/\)/y) === null) this.#fail('unmatched (');
      return inner;
    }
    const start = this.#at;
    const name = this.#match(/[A-Za-z_][A-Za-z0-9_-]*/y);
    if (name === null) {
      if (/["[\])*+?{]/.test(this.#text[this.#at] ?? '') && this.#text[this.#at] !== ')') this.#fail(`unexpected ${this.#text[this.#at]}`);
      return null;
    }
    // The name of the next rule, not a part of this one.
    if (/(?:\s|#[^\n]*)*::=/y.exec(this.#text.slice(this.#at)) !== null) {
      this.#at = start;
      return null;
    }
    return { kind: 'rule', name };
  }

  #set(body: string): CharSet {
    const negative = body.startsWith('^');
    const raw = negative ? body.slice(1) : body;
    const chars = this.#characters(raw);
    const dashes = this.#dashes(raw);
    const sets: CharSet[] = [];
    for (let i = 0; i < chars.length; i++) {
      if (dashes[i + 1] && i + 2 < chars.length) {
        if (chars[i] > chars[i + 2]) this.#fail('a range counts down');
        sets.push([chars[i], chars[i + 2]]);
        i += 2;
      } else sets.push([chars[i], chars[i]]);
    }
    const set = union(...sets);
    return negative ? complement(set) : set;
  }

  #escapes(text: string): RegExpExecArray[] {
    return [...text.matchAll(/\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}|\\.|[^\\]/gsu)];
  }

  #characters(text: string): number[] {
    return this.#escapes(text).map(([piece]) => {
      if (!piece.startsWith('\\')) return piece.codePointAt(0) as number;
      const letter = piece[1];
      if ('xuU'.includes(letter) && piece.length > 2) return Number.parseInt(piece.slice(2), 16);
      const named = { n: 10, r: 13, t: 9 }[letter];
      if (named === undefined && /[A-Za-z0-9]/.test(letter)) this.#fail(`${piece} is not an escape`);
      return named ?? (piece.codePointAt(1) as number);
    });
  }

  #dashes(text: string): boolean[] {
    return this.#escapes(text).map(([piece]) => piece === '-');
  }
}

function boundsOf(sign: string): readonly [number, number] {
  if (sign === '*') return [0, Infinity];
  if (sign === '+') return [1, Infinity];
  if (sign === '?') return [0, 1];
  const [min, max] = sign.slice(1, -1).split(',');
  return [Number(min), max === undefined ? Number(min) : max === '' ? Infinity : Number(max)];
}

type Sequence = readonly GrammarSymbol[];

class EbnfCompiler {
  readonly #rules: ReadonlyMap<string, Expression>;
  readonly #builder: GrammarBuilder;
  readonly #symbols = new Map<string, GrammarSymbol>();
  /** What each rule can become; defined once it is known which of it can be completed. */
  readonly #choices = new Map<GrammarSymbol, readonly Sequence[]>();
  /** Lexemes that take the empty text. */
  readonly #empty = new Set<GrammarSymbol>();

  constructor(builder: GrammarBuilder, rules: ReadonlyMap<string, Expression>) {
    this.#builder = builder;
    this.#rules = rules;
  }

  compile(): GrammarSymbol {
    if (!this.#rules.has('root')) throw new GrammarError('root', '', 'the grammar has no rule named root');
    for (const name of this.#rules.keys()) this.#symbols.set(name, this.#builder.reserve());
    for (const [name, expression] of this.#rules) this.#define(this.#symbols.get(name) as GrammarSymbol, [this.#sequence(expression, name)]);
    this.#checkLeftRecursion();
    const root = this.#symbols.get('root') as GrammarSymbol;
    this.#defineProductive(root);
    return root;
  }

  #define(symbol: GrammarSymbol, alternatives: readonly Sequence[]): GrammarSymbol {
    if (this.#choices.size >= MAX_RULES) throw new GrammarError('', '', 'the grammar is too large');
    this.#choices.set(symbol, alternatives);
    return symbol;
  }

  #sequence(expression: Expression, name: string): GrammarSymbol[] {
    const regular = asRegex(expression);
    if (regular !== null) return [this.#lexeme(regular, name)];
    switch (expression.kind) {
      case 'rule': {
        const symbol = this.#symbols.get(expression.name);
        if (symbol === undefined) throw new GrammarError(expression.name, name, 'no such rule');
        return [symbol];
      }
      case 'group':
        return expression.parts.flatMap((part) => this.#sequence(part, name));
      case 'either':
        return [this.#define(this.#builder.reserve(), expression.options.map((option) => this.#sequence(option, name)))];
      case 'times':
        return this.#times(this.#define(this.#builder.reserve(), [this.#sequence(expression.body, name)]), expression.min, expression.max);
      default:
        throw new GrammarError('', name, 'unexpected expression');
    }
  }

  /** x{2,4} = x x (x (x)?)? */
  #times(body: GrammarSymbol, min: number, max: number): GrammarSymbol[] {
    const fixed = Array.from({ length: min }, () => body);
    if (max === Infinity) {
      const loop = this.#builder.reserve();
      return [...fixed, this.#define(loop, [[], [body, loop]])];
    }
    let tail: GrammarSymbol | null = null;
    for (let i = min; i < max; i++) tail = this.#define(this.#builder.reserve(), [[], tail === null ? [body] : [body, tail]]);
    return tail === null ? fixed : [...fixed, tail];
  }

  #lexeme(tree: RegexNode, name: string): GrammarSymbol {
    try {
      const dfa = treeDfa(tree, true);
      if (dfa === null) throw new GrammarError('', name, 'matches nothing');
      const symbol = this.#builder.lexeme(`tree ${JSON.stringify(tree)}`, () => ({ kind: 'text', quoted: false, dfa, min: 0, max: Infinity, except: [] }));
      if (dfa.accepting[0] === 1) this.#empty.add(symbol);
      return symbol;
    } catch (error) {
      if (error instanceof BudgetError) throw new GrammarError('', name, error.message);
      throw error;
    }
  }

  /** A rule that can come back to itself before anything was read would never end. */
  #checkLeftRecursion(): void {
    const empty = new Set(this.#empty);
    const isEmpty = (symbol: GrammarSymbol): boolean => empty.has(symbol);
    for (let size = -1; size !== empty.size; ) {
      size = empty.size;
      spend(this.#choices.size);
      for (const [symbol, alternatives] of this.#choices) if (alternatives.some((symbols) => symbols.every(isEmpty))) empty.add(symbol);
    }
    const nameOf = new Map([...this.#symbols].map(([name, symbol]) => [symbol, name]));
    const state = new Map<GrammarSymbol, 'open' | 'done'>();
    const first = (symbol: GrammarSymbol): GrammarSymbol[] =>
      (this.#choices.get(symbol) ?? []).flatMap((symbols) => {
        const end = symbols.findIndex((part) => !isEmpty(part));
        return symbols.slice(0, end < 0 ? symbols.length : end + 1).filter((part) => part >= 0);
      });
    for (const root of this.#choices.keys()) {
      const stack: { symbol: GrammarSymbol; next: GrammarSymbol[] }[] = state.has(root) ? [] : [{ symbol: root, next: first(root) }];
      state.set(root, state.get(root) ?? 'open');
      for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
        const target = top.next.pop();
        if (target === undefined) {
          state.set(top.symbol, 'done');
          stack.pop();
        } else if (state.get(target) === 'open') {
          const name = [target, ...stack.map(({ symbol }) => symbol)].map((symbol) => nameOf.get(symbol)).find((found) => found !== undefined);
          throw new GrammarError(name ?? '', '', 'is left-recursive: write it with the recursion on the right, or with * and +');
        } else if (!state.has(target)) {
          state.set(target, 'open');
          stack.push({ symbol: target, next: first(target) });
        }
      }
    }
  }

  /** Without alternatives that can never be completed, so that every prefix that is allowed leads somewhere. */
  #defineProductive(root: GrammarSymbol): void {
    const done = new Set<GrammarSymbol>();
    const completes = (symbols: Sequence): boolean => symbols.every((symbol) => symbol < 0 || done.has(symbol));
    for (let size = -1; size !== done.size; ) {
      size = done.size;
      spend(this.#choices.size);
      for (const [symbol, alternatives] of this.#choices) if (alternatives.some(completes)) done.add(symbol);
    }
    if (!done.has(root)) throw new GrammarError('root', '', 'no text can ever complete it');
    for (const [symbol, alternatives] of this.#choices) {
      this.#builder.define(symbol, { kind: 'choice', alternatives: alternatives.filter(completes).map((symbols) => ({ symbols, height: 0 })) });
    }
  }
}

/** Null where the expression refers to rules. */
function asRegex(expression: Expression): RegexNode | null {
  switch (expression.kind) {
    case 'rule':
      return null;
    case 'group': {
      const parts = expression.parts.map(asRegex);
      return parts.some((part) => part === null) ? null : { kind: 'sequence', parts: parts as RegexNode[] };
    }
    case 'either': {
      const options = expression.options.map(asRegex);
      return options.some((option) => option === null) ? null : { kind: 'choice', options: options as RegexNode[] };
    }
    case 'times': {
      const body = asRegex(expression.body);
      return body === null ? null : { kind: 'repeat', body, min: expression.min, max: expression.max };
    }
    default:
      return expression;
  }
}
