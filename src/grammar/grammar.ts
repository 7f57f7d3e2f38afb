/** A compiled grammar: rules over lexemes, as plain values that can cross threads. automaton.ts runs it. */
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
}

export interface NamedKey {
  readonly key: GrammarSymbol;
  readonly child: Child;
  readonly required: boolean;
}

export interface ObjectRule {
  readonly kind: 'object';
  /** In declared order. */
  readonly named: readonly NamedKey[];
  /** Keys by pattern, and all others. */
  readonly open: readonly { readonly key: GrammarSymbol; readonly child: Child }[];
  readonly min: number;
  readonly max: number;
  /** Named keys come in declared order, then the others. */
  readonly ordered: boolean;
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
  readonly punctuation: Punctuation;
}

/** flexible: a space, or a line break with indentation, where JSON allows it; compact: none. */
export type Whitespace = 'flexible' | 'compact';

/** Bounded, so that a model can't go on writing spaces. */
const GAP: Readonly<Record<Whitespace, string>> = { flexible: '( |\\r?\\n( {0,64}|\\t{0,16}))?', compact: '' };
const COLON_GAP: Readonly<Record<Whitespace, string>> = { flexible: ' ?', compact: '' };

/** Containers within each other; deeper ones can't be written. */
export const MAX_NESTING = 64;

export class GrammarBuilder {
  readonly #lexemes: LexemeSpec[] = [];
  readonly #lexemeIndex = new Map<string, GrammarSymbol>();
  readonly #rules: (Rule | null)[] = [];
  readonly #whitespace: Whitespace;

  constructor(whitespace: Whitespace) {
    this.#whitespace = whitespace;
  }

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

  finish(root: GrammarSymbol): Grammar {
    const punctuation = this.#punctuation();
    const rules = this.#rules.map((rule) => rule ?? { kind: 'choice' as const, alternatives: [] });
    return { lexemes: this.#lexemes, rules, root, punctuation };
  }

  #punctuation(): Punctuation {
    const gap = GAP[this.#whitespace];
    return {
      openArray: this.pattern(`\\[${gap}`),
      openObject: this.pattern(`\\{${gap}`),
      comma: this.pattern(`,${gap}`),
      colon: this.pattern(`:${COLON_GAP[this.#whitespace]}`),
      closeArray: this.pattern(`${gap}\\]`),
      closeObject: this.pattern(`${gap}\\}`),
      endArray: this.pattern('\\]'),
      endObject: this.pattern('\\}'),
    };
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
