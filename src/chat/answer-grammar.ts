/** What an answer may be as a whole, reasoning, text and calls alike → one grammar. */
import type { GrammarSource } from '../grammar/compile.ts';
import { RequestError } from '../engine/request-error.ts';
import type { ResponseFormat, ToolChoice, ToolDefinition } from './chat-model.ts';
import { type CallSyntax, type Family, spelledName } from './families.ts';
import { isObject } from './json.ts';

export interface AnswerRequest {
  readonly tools?: readonly ToolDefinition[];
  readonly toolChoice?: ToolChoice;
  readonly parallelToolCalls?: boolean;
  readonly responseFormat?: ResponseFormat;
}

/** How the answer begins. */
export interface AnswerStart {
  /** Reasoning: opened by the prompt, up to the model, or not to be expected. */
  readonly reasoning: 'begun' | 'optional' | 'none';
  /** What the prompt has written already of what opens text or a call. */
  readonly begun: string;
}

/** Special tokens stand in a grammar as such; a tag that is ordinary text in this vocabulary is spelled. */
export type IsSpecial = (tag: string) => boolean;

/** The tools that may be called. Throws RequestError where the choice names none of them. */
export function callableTools({ tools = [], toolChoice = 'auto' }: AnswerRequest): readonly ToolDefinition[] {
  if (toolChoice === 'none') return [];
  const twice = tools.find(({ name }, index) => tools.findIndex((other) => other.name === name) < index);
  if (twice !== undefined) throw new RequestError(`tools: two of them are named ${JSON.stringify(twice.name)}; a call could mean either`, 'tools');
  if (toolChoice === 'required' && tools.length === 0) throw new RequestError('toolChoice: a tool is to be called, but there are no tools', 'toolChoice');
  if (typeof toolChoice === 'string') return tools;
  const named = tools.filter(({ name }) => name === toolChoice.name);
  if (named.length === 0) throw new RequestError(`toolChoice: there is no tool named ${JSON.stringify(toolChoice.name)}; ${namesOf(tools)}`, 'toolChoice');
  return named;
}

const namesOf = (tools: readonly ToolDefinition[]): string =>
  tools.length === 0 ? 'there are no tools' : `there is ${tools.map(({ name }) => JSON.stringify(name)).join(', ')}`;

/** Null where anything may be said. Throws RequestError. */
export function answerGrammar(family: Family, request: AnswerRequest, start: AnswerStart, isSpecial: IsSpecial): GrammarSource | null {
  const tools = callableTools(request);
  const format = request.responseFormat === undefined ? null : formatGrammar(request.responseFormat);
  if (tools.length === 0 && format === null) return null;
  const answer = new AnswerGrammar(family, request, tools, isSpecial);
  return sequence([answer.reasoning(start.reasoning), answer.body(format, start.begun)]);
}

export function formatGrammar(format: ResponseFormat): GrammarSource {
  const label = 'responseFormat';
  switch (format.type) {
    case 'json-object':
      return { kind: 'json-object', label };
    case 'json-schema':
      return { kind: 'schema', schema: format.schema, options: { closed: true }, label };
    case 'regex':
      return { kind: 'regex', pattern: format.pattern, label };
    case 'choice':
      return { kind: 'choice', choices: format.choices, label };
    case 'grammar':
      return { kind: 'ebnf', text: format.text, label };
  }
}

const NOTHING: GrammarSource = { kind: 'literal', text: '' };
const GAP: GrammarSource = { kind: 'regex', pattern: '\\n{0,2}' };

class AnswerGrammar {
  readonly #family: Family;
  readonly #request: AnswerRequest;
  readonly #tools: readonly ToolDefinition[];
  readonly #isSpecial: IsSpecial;
  readonly #triggers: readonly string[];

  constructor(family: Family, request: AnswerRequest, tools: readonly ToolDefinition[], isSpecial: IsSpecial) {
    this.#family = family;
    this.#request = request;
    this.#tools = tools;
    this.#isSpecial = isSpecial;
    this.#triggers = family.triggers(tools.map(({ name }) => name));
  }

  reasoning(state: AnswerStart['reasoning']): GrammarSource {
    const { open, close } = this.#family.reasoning;
    if (state === 'none') return NOTHING;
    const rest = [this.#textWithout([close]), this.#written(close), GAP];
    return state === 'begun' ? sequence(rest) : either([NOTHING, sequence([this.#written(open), ...rest])]);
  }

  body(format: GrammarSource | null, begun: string): GrammarSource {
    const textOpen = this.#written(this.#family.textOpen.slice(begun.length));
    if (this.#tools.length === 0) return sequence([textOpen, format ?? NOTHING]);
    const { toolChoice = 'auto' } = this.#request;
    if (toolChoice !== 'auto') return this.#calls(begun);
    if (format !== null) return either([sequence([textOpen, format]), this.#calls(begun)]);
    if (this.#triggers.length === 0) return either([this.#noBareCall(), this.#calls(begun)]);
    const text = sequence([textOpen, this.#textWithout(this.#triggers)]);
    if (this.#family.textOpen === '') return sequence([text, optional(this.#calls(begun))]);
    return either([sequence([text, optional(this.#calls(''))]), this.#calls(begun)]);
  }

  #calls(begun: string): GrammarSource {
    const { calls, prefixes } = this.#family;
    const call = either(this.#tools.map((tool) => this.#call(tool)));
    const isOne = this.#request.parallelToolCalls === false || typeof this.#request.toolChoice === 'object';
    const each = (min: number, max: number | null, before: string): GrammarSource => ({ kind: 'repeat', item: sequence([this.#written(before), call]), min, max, separator: calls.separator });
    const list = begun === '' ? [each(1, isOne ? 1 : null, calls.head)] : [this.#written(calls.head.slice(begun.length)), call, ...(isOne ? [] : [each(0, null, calls.head)])];
    const parts = [this.#written(calls.open), ...list, this.#written(calls.close)];
    if (prefixes.length === 0) return sequence(parts);
    const bare = sequence([{ kind: 'regex', pattern: '[ \\n]{0,2}' }, ...parts]);
    return either([bare, ...prefixes.map((prefix) => sequence([this.#written(prefix), ...parts, ...(prefix.startsWith('```') ? [literal('\n```')] : [])]))]);
  }

  /** What follows the head. */
  #call(tool: ToolDefinition): GrammarSource {
    const { calls } = this.#family;
    const place = `tools[${this.#request.tools?.indexOf(tool)}]`;
    const spelled = SPELLED[calls.style];
    if (!spelled.test(tool.name)) throw new RequestError(`${place}.name: this model's calls can't spell ${JSON.stringify(tool.name)}; it must match ${spelled.source}`, `${place}.name`);
    const name = spelledName(calls, tool.name);
    if (calls.style === 'python') return sequence([literal(name), toolArguments(tool, place, 'python-call')]);
    const json = toolArguments(tool, place, 'json');
    if (calls.argumentsFirst === true) return sequence([json, this.#written(calls.middle + name + calls.tail)]);
    return sequence([this.#written(name + calls.middle), json, this.#written(calls.tail)]);
  }

  /** Text that does not begin as calls do, where nothing else tells them apart. */
  #noBareCall(): GrammarSource {
    const { calls, prefixes } = this.#family;
    const heads = ['```\\w*', ...prefixes.filter((prefix) => !prefix.startsWith('```') && !this.#isSpecial(prefix)).map(escapePattern)];
    const names = this.#tools.map(({ name }) => escapePattern(name)).join('|');
    const begin = calls.style === 'python' ? `(\\[\\s*[A-Za-z_][\\w.-]*|${names})\\s*\\(` : '\\[?\\s*\\{\\s*"(name|arguments|parameters|type|id)"';
    return { kind: 'regex', pattern: `(?!\\s*((${heads.join('|')})\\s*)*${begin})[\\s\\S]*` };
  }

  /** Special tokens are never part of text. */
  #textWithout(tags: readonly string[]): GrammarSource {
    return { kind: 'text', without: tags.filter((tag) => !this.#isSpecial(tag)) };
  }

  /** Text of the family's own, in which tags are single tokens where they are special. */
  #written(text: string): GrammarSource {
    const tags = [...this.#family.tags, this.#family.reasoning.open, this.#family.reasoning.close].filter(this.#isSpecial);
    if (tags.length === 0) return literal(text);
    const pieces = text.split(new RegExp(`(${tags.map(escapePattern).join('|')})`, 'u')).filter((piece) => piece !== '');
    return sequence(pieces.map((piece) => (tags.includes(piece) ? { kind: 'special', token: piece } : literal(piece))));
  }
}

/** Names that a style of calls can hold. */
const SPELLED: Readonly<Record<CallSyntax['style'], RegExp>> = { json: /./su, named: /^[\w.:/-]+$/u, python: /^[A-Za-z_][\w.-]*$/u };

function toolArguments(tool: ToolDefinition, place: string, notation: 'json' | 'python-call'): GrammarSource {
  const label = `${place}.parameters (${tool.name})`;
  if (tool.strict === false) return { kind: 'json-object', options: { whitespace: 'spaced', notation }, label };
  return { kind: 'schema', schema: argumentsSchema(tool, place), options: { whitespace: 'spaced', order: 'any', closed: true, notation }, label };
}

/** Arguments are an object, whether the schema says so or not; a tool without a schema takes none. */
function argumentsSchema({ name, parameters = { type: 'object', properties: {} } }: ToolDefinition, place: string): Record<string, unknown> {
  if (!isObject(parameters)) throw new RequestError(`${place}.parameters (${name}): expected a JSON Schema, an object, not ${JSON.stringify(parameters)}`, `${place}.parameters`);
  const { type = 'object' } = parameters;
  if (type === 'object' || (Array.isArray(type) && type.includes('object'))) return { ...parameters, type: 'object' };
  throw new RequestError(`${place}.parameters (${name}): arguments are an object, but the schema's type is ${JSON.stringify(type)}`, `${place}.parameters`);
}

const literal = (text: string): GrammarSource => ({ kind: 'literal', text });
const optional = (source: GrammarSource): GrammarSource => either([NOTHING, source]);
const escapePattern = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, '\\$&');

function either(options: readonly GrammarSource[]): GrammarSource {
  return options.length === 1 ? options[0] : { kind: 'either', options };
}

/** Neighbouring literals become one, and nothing disappears. */
function sequence(parts: readonly GrammarSource[]): GrammarSource {
  const joined: GrammarSource[] = [];
  for (const part of parts.flatMap((inner) => (inner.kind === 'sequence' ? inner.parts : [inner]))) {
    const before = joined.at(-1);
    if (part.kind === 'literal' && part.text === '') continue;
    if (part.kind === 'literal' && before?.kind === 'literal') joined[joined.length - 1] = literal(before.text + part.text);
    else joined.push(part);
  }
  return joined.length === 0 ? NOTHING : joined.length === 1 ? joined[0] : { kind: 'sequence', parts: joined };
}
