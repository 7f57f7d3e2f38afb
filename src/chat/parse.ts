import { partialMatch } from '../tokenizer/detokenizer.ts';

/** How a family of models marks what is not plain text in its output. */
export interface OutputFormat {
  readonly name: string;
  /** Whether the chat template is of this family. */
  readonly matches: (template: string) => boolean;
  readonly reasoning: TagPair;
  readonly toolCall: TagPair;
}

export interface TagPair {
  readonly open: string;
  readonly close: string;
}

const HERMES: OutputFormat = {
  name: 'hermes',
  matches: () => true,
  reasoning: { open: '<think>', close: '</think>' },
  toolCall: { open: '<tool_call>', close: '</tool_call>' },
};

/** The first that matches is taken. */
export const OUTPUT_FORMATS: readonly OutputFormat[] = [HERMES];

export function outputFormat(template: string): OutputFormat {
  return OUTPUT_FORMATS.find((format) => format.matches(template)) ?? HERMES;
}

export const tagsOf = (format: OutputFormat): string[] => [format.reasoning, format.toolCall].flatMap((pair) => [pair.open, pair.close]);

/** A stretch of output; `start` and `end` are its place in the raw text. */
export type OutputPart =
  | { readonly type: 'text' | 'reasoning'; readonly text: string; readonly start: number; readonly end: number }
  | { readonly type: 'tool-call'; readonly name: string; readonly arguments: string };

export interface RouterOptions {
  /** Without tools a call is text like any other. */
  readonly tools: boolean;
  /** The prompt has opened the reasoning already. */
  readonly reasoning?: boolean;
}

type State = 'start' | 'reasoning' | 'text' | 'call' | 'call-end';

/**
 * Parts the text of an answer into reasoning, text and tool calls while it streams. Reasoning is recognized only at the very
 * beginning. White space between the parts is dropped; a call that is malformed comes out as the text it is. The
 * same text in other pieces gives the same parts, but for where stretches of text and reasoning are cut.
 */
export class OutputRouter {
  readonly #format: OutputFormat;
  readonly #tools: boolean;
  #state: State;
  #buffer = '';
  /** Place of the buffer's first character in the raw text. */
  #offset = 0;
  #skipSpace = false;
  /** White space and opening tag of the call being read. */
  #callHead = '';
  #scan = new ObjectScanner();
  #parts: OutputPart[] = [];

  constructor(format: OutputFormat, options: RouterOptions) {
    this.#format = format;
    this.#tools = options.tools;
    this.#state = options.reasoning === true ? 'reasoning' : 'start';
    this.#skipSpace = options.reasoning === true;
  }

  push(text: string): OutputPart[] {
    this.#buffer += text;
    return this.#advance(false);
  }

  finish(): OutputPart[] {
    return this.#advance(true);
  }

  #advance(last: boolean): OutputPart[] {
    while (this.#buffer !== '' && this.#step(last));
    if (last && this.#state === 'call') {
      this.#malformed();
      while (this.#buffer !== '' && this.#step(last));
    }
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  /** Whether there may be more to do with what is buffered. */
  #step(last: boolean): boolean {
    const { reasoning, toolCall } = this.#format;
    switch (this.#state) {
      case 'start':
        return this.#start(reasoning.open, last);
      case 'reasoning':
        return this.#until('reasoning', reasoning.close, last);
      case 'text':
        return this.#until('text', this.#tools ? toolCall.open : null, last);
      case 'call':
        return this.#call();
      case 'call-end':
        return this.#callEnd(toolCall.close, last);
    }
  }

  #start(open: string, last: boolean): boolean {
    const text = this.#buffer.trimStart();
    if (text.startsWith(open)) {
      this.#take(this.#buffer.length - text.length + open.length);
      this.#skipSpace = true;
      this.#state = 'reasoning';
      return true;
    }
    if (open.startsWith(text) && !last) return false;
    this.#state = 'text';
    return true;
  }

  /** Gives out text up to the tag, holding back what may belong to it. */
  #until(type: 'text' | 'reasoning', tag: string | null, last: boolean): boolean {
    if (this.#skipSpace) {
      this.#take(this.#buffer.length - this.#buffer.trimStart().length);
      if (this.#buffer === '') return false;
    }
    const found = tag === null ? -1 : this.#buffer.indexOf(tag);
    if (tag !== null && found >= 0) {
      this.#emit(type, this.#buffer.slice(0, found).trimEnd().length);
      const head = this.#take(this.#buffer.indexOf(tag) + tag.length);
      this.#skipSpace = true;
      if (type === 'reasoning') {
        this.#state = 'text';
      } else {
        this.#callHead = head;
        this.#scan = new ObjectScanner();
        this.#state = 'call';
      }
      return true;
    }
    const held = last || tag === null ? 0 : partialMatch(this.#buffer, [tag]);
    const certain = this.#buffer.slice(0, this.#buffer.length - held);
    this.#emit(type, last || tag === null ? certain.length : certain.trimEnd().length);
    return false;
  }

  #call(): boolean {
    const end = this.#scan.advance(this.#buffer);
    if (end === 'incomplete') return false;
    const call = end === 'malformed' ? null : parseCall(this.#buffer.slice(0, end));
    if (end === 'malformed' || call === null) {
      this.#malformed();
      return true;
    }
    this.#take(end);
    this.#parts.push({ type: 'tool-call', ...call });
    this.#state = 'call-end';
    return true;
  }

  /** The closing tag may be missing; closing brackets too many, a common slip, are dropped. */
  #callEnd(close: string, last: boolean): boolean {
    const rest = this.#buffer.replace(/^[\s}\]]+/u, '');
    if (rest.startsWith(close)) this.#take(this.#buffer.length - rest.length + close.length);
    else if (rest === '' || close.startsWith(rest)) {
      if (!last) return false;
      this.#take(this.#buffer.length);
    }
    this.#skipSpace = true;
    this.#state = 'text';
    return true;
  }

  #malformed(): void {
    this.#offset -= this.#callHead.length;
    this.#buffer = this.#callHead + this.#buffer;
    this.#emit('text', this.#callHead.length);
    this.#state = 'text';
  }

  #emit(type: 'text' | 'reasoning', length: number): void {
    if (length === 0) return;
    const start = this.#offset;
    const text = this.#take(length);
    this.#skipSpace = false;
    this.#parts.push({ type, text, start, end: this.#offset });
  }

  #take(length: number): string {
    const text = this.#buffer.slice(0, length);
    this.#buffer = this.#buffer.slice(length);
    this.#offset += length;
    return text;
  }
}

/** Finds the end of a JSON object whose text is still growing, reading every character once. */
class ObjectScanner {
  #position = 0;
  #depth = 0;
  #inString = false;

  /** Index behind the closing brace. */
  advance(text: string): number | 'incomplete' | 'malformed' {
    while (this.#position < text.length) {
      const character = text[this.#position++];
      if (this.#inString) {
        if (character === '\\') this.#position++;
        else if (character === '"') this.#inString = false;
      } else if (this.#depth === 0) {
        if (character === '{') this.#depth = 1;
        else if (character.trim() !== '') return 'malformed';
      } else if (character === '"') this.#inString = true;
      else if (character === '{' || character === '[') this.#depth++;
      else if (character === '}' || character === ']') {
        if (--this.#depth === 0) return this.#position;
      } else if (character === '<') return 'malformed';
    }
    return 'incomplete';
  }
}

/** Name and arguments of a call; the arguments keep the text that the model wrote. */
function parseCall(json: string): { name: string; arguments: string } | null {
  const call = parseJson(json);
  if (!isObject(call) || typeof call.name !== 'string' || call.name === '') return null;
  const key = 'arguments' in call ? 'arguments' : 'parameters';
  const value = call[key];
  if (value === undefined || value === null) return { name: call.name, arguments: '{}' };
  if (typeof value === 'string') return isObject(parseJson(value)) ? { name: call.name, arguments: value } : null;
  return isObject(value) ? { name: call.name, arguments: memberText(json, key) } : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The text of a member's value, an object or array, in the text of a valid JSON object; the last member of that name. */
function memberText(json: string, key: string): string {
  let depth = 0;
  let name = '';
  let start = -1;
  let found = '';
  for (const { 0: token, index } of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/gu)) {
    if (token.startsWith('"')) {
      if (depth === 1) name = JSON.parse(token) as string;
    } else if (token === '{' || token === '[') {
      if (++depth === 2 && name === key) start = index;
    } else if (--depth === 1 && start >= 0) {
      found = json.slice(start, index + 1);
      start = -1;
    }
  }
  return found;
}
