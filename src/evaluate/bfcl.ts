/**
 * The single-turn Python part of the Berkeley Function-Calling Leaderboard (v4), by the rules of its AST checker: names with dots
 * as underscores, strict types (5.0 is no integer; an integer will do for a float), strings compared without
 * spaces, case and , . / - _ * ^, parallel calls in any order, and "" among the answers for an argument that may be left out.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { ChatMessage, ChatModel, ToolCall, ToolDefinition } from '../chat/chat-model.ts';
import { RequestError } from '../engine/request-error.ts';

type Json = Record<string, unknown>;

// Parameters stay as they are: models see the keys of a schema in their order.
const FUNCTION = z.object({ name: z.string(), description: z.string(), parameters: z.record(z.string(), z.unknown()) });
const MESSAGE = z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() });
const ITEM = z.object({ id: z.string(), question: z.array(z.array(MESSAGE)).min(1), function: z.array(FUNCTION) });
const ANSWER = z.object({ id: z.string(), ground_truth: z.array(z.record(z.string(), z.record(z.string(), z.array(z.unknown())))) });

type BfclFunction = z.infer<typeof FUNCTION>;
type BfclItem = z.infer<typeof ITEM>;
/** One wanted call: a name and, by argument, the values that are right. */
type WantedCall = Record<string, Record<string, unknown[]>>;

/** What a category asks for: exactly the wanted calls, no call, or any call. */
const CATEGORIES = {
  simple_python: 'calls',
  multiple: 'calls',
  parallel: 'calls',
  parallel_multiple: 'calls',
  live_simple: 'calls',
  live_multiple: 'calls',
  live_parallel: 'calls',
  live_parallel_multiple: 'calls',
  irrelevance: 'none',
  live_irrelevance: 'none',
  live_relevance: 'any',
} as const;

export type BfclCategory = keyof typeof CATEGORIES;

export interface CategoryFigures {
  readonly items: number;
  readonly right: number;
  /** The wanted names were called, whatever the arguments; null where no call is wanted. */
  readonly names: number | null;
  /** Prompts that the model's context cannot hold: counted as wrong. */
  readonly tooLong: number;
}

export interface BfclReport {
  readonly categories: Readonly<Partial<Record<BfclCategory, CategoryFigures>>>;
  readonly seconds: number;
}

export interface BfclOptions {
  readonly concurrency: number;
  readonly maxTokens: number;
  /** Whether answers are held to the tools' schemas. */
  readonly guided?: boolean;
  readonly onProgress?: (category: BfclCategory, done: number, total: number) => void;
}

/** Categories of which the directory has no file are left out. */
export async function evaluateBfcl(model: ChatModel, directory: string, options: BfclOptions): Promise<BfclReport> {
  const start = performance.now();
  const categories: Partial<Record<BfclCategory, CategoryFigures>> = {};
  for (const category of Object.keys(CATEGORIES) as BfclCategory[]) {
    const file = join(directory, `BFCL_v4_${category}.json`);
    if (existsSync(file)) categories[category] = await evaluateCategory(model, directory, category, options);
  }
  if (Object.keys(categories).length === 0) throw new Error(`${directory} has none of the files BFCL_v4_<category>.json`);
  return { categories, seconds: (performance.now() - start) / 1000 };
}

async function evaluateCategory(model: ChatModel, directory: string, category: BfclCategory, options: BfclOptions): Promise<CategoryFigures> {
  const items = readLines(join(directory, `BFCL_v4_${category}.json`), ITEM);
  const wants = CATEGORIES[category];
  const answers = wants === 'calls' ? readLines(join(directory, 'possible_answer', `BFCL_v4_${category}.json`), ANSWER) : [];
  const wantedById = new Map(answers.map(({ id, ground_truth: truth }) => [id, truth]));
  let [right, names, tooLong, next, done] = [0, 0, 0, 0, 0];
  const ask = async (): Promise<void> => {
    while (next < items.length) {
      const item = items[next++];
      const calls = await callsOf(model, item, options);
      options.onProgress?.(category, ++done, items.length);
      if (calls === null) {
        tooLong++;
        continue;
      }
      const wanted = wantedById.get(item.id) ?? [];
      if (wants === 'calls' ? matchCalls(calls, wanted, item.function) : (wants === 'none') === (calls.length === 0)) right++;
      if (wants === 'calls' && sameNames(calls, wanted)) names++;
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, ask));
  const count = items.length;
  return { items: count, right: right / count, names: wants === 'calls' ? names / count : null, tooLong: tooLong / count };
}

/** Null where the prompt does not fit. */
async function callsOf(model: ChatModel, item: BfclItem, { maxTokens, guided }: BfclOptions): Promise<ToolCall[] | null> {
  const messages: ChatMessage[] = item.question[0];
  const calls: ToolCall[] = [];
  try {
    for await (const event of model.stream({ messages, tools: item.function.map(toTool), temperature: 0, maxTokens, guided })) {
      if (event.type === 'tool-call') calls.push(event.call);
    }
  } catch (error) {
    if (error instanceof RequestError) return null;
    throw error;
  }
  return calls;
}

/** A file of JSON lines. */
function readLines<T>(file: string, schema: z.ZodType<T>): T[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter((line) => line.trim() !== '');
  return lines.map((line, i) => {
    const parsed = schema.safeParse(JSON.parse(line));
    if (!parsed.success) throw new Error(`${file}, item ${i + 1}: ${z.prettifyError(parsed.error)}`);
    return parsed.data;
  });
}

const calledName = (name: string): string => name.replaceAll('.', '_');

const toTool = ({ name, description, parameters }: BfclFunction): ToolDefinition => ({ name: calledName(name), description, parameters: toSchema(parameters) as Json });

/** The benchmark's type names, in JSON Schema's. */
const SCHEMA_TYPES: Readonly<Record<string, string>> = { dict: 'object', float: 'number', tuple: 'array', any: 'string' };

function toSchema(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(toSchema);
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => {
      if (key === 'type' && typeof value === 'string') return [key, SCHEMA_TYPES[value] ?? value];
      if (key === 'properties') return [key, Object.fromEntries(Object.entries(value as Json).map(([name, schema]) => [name, toSchema(schema)]))];
      return [key, key === 'items' ? toSchema(value) : value];
    }),
  );
}

const sameNames = (calls: readonly ToolCall[], wanted: readonly WantedCall[]): boolean =>
  calls.map(({ name }) => name).sort().join('\n') === wanted.map((call) => calledName(Object.keys(call)[0])).sort().join('\n');

/** Every wanted call has a call of its own, and none is left over. */
export function matchCalls(calls: readonly ToolCall[], wanted: readonly WantedCall[], functions: readonly BfclFunction[]): boolean {
  if (calls.length !== wanted.length) return false;
  const left = calls.map(({ name, arguments: text }) => ({ name, values: parseArguments(text) }));
  return wanted.every((want) => {
    const [name, allowed] = Object.entries(want)[0];
    const definition = functions.find((candidate) => candidate.name === name);
    const at = left.findIndex((call) => definition !== undefined && call.values !== null && call.name === calledName(name) && matchArguments(call.values, allowed, definition));
    if (at === -1) return false;
    left.splice(at, 1);
    return true;
  });
}

function matchArguments(values: Json, allowed: Record<string, unknown[]>, { parameters }: BfclFunction): boolean {
  const { properties = {}, required = [] } = parameters as { properties?: Record<string, Json>; required?: string[] };
  if (required.some((name) => !(name in values))) return false;
  if (Object.entries(allowed).some(([name, choices]) => !(name in values) && !choices.includes(''))) return false;
  return Object.entries(values).every(([name, value]) => {
    const choices = allowed[name];
    if (choices === undefined || !(name in properties)) return false;
    return hasType(value, properties[name]) && choices.some((choice) => matchValue(value, choice));
  });
}

/** A number written with a fraction or an exponent: JSON.parse would not tell 5.0 from 5. */
class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

const FLOAT_KEY = ' float';

/** Null where the text is no JSON object. */
function parseArguments(text: string): Json | null {
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gu, (token) => (/^-?\d+[.eE]/u.test(token) ? `{"${FLOAT_KEY}":${token}}` : token));
  try {
    const value = JSON.parse(marked, (_, inner: unknown) => (isObject(inner) && FLOAT_KEY in inner ? new Float(inner[FLOAT_KEY] as number) : inner)) as unknown;
    return isObject(value) ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Float);

const TYPE_TESTS: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  integer: (value) => typeof value === 'number',
  float: (value) => typeof value === 'number' || value instanceof Float,
  number: (value) => typeof value === 'number' || value instanceof Float,
  boolean: (value) => typeof value === 'boolean',
  array: Array.isArray,
  tuple: Array.isArray,
  dict: isObject,
  any: () => true,
};

function hasType(value: unknown, schema: Json): boolean {
  const type = typeof schema.type === 'string' ? schema.type : 'any';
  if (!(TYPE_TESTS[type] ?? TYPE_TESTS.any)(value)) return false;
  return !Array.isArray(value) || !isObject(schema.items) || value.every((item) => hasType(item, { type: (schema.items as Json).type }));
}

/** Strings as the checker compares them. */
const plain = (text: string): string => text.replace(/[ ,./\-_*^]/gu, '').toLowerCase().replaceAll("'", '"');

function matchValue(value: unknown, choice: unknown): boolean {
  if (value instanceof Float) return value.value === choice;
  if (typeof value === 'string') return typeof choice === 'string' && plain(value) === plain(choice);
  if (Array.isArray(value)) return Array.isArray(choice) && value.length === choice.length && value.every((item, i) => matchValue(item, choice[i]));
  if (isObject(value)) return isObject(choice) && matchObject(value, choice);
  return value === choice;
}

function matchObject(value: Json, choices: Json): boolean {
  const alternatives = (key: string): unknown[] => (Array.isArray(choices[key]) ? (choices[key] as unknown[]) : []);
  return (
    Object.entries(value).every(([key, item]) => alternatives(key).some((choice) => matchValue(item, choice))) &&
    Object.keys(choices).every((key) => key in value || alternatives(key).includes(''))
  );
}
