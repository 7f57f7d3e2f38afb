/** What a caller may ask for → grammar. */
import { compileEbnf } from './ebnf.ts';
import { Budget, BudgetError, GrammarError, metered } from './error.ts';
import { GrammarBuilder } from './grammar.ts';
import type { Grammar } from './grammar.ts';
import { regexDfa } from './nfa.ts';
import { RegexError } from './regex.ts';
import { compileJsonObject, compileSchema } from './schema.ts';
import type { SchemaOptions } from './schema.ts';

export type GrammarSource =
  | { readonly kind: 'schema'; readonly schema: unknown; readonly options?: SchemaOptions }
  | { readonly kind: 'json-object'; readonly options?: Omit<SchemaOptions, 'formats'> }
  /** The whole text matches. */
  | { readonly kind: 'regex'; readonly pattern: string }
  | { readonly kind: 'ebnf'; readonly text: string }
  /** The text is one of these. */
  | { readonly kind: 'choice'; readonly choices: readonly string[] };

const REGEX_BUDGET = 2_000_000;
const MAX_CHOICES = 100_000;

/** Throws GrammarError, in bounded time. */
export function compileGrammar(source: GrammarSource): Grammar {
  switch (source.kind) {
    case 'schema':
      return compileSchema(source.schema, source.options);
    case 'json-object':
      return compileJsonObject(source.options);
    case 'regex':
      return compileRegex(source.pattern);
    case 'ebnf':
      return compileEbnf(source.text);
    case 'choice':
      return compileChoice(source.choices);
  }
}

function compileRegex(pattern: string): Grammar {
  try {
    const dfa = metered(new Budget(REGEX_BUDGET), () => regexDfa(pattern, { whole: true }));
    if (dfa === null) throw new GrammarError('regex', '', 'no text matches the pattern');
    const builder = new GrammarBuilder('compact');
    return builder.finish(builder.lexeme('regex', () => ({ kind: 'text', quoted: false, dfa, min: 0, max: Infinity, except: [] })));
  } catch (error) {
    if (error instanceof RegexError || error instanceof BudgetError) throw new GrammarError('regex', '', error.message);
    throw error;
  }
}

function compileChoice(choices: readonly string[]): Grammar {
  if (choices.length === 0 || choices.length > MAX_CHOICES) throw new GrammarError('choice', '', `there are ${choices.length} choices; 1 to ${MAX_CHOICES} are allowed`);
  const builder = new GrammarBuilder('compact');
  return builder.finish(builder.words([...new Set(choices)]));
}
