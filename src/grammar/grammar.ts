/** A compiled grammar: rules over lexemes, as plain values that can cross threads. automaton.ts runs it. */
import { GrammarError } from './error.ts';
import { regexDfa } from './nfa.ts';
import type { LexemeSpec } from './lexeme.ts';

/** A rule by its index, or a lexeme as −1 − its index. */
export type GrammarSymbol = number;

export interface Alternative {
  readonly symbols: readonly GrammarSymbol[];
  /** Containers that must be opened within each other, at least, to complete it. */
  readonly height: number;
}

export interface Child {
  readonly value: GrammarSymbol;
  readonly height: number;
}

export interface Item {
  /** Null where no such item exists. */
  readonly plain: Child | null;
  /** As an item that `contains` counts. */
  readonly match: Child | null;
}

export interface ArrayRule {
  readonly kind: 'array';
  readonly prefix: readonly Item[];
  readonly rest: Item;
  readonly min: number;
  readonly max: number;
  /** How many items must match `contains`, and may. */
  readonly minMatches: number;
  readonly maxMatches: number;
  /** Lexemes of the items, where no two of these may be equal: then there are no others. */
  readonly unique: readonly GrammarSymbol[] | null;
  readonly punctuation: Punctuation;
}

/** A value that a member may have, and which of the object's witnesses it then is (bits). */
export interface MemberValue {
  readonly child: Child;
  readonly witnesses: number;
}

export interface NamedKey {
  readonly key: GrammarSymbol;
  readonly values: readonly MemberValue[];
  readonly required: boolean;
}

export interface OpenKey {
  readonly key: GrammarSymbol;
  readonly values: readonly MemberValue[];
}

export interface ObjectRule {
  readonly kind: 'object';
  /** In declared order. */
  readonly named: readonly NamedKey[];
  /** Keys by pattern, and all others. They may repeat, and the last one counts; those that matter are ruled out once they were read. */
  readonly open: readonly OpenKey[];
  readonly min: number;
  readonly max: number;
  /** Members that there must be: bits. */
  readonly witnesses: number;
  /** Open keys are told apart until there are `min` members. */
  readonly distinct: boolean;
  /** Named keys come in declared order, then the others. */
  readonly ordered: boolean;
  readonly punctuation: Punctuation;
}

export interface ChoiceRule {
  readonly kind: 'choice';
  readonly alternatives: readonly Alternative[];
}

export type Rule = ChoiceRule | ArrayRule | ObjectRule;

export interface Punctuation {
  readonly openArray: GrammarSymbol;
  readonly openObject: GrammarSymbol;
  readonly comma: GrammarSymbol;
  readonly colon: GrammarSymbol;
  readonly closeArray: GrammarSymbol;
  readonly closeObject: GrammarSymbol;
  /** After nothing. */
  readonly endArray: GrammarSymbol;
  readonly endObject: GrammarSymbol;
}

export interface Grammar {
  readonly lexemes: readonly LexemeSpec[];
  readonly rules: readonly Rule[];
  readonly root: GrammarSymbol;
}

/** flexible: a space, or a line break with indentation, where JSON allows it; spaced: one after commas and colons; compact: none. */
export type Whitespace = 'flexible' | 'spaced' | 'compact';

/** Bounded, so that a model can't go on writing spaces. */
const GAP = '( |\\r?\\n( {0,64}|\\t{0,16}))?';
/** Inside brackets, after a comma, after a colon. */
const GAPS: Readonly<Record<Whitespace, readonly [string, string, string]>> = { flexible: [GAP, GAP, ' ?'], spaced: ['', ' ', ' '], compact: ['', '', ''] };

/** Containers within each other; deeper ones can't be written. */
export const MAX_NESTING = 64;

export class GrammarBuilder {
  readonly #lexemes: LexemeSpec[] = [];
  readonly #lexemeIndex = new Map<string, GrammarSymbol>();
  readonly #rules: (Rule | null)[] = [];
  readonly #punctuation = new Map<Whitespace, Punctuation>();

  /** Equal keys share a lexeme. */
  lexeme(key: string, make: () => LexemeSpec): GrammarSymbol {
    let symbol = this.#lexemeIndex.get(key);
    if (symbol === undefined) {
      this.#lexemes.push(make());
      symbol = -this.#lexemes.length;
      this.#lexemeIndex.set(key, symbol);
    }
    return symbol;
  }

  words(words: readonly string[]): GrammarSymbol {
    return this.lexeme(`words ${JSON.stringify(words)}`, () => ({ kind: 'words', words }));
  }

  special(token: string): GrammarSymbol {
    return this.lexeme(`special ${token}`, () => ({ kind: 'special', token }));
  }

  /** Text that matches the whole pattern, as it stands. */
  pattern(pattern: string): GrammarSymbol {
    return this.lexeme(`pattern ${pattern}`, () => ({ kind: 'text', quoted: false, dfa: patternDfa(pattern), min: 0, max: Infinity, except: [] }));
  }

  /** A rule to be defined later. */
  reserve(): GrammarSymbol {
    return this.#rules.push(null) - 1;
  }

  define(symbol: GrammarSymbol, rule: Rule): void {
    this.#rules[symbol] = rule;
  }

  rule(rule: Rule): GrammarSymbol {
    return this.#rules.push(rule) - 1;
  }

  choice(alternatives: readonly (readonly GrammarSymbol[])[]): GrammarSymbol {
    return this.rule({ kind: 'choice', alternatives: alternatives.map((symbols) => ({ symbols, height: 0 })) });
  }

  /** item{min,max}, with a separator between items: right-recursive, one rule for each item that may be left out. */
  repeat(item: readonly GrammarSymbol[], min: number, max: number, separator: readonly GrammarSymbol[] = []): GrammarSymbol[] {
    const next = [...separator, ...item];
    if (max === Infinity) {
      const loop = this.reserve();
      this.define(loop, { kind: 'choice', alternatives: [{ symbols: [], height: 0 }, { symbols: [...next, loop], height: 0 }] });
      if (min === 0) return separator.length === 0 ? [loop] : [this.choice([[], [...item, loop]])];
      return [...item, ...Array.from({ length: min - 1 }, () => next).flat(), loop];
    }
    let tail: GrammarSymbol | null = null;
    for (let i = max - 1; i >= min; i--) tail = this.choice([[], [...(i === 0 ? item : next), ...(tail === null ? [] : [tail])]]);
    return [...Array.from({ length: min }, (_, i) => (i === 0 ? item : next)).flat(), ...(tail === null ? [] : [tail])];
  }

  finish(root: GrammarSymbol): Grammar {
    return { lexemes: this.#lexemes, rules: this.#rules.map((rule) => rule ?? { kind: 'choice' as const, alternatives: [] }), root };
  }

  punctuation(whitespace: Whitespace): Punctuation {
    let punctuation = this.#punctuation.get(whitespace);
    if (punctuation !== undefined) return punctuation;
    const gaps = GAPS[whitespace];
    if (gaps === undefined) throw new GrammarError('whitespace', '', `${JSON.stringify(whitespace)} is not known; there are ${Object.keys(GAPS).join(', ')}`);
    const [inside, comma, colon] = gaps;
    punctuation = {
      openArray: this.pattern(`\\[${inside}`),
      openObject: this.pattern(`\\{${inside}`),
      comma: this.pattern(`,${comma}`),
      colon: this.pattern(`:${colon}`),
      closeArray: this.pattern(`${inside}\\]`),
      closeObject: this.pattern(`${inside}\\}`),
      endArray: this.pattern('\\]'),
      endObject: this.pattern('\\}'),
    };
    this.#punctuation.set(whitespace, punctuation);
    return punctuation;
  }

  /** Of an object that is written as the keyword arguments of a call. */
  callPunctuation(whitespace: Whitespace): Punctuation {
    const close = this.pattern('\\)');
    return { ...this.punctuation(whitespace), openObject: this.pattern('\\('), colon: this.pattern('='), closeObject: close, endObject: close };
  }
}

const patterns = new Map<string, ReturnType<typeof regexDfa>>();

/** For patterns of this code's own: they are few, and always match something. */
function patternDfa(pattern: string): ReturnType<typeof regexDfa> {
  let dfa = patterns.get(pattern);
  if (dfa === undefined) {
    dfa = regexDfa(pattern, { whole: true });
    patterns.set(pattern, dfa);
  }
  return dfa;
}
