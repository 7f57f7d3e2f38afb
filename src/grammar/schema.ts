/** JSON Schema (draft 2020-12, and the spellings of drafts 4 to 7) → grammar. What can't be enforced exactly is an error. */
import { SchemaDocument } from './document.ts';
import { Emitter } from './emit.ts';
import type { Notation, PropertyOrder } from './emit.ts';
import { Budget, BudgetError, GrammarError, metered } from './error.ts';
import { GrammarBuilder } from './grammar.ts';
import type { Grammar, GrammarSymbol, Whitespace } from './grammar.ts';
import { Normalizer } from './normalize.ts';
import type { FormatMode } from './normalize.ts';

export interface SchemaOptions {
  readonly order?: PropertyOrder;
  readonly whitespace?: Whitespace;
  /** assert (the default): a format must hold; annotate: it says nothing, as JSON Schema has it by default. */
  readonly formats?: FormatMode;
  /** An object that declares properties, and says nothing of others, takes no others. */
  readonly closed?: boolean;
  /** python-call: an object is written as keyword arguments, `(name="value", …)`, and words within as Python spells them. */
  readonly notation?: Notation;
}

const MAX_CHARACTERS = 4_000_000;
const MAX_DEPTH = 500;

/** Throws GrammarError. */
export function compileSchema(schema: unknown, options: SchemaOptions = {}): Grammar {
  const budget = new Budget();
  const builder = new GrammarBuilder();
  return metered(budget, () => builder.finish(addSchema(builder, budget, schema, options)));
}

/** The symbol of the schema's values. Throws GrammarError. */
export function addSchema(builder: GrammarBuilder, budget: Budget, schema: unknown, options: SchemaOptions = {}): GrammarSymbol {
  const { order = 'declared', whitespace = 'flexible', formats = 'assert', closed = false, notation = 'json' } = options;
  const text = checkSize(schema);
  const document = new SchemaDocument(schema);
  const normalizer = new Normalizer(document, formats, text.includes('"unevaluated'), budget);
  try {
    return new Emitter(normalizer, builder, { order, whitespace, closed, notation }).emit(normalizer.termOf(document.root));
  } catch (error) {
    if (error instanceof BudgetError) throw new GrammarError('', '', `the schema is ${error.message}`);
    throw error;
  }
}

/** The schema as text. Depth is measured first, without recursion. */
function checkSize(schema: unknown): string {
  let level: unknown[] = [schema];
  let values = 0;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new GrammarError('', '', `the schema nests deeper than ${MAX_DEPTH}, or contains itself`);
    const next: unknown[] = [];
    for (const value of level) if (typeof value === 'object' && value !== null) for (const child of Object.values(value)) next.push(child);
    values += next.length;
    if (values > MAX_CHARACTERS) throw new GrammarError('', '', 'the schema is too large');
    level = next;
  }
  const text = JSON.stringify(schema) ?? '';
  if (text.length > MAX_CHARACTERS) throw new GrammarError('', '', `the schema has ${text.length} characters; ${MAX_CHARACTERS} are allowed`);
  return text;
}
