/** What a caller may ask for → grammar. Sources combine, so that a whole answer, free text and calls alike, is one grammar. */
import { textWithout } from './dfa.ts';
import { addEbnf } from './ebnf.ts';
import { Budget, BudgetError, GrammarError, metered, spend } from './error.ts';
import { GrammarBuilder } from './grammar.ts';
import type { Grammar, GrammarSymbol } from './grammar.ts';
import { regexDfa } from './nfa.ts';
import { RegexError } from './regex.ts';
import { addSchema } from './schema.ts';
import type { SchemaOptions } from './schema.ts';

/** Plain values, that JSON can spell. */
export type GrammarSource = { /** Names this part in errors. */ readonly label?: string } & (
  | { readonly kind: 'schema'; readonly schema: unknown; readonly options?: SchemaOptions }
  | { readonly kind: 'json-object'; readonly options?: Omit<SchemaOptions, 'formats' | 'closed'> }
  /** The whole text matches. */
  | { readonly kind: 'regex'; readonly pattern: string }
  | { readonly kind: 'ebnf'; readonly text: string }
  /** The text is one of these. */
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  /** Exactly this text. */
  | { readonly kind: 'literal'; readonly text: string }
  /** One special token of the vocabulary, by its content. */
  | { readonly kind: 'special'; readonly token: string }
  /** Any text, possibly empty, that contains none of these. */
  | { readonly kind: 'text'; readonly without: readonly string[] }
  | { readonly kind: 'sequence'; readonly parts: readonly GrammarSource[] }
  | { readonly kind: 'either'; readonly options: readonly GrammarSource[] }
  | { readonly kind: 'repeat'; readonly item: GrammarSource; readonly min: number; readonly max: number | null; readonly separator?: string }
);

const MAX_CHOICES = 100_000;
const MAX_REPEAT = 1_000;
const MAX_DEPTH = 64;
const MAX_FORBIDDEN = 1_000;

/** Throws GrammarError, in bounded time. */
export function compileGrammar(source: GrammarSource): Grammar {
  const compiler = new SourceCompiler();
  return metered(compiler.budget, () => compiler.builder.finish(compiler.add(source, '', 0)));
}

class SourceCompiler {
  readonly builder = new GrammarBuilder();
  readonly budget = new Budget();

  /** `place`: the steps that lead here, or the label of what is around. */
  add(source: GrammarSource, place: string, depth: number): GrammarSymbol {
    const part = source.label ?? place;
    try {
      if (depth > MAX_DEPTH) throw new GrammarError('', '', `parts nest deeper than ${MAX_DEPTH}`);
      spend(1);
      return this.#add(source, part, depth);
    } catch (error) {
      if (error instanceof GrammarError && error.part === '' && part !== '') throw new GrammarError(error.keyword, error.pointer, error.reason, part);
      if (error instanceof BudgetError) throw new GrammarError('', '', `the grammar is ${error.message}`, part);
      throw error;
    }
  }

  #add(source: GrammarSource, part: string, depth: number): GrammarSymbol {
    const { builder } = this;
    const inner = (child: GrammarSource, step: string): GrammarSymbol => this.add(child, source.label === undefined ? `${part}/${step}` : `${part} ${step}`, depth + 1);
    switch (source.kind) {
      case 'schema':
        return addSchema(builder, this.budget, source.schema, source.options);
      case 'json-object':
        return addSchema(builder, this.budget, { type: 'object' }, source.options);
      case 'regex':
        return this.#regex(source.pattern);
      case 'ebnf':
        return addEbnf(builder, source.text);
      case 'choice':
        return this.#choice(source.choices);
      case 'literal':
        return source.text === '' ? builder.choice([[]]) : builder.words([wellFormed(source.text)]);
      case 'special':
        return builder.special(wellFormed(source.token));
      case 'text':
        return this.#text(source.without);
      case 'sequence':
        return builder.choice([source.parts.map((child, i) => inner(child, `parts/${i}`))]);
      case 'either':
        if (source.options.length === 0) throw new GrammarError('either', '', 'there are no options');
        return builder.choice(source.options.map((child, i) => [inner(child, `options/${i}`)]));
      case 'repeat':
        return this.#repeat(source, inner(source.item, 'item'));
      default:
        throw new GrammarError('', '', `${JSON.stringify((source as { kind: unknown }).kind)} is not a kind of source`);
    }
  }

  #regex(pattern: string): GrammarSymbol {
    try {
      const dfa = regexDfa(pattern, { whole: true });
      if (dfa === null) throw new GrammarError('regex', '', 'no text matches the pattern');
      return this.builder.lexeme(`regex ${pattern}`, () => ({ kind: 'text', quoted: false, dfa, min: 0, max: Infinity, except: [] }));
    } catch (error) {
      if (error instanceof RegexError || error instanceof BudgetError) throw new GrammarError('regex', '', error.message);
      throw error;
    }
  }

  #choice(choices: readonly string[]): GrammarSymbol {
    if (choices.length === 0 || choices.length > MAX_CHOICES) throw new GrammarError('choice', '', `there are ${choices.length} choices; 1 to ${MAX_CHOICES} are allowed`);
    return this.builder.words([...new Set(choices.map(wellFormed))]);
  }

  #text(without: readonly string[]): GrammarSymbol {
    if (without.length > MAX_FORBIDDEN || without.includes('')) throw new GrammarError('text', '', `at most ${MAX_FORBIDDEN} strings can be left out, and not the empty one`);
    const forbidden = [...new Set(without.map(wellFormed))].sort();
    const name = `without ${JSON.stringify(forbidden)}`;
    return this.builder.lexeme(name, () => ({ kind: 'text', quoted: false, dfa: textWithout(forbidden), min: 0, max: Infinity, except: [], name }));
  }

  #repeat({ min, max, separator = '' }: Extract<GrammarSource, { kind: 'repeat' }>, item: GrammarSymbol): GrammarSymbol {
    const most = max ?? Infinity;
    const isCount = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= MAX_REPEAT;
    if (!isCount(min) || !(most === Infinity || isCount(most)) || min > most) throw new GrammarError('repeat', '', `${min} to ${max ?? 'any number of'} times; whole numbers up to ${MAX_REPEAT} that do not count down are allowed`);
    spend(most === Infinity ? min : most);
    return this.builder.choice([this.builder.repeat([item], min, most, separator === '' ? [] : [this.builder.words([wellFormed(separator)])])]);
  }
}

/** Half a surrogate pair has no bytes. */
function wellFormed(text: string): string {
  if (typeof text !== 'string' || /\p{Surrogate}/u.test(text)) throw new GrammarError('', '', `${JSON.stringify(text)?.slice(0, 80)} is not well-formed text`);
  return text;
}
