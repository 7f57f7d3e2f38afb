import { Environment, Interpreter, Template } from '@huggingface/jinja';
import { RequestError } from '../engine/request-error.ts';
import type { ChatMessage, ToolCall, ToolDefinition } from './chat-model.ts';
import { type Family, familyOf } from './families.ts';
import { fitMessages, type TemplateTool, type Turn } from './history.ts';
import { isObject, spacedJson } from './json.ts';

export interface TemplateInput {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly ToolDefinition[];
  readonly templateArguments?: Readonly<Record<string, unknown>>;
  /** Ends the prompt where the assistant's answer begins (the default). */
  readonly addGenerationPrompt?: boolean;
}

export interface TemplateTokens {
  readonly bosToken: string | null;
  readonly eosToken: string | null;
}

/** A checkpoint's Jinja chat template: messages and tools → the text of the prompt. */
export class ChatTemplate {
  readonly family: Family;
  /** Whether it knows of reasoning before the answer. */
  readonly reasons: boolean;
  readonly #source: string;
  readonly #template: Template;
  readonly #tokens: TemplateTokens;
  readonly #now: () => Date;
  #system: boolean | null = null;

  constructor(source: string, tokens: TemplateTokens, now: () => Date = () => new Date()) {
    this.#source = source;
    this.family = familyOf(source);
    this.reasons = source.includes(this.family.reasoning.close);
    try {
      this.#template = new Template(source);
    } catch (error) {
      throw new Error(`The checkpoint's chat template cannot be parsed: ${messageOf(error)}`, { cause: error });
    }
    this.#tokens = tokens;
    this.#now = now;
  }

  render(input: TemplateInput): string {
    const numbers = new NumberLexemes();
    const tools = (input.tools ?? []).map(templateTool);
    tools.forEach(checkDepth);
    const turns = fitMessages(this.family, this.#source, input.messages, tools, () => this.#showsSystem());
    try {
      return this.#render(turns, tools, input, numbers);
    } catch (error) {
      // Some templates take descriptions for granted.
      if (!(error instanceof RequestError) || tools.length === 0) throw error;
      return this.#render(turns, tools.map(described), input, numbers);
    }
  }

  /** Whether it takes a system message, and does not drop it. */
  #showsSystem(): boolean {
    this.#system ??= this.#probe();
    return this.#system;
  }

  #probe(): boolean {
    const turns: Turn[] = [
      { role: 'system', content: PROBE },
      { role: 'user', content: 'x' },
    ];
    try {
      return this.#render(turns, [], {}, new NumberLexemes()).includes(PROBE);
    } catch (error) {
      if (error instanceof RequestError) return false;
      throw error;
    }
  }

  #render(turns: readonly Turn[], tools: readonly TemplateTool[], input: Partial<TemplateInput>, numbers: NumberLexemes): string {
    const variables = {
      ...GLOBALS,
      ...input.templateArguments,
      messages: templateMessages(turns, this.family, numbers),
      tools: tools.length === 0 ? null : tools,
      documents: null,
      add_generation_prompt: input.addGenerationPrompt ?? true,
      bos_token: this.#tokens.bosToken ?? '',
      eos_token: this.#tokens.eosToken ?? '',
      strftime_now: (format: string) => formatDate(this.#now(), format),
      raise_exception: (message: string) => {
        throw new RequestError(`The model's chat template refuses the messages: ${message}`, 'messages');
      },
    };
    try {
      return numbers.restore(this.#run(variables));
    } catch (error) {
      if (error instanceof RequestError) throw error;
      throw new RequestError(`The model's chat template fails on these messages: ${messageOf(error)}`, 'messages');
    }
  }

  /** Template.render, but with globals of our own: it lets nobody replace its date and its errors. */
  #run(variables: Record<string, unknown>): string {
    const environment = new Environment();
    for (const [name, value] of Object.entries(variables)) environment.set(name, value);
    return String(new Interpreter(environment).run(this.#template.parsed).value);
  }
}

const PROBE = 'aVeryUnlikelySystemMessage';

const GLOBALS = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  range: (start: number, stop?: number, step = 1): number[] => {
    const [from, to] = stop === undefined ? [0, start] : [start, stop];
    return Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, index) => from + index * step);
  },
};

/** The checkpoint's own template, where it has one. */
export function chatTemplate(tokenizer: TemplateTokens & { readonly chatTemplate: string | null }): ChatTemplate | null {
  return tokenizer.chatTemplate === null ? null : new ChatTemplate(tokenizer.chatTemplate, tokenizer);
}

/** The tool with a description, if an empty one, of itself and of each of its parameters. */
function described({ type, function: { name, description = '', parameters } }: TemplateTool): TemplateTool {
  return { type, function: { name, description, parameters: withDescriptions(parameters) as Record<string, unknown> } };
}

function withDescriptions(schema: unknown): unknown {
  if (!isObject(schema)) return schema;
  const { properties, items, ...rest } = schema;
  return {
    description: '',
    ...rest,
    ...(isObject(properties) ? { properties: Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, withDescriptions(property)])) } : {}),
    ...(items === undefined ? {} : { items: withDescriptions(items) }),
  };
}

function templateTool(tool: ToolDefinition): TemplateTool {
  const { name, description, parameters = { type: 'object', properties: {} } } = tool;
  return { type: 'function', function: { name, ...(description === undefined ? {} : { description }), parameters } };
}

/** What reads schemas calls itself for each level. */
const MAX_SCHEMA_DEPTH = 500;

function checkDepth({ function: { parameters } }: TemplateTool, index: number): void {
  let level: object[] = [parameters];
  for (let depth = 0; level.length > 0; depth++) {
    const place = `tools[${index}].parameters`;
    if (depth > MAX_SCHEMA_DEPTH) throw new RequestError(`${place}: the schema nests deeper than ${MAX_SCHEMA_DEPTH}`, place);
    level = level.flatMap((value) => Object.values(value).filter((inner) => typeof inner === 'object' && inner !== null) as object[]);
  }
}

/** Messages as transformers hands them to templates: arguments of calls are objects, what is absent is undefined. */
function templateMessages(turns: readonly Turn[], family: Family, numbers: NumberLexemes): Record<string, unknown>[] {
  const toolNames = new Map<string, string>();
  return turns.map((turn) => {
    const { role, content, reasoning, calls = [], callId } = turn;
    for (const call of calls) toolNames.set(call.id, call.name);
    const name = turn.name ?? (callId === undefined ? undefined : toolNames.get(callId));
    return {
      role,
      content,
      ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
      ...(calls.length === 0 ? {} : { tool_calls: calls.map((call) => templateCall(call, family, numbers)) }),
      ...(callId === undefined ? {} : { tool_call_id: callId }),
      ...(name === undefined ? {} : { name }),
    };
  });
}

function templateCall(call: ToolCall, family: Family, numbers: NumberLexemes): Record<string, unknown> {
  const args = family.argumentsAsText ? spacedJson(call.arguments) : numbers.parse(call.arguments);
  return { id: call.id, type: 'function', function: { name: call.name, arguments: args } };
}

/**
 * Numbers of tool calls are shown to the model as it wrote them: 2.0 must not come back as 2, nor a long id rounded.
 * A number that JavaScript would spell differently stands in the template's variables as an improbable other
 * number, and its own text takes that one's place in the rendered prompt.
 */
class NumberLexemes {
  readonly #lexemes = new Map<string, string>();

  /** The value of a JSON text, or the text itself where it is not JSON. */
  parse(json: string): unknown {
    const marked = json.replace(JSON_STRING_OR_NUMBER, (lexeme) =>
      lexeme.startsWith('"') || String(Number(lexeme)) === lexeme ? lexeme : this.#standIn(lexeme),
    );
    try {
      return JSON.parse(marked);
    } catch {
      return json;
    }
  }

  restore(text: string): string {
    return this.#lexemes.size === 0 ? text : text.replace(STAND_IN, (standIn) => this.#lexemes.get(standIn) ?? standIn);
  }

  #standIn(lexeme: string): string {
    const standIn = `7.1${String(1000 + this.#lexemes.size)}90817263e-271`;
    this.#lexemes.set(standIn, lexeme);
    return standIn;
  }
}

const JSON_STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gu;
const STAND_IN = /7\.1\d{4,}90817263e-271/gu;

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = 'January February March April May June July August September October November December'.split(' ');

const pad = (value: number): string => String(value).padStart(2, '0');

const DATE_FIELDS: Record<string, (date: Date) => string> = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => pad(date.getFullYear() % 100),
  m: (date) => pad(date.getMonth() + 1),
  B: (date) => MONTHS[date.getMonth()],
  b: (date) => MONTHS[date.getMonth()].slice(0, 3),
  d: (date) => pad(date.getDate()),
  A: (date) => DAYS[date.getDay()],
  a: (date) => DAYS[date.getDay()].slice(0, 3),
  H: (date) => pad(date.getHours()),
  I: (date) => pad(date.getHours() % 12 || 12),
  M: (date) => pad(date.getMinutes()),
  S: (date) => pad(date.getSeconds()),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  '%': () => '%',
};

/** Python's strftime in the C locale, as far as templates use it. */
function formatDate(date: Date, format: string): string {
  return format.replace(/%(.)/gu, (field, letter: string) => DATE_FIELDS[letter]?.(date) ?? field);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
