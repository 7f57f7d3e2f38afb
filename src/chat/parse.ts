import { partialMatch } from '../tokenizer/detokenizer.ts';
import type { Family } from './families.ts';
import { isObject, memberText, ObjectScanner, parseJson } from './json.ts';
import { PythonArguments } from './python.ts';

/** A stretch of output; `start` and `end` are its place in the raw text, of the first delta of a call that of the call's tag. */
export type OutputPart =
  | { readonly type: 'text' | 'reasoning'; readonly text: string; readonly start: number; readonly end: number }
  | { readonly type: 'call-start'; readonly name: string }
  | { readonly type: 'call-delta'; readonly arguments: string; readonly start: number; readonly end: number }
  /** The call that began last is complete. */
  | { readonly type: 'call'; readonly name: string; readonly arguments: string };

export interface ParserOptions {
  /** Names of the tools; without tools a call is text like any other. */
  readonly tools: readonly string[];
  /** What the prompt has written of the answer already: a tag that opens reasoning, or a part of one. */
  readonly begun?: string;
}

type State = 'start' | 'reasoning' | 'text' | 'open' | 'head' | 'arguments' | 'rest' | 'between';

/** What may stand between the opening of calls and the first, and around bare calls. */
const FENCES = ['```json', '```tool_code', '```tool_call', '```python', '```'];
/** Members that the object of a bare call may begin with. */
const CALL_KEYS = new Set(['name', 'arguments', 'parameters', 'type', 'id']);
const JSON_HEAD = /^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)/u;
const FIRST_MEMBER = /^\s*\{\s*"((?:[^"\\]|\\.)*)"(?:\s*:\s*("(?:[^"\\]|\\.)*"))?/u;

/**
 * Parses the text of an answer into reasoning, text and tool calls while it streams. Reasoning is recognized only at the very
 * beginning. White space between the parts is dropped. A call begins to stream once its name and the brace of its arguments are
 * there; text that turns out to be no call comes out as the text it is, and a call that ends too early is never given out as
 * complete. The same text in other pieces gives the same parts, but for where stretches are cut.
 */
export class OutputParser {
  readonly #family: Family;
  readonly #tools: readonly string[];
  readonly #triggers: readonly string[];
  readonly #isBare: boolean;
  readonly #loose: readonly string[];
  #state: State = 'start';
  #hasReasoned = false;
  #buffer: string;
  /** Place of the buffer's first character in the raw text. */
  #offset: number;
  #skipSpace = false;
  /** Until a call streams, the buffer begins with it: length of its tag, and where reading goes on. */
  #tagEnd = 0;
  #cursor = 0;
  #name = '';
  /** Of the call that streams: what was read of it, its arguments, and where the last delta ended. */
  #raw = '';
  #arguments = '';
  #givenOut = 0;
  #scanner = new ObjectScanner();
  #python = new PythonArguments();
  #parts: OutputPart[] = [];

  constructor(family: Family, { tools, begun = '' }: ParserOptions) {
    this.#family = family;
    this.#tools = tools;
    this.#triggers = tools.length === 0 ? [] : family.triggers(tools);
    this.#isBare = tools.length > 0 && this.#triggers.length === 0;
    this.#loose = looseTags(family);
    this.#buffer = begun;
    this.#offset = -begun.length;
    this.#advance(false);
  }

  push(text: string): OutputPart[] {
    this.#buffer += text;
    return this.#advance(false);
  }

  finish(): OutputPart[] {
    return this.#advance(true);
  }

  #advance(last: boolean): OutputPart[] {
    for (let goesOn = true; goesOn; goesOn = last && this.#giveUp()) {
      while (this.#buffer !== '' && this.#step(last));
    }
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  /** Whether there may be more to do with what is buffered. */
  #step(last: boolean): boolean {
    switch (this.#state) {
      case 'start':
        return this.#start(last);
      case 'reasoning':
        return this.#until('reasoning', [this.#family.reasoning.close], last);
      case 'text':
        return this.#until('text', this.#triggers, last);
      case 'open':
        return this.#open();
      case 'head':
        return this.#head();
      case 'arguments':
        return this.#readArguments();
      case 'rest':
        return this.#rest(last);
      case 'between':
        return this.#between(last);
    }
  }

  /** At the end of the text: a call that has not begun to stream is text. */
  #giveUp(): boolean {
    if (this.#buffer === '' || (this.#state !== 'open' && this.#state !== 'head')) return false;
    this.#malformed();
    return true;
  }

  #start(last: boolean): boolean {
    const { reasoning, textOpen } = this.#family;
    const text = this.#buffer.trimStart();
    const openings = [...(this.#hasReasoned ? [] : [reasoning.open]), ...(textOpen === '' ? [] : [textOpen])];
    const found = openings.find((opening) => text.startsWith(opening));
    if (found === undefined && !last && openings.some((opening) => opening.startsWith(text))) return false;
    if (found !== undefined) this.#take(this.#buffer.length - text.length + found.length);
    if (found === reasoning.open) {
      this.#skipSpace = true;
      this.#state = 'reasoning';
    } else if (found === undefined && this.#isBare) {
      this.#beginCall(0, 0);
    } else {
      this.#state = 'text';
    }
    return true;
  }

  /** Gives out text up to the first of the tags, holding back what may belong to one. */
  #until(type: 'text' | 'reasoning', tags: readonly string[], last: boolean): boolean {
    if (this.#skipSpace) {
      this.#take(this.#buffer.length - this.#buffer.trimStart().length);
      if (this.#buffer === '') return false;
    }
    const found = firstOf(this.#buffer, tags);
    if (found === null) {
      const certain = this.#buffer.slice(0, this.#buffer.length - (last ? 0 : partialMatch(this.#buffer, tags)));
      this.#emit(type, last || tags.length === 0 ? certain.length : certain.trimEnd().length);
      return false;
    }
    this.#emit(type, this.#buffer.slice(0, found.start).trimEnd().length);
    this.#skipSpace = true;
    const start = firstOf(this.#buffer, tags)?.start ?? 0;
    if (type === 'reasoning') {
      this.#take(start + found.tag.length);
      this.#hasReasoned = true;
      this.#state = 'start';
    } else {
      // A name that stands outside of JSON may belong to what was found.
      const { style, open } = this.#family.calls;
      this.#beginCall(start + found.tag.length, style === 'named' ? start + open.length : start + found.tag.length);
    }
    return true;
  }

  #beginCall(tagEnd: number, cursor: number): void {
    this.#tagEnd = tagEnd;
    this.#cursor = cursor;
    this.#state = this.#family.calls.style === 'named' ? 'head' : 'open';
    this.#scanner = new ObjectScanner();
  }

  /** Fences, special prefixes and the bracket of a list. */
  #open(): boolean {
    const optional = [...FENCES, ...this.#family.prefixes.map((prefix) => prefix.trim()), '['];
    const end = skipOptional(this.#buffer, this.#cursor, optional);
    if (end === 'incomplete') return false;
    this.#cursor = end;
    this.#state = 'head';
    return true;
  }

  #head(): boolean {
    const rest = this.#buffer.slice(this.#cursor);
    const head = this.#readHead(rest);
    if (head === 'incomplete') return false;
    if (head === 'malformed' || (this.#isBare && !this.#tools.includes(head.name))) return this.#malformed();
    this.#name = head.name;
    this.#arguments = '';
    this.#givenOut = this.#offset;
    this.#parts.push({ type: 'call-start', name: head.name });
    this.#raw = this.#take(this.#cursor + head.length);
    if (head.arguments !== undefined) {
      this.#delta(head.arguments);
      return this.#complete();
    }
    this.#scanner = new ObjectScanner();
    this.#python = new PythonArguments();
    this.#state = 'arguments';
    return true;
  }

  #readHead(rest: string): Head {
    const { calls } = this.#family;
    if (calls.style === 'named') return namedHead(rest, this.#family);
    if (calls.style === 'python') return pythonHead(rest);
    const head = JSON_HEAD.exec(rest);
    if (head !== null) {
      const name = parseJson(head[1]);
      return typeof name === 'string' && name !== '' ? { name, length: head[0].length } : 'malformed';
    }
    if (this.#isBare && this.#isNoCall(rest)) return 'malformed';
    const end = this.#scanner.advance(rest);
    if (typeof end !== 'number') return end;
    const call = parseCall(rest.slice(0, end), this.#isBare);
    return call === null ? 'malformed' : { ...call, length: end };
  }

  /** Told early, so that objects that are text stream as such. */
  #isNoCall(object: string): boolean {
    const [, key, value] = FIRST_MEMBER.exec(object) ?? [];
    if (key === undefined) return false;
    return !CALL_KEYS.has(key) || (key === 'name' && value !== undefined && !this.#tools.includes(parseJson(value) as string));
  }

  #readArguments(): boolean {
    const isPython = this.#family.calls.style === 'python';
    const reader = isPython ? this.#python : this.#scanner;
    const json = isPython ? this.#python.advance(this.#buffer) : null;
    const state = isPython ? this.#python.state : this.#scanner.advance(this.#buffer);
    if (state === 'malformed') return this.#malformed();
    const text = this.#take(reader.position);
    reader.position = 0;
    this.#raw += text;
    this.#delta(json ?? text);
    if (state === 'incomplete') return false;
    return isObject(parseJson(this.#arguments)) ? this.#complete() : this.#malformed();
  }

  #delta(json: string): void {
    if (json === '') return;
    this.#arguments += json;
    this.#parts.push({ type: 'call-delta', arguments: json, start: this.#givenOut, end: this.#offset });
    this.#givenOut = this.#offset;
  }

  #complete(): boolean {
    this.#parts.push({ type: 'call', name: this.#name, arguments: this.#arguments });
    this.#raw = '';
    this.#state = this.#family.calls.style === 'json' ? 'rest' : 'between';
    return true;
  }

  /** More members of the object that is the call. */
  #rest(last: boolean): boolean {
    if (!last && /^\s*(?:,\s*)?$/u.test(this.#buffer)) return false;
    if (/^\s*,\s*"/u.test(this.#buffer)) {
      const end = new ObjectScanner().advance(`{${this.#buffer}`);
      if (end === 'incomplete' && !last) return false;
      if (end !== 'malformed') this.#take(end === 'incomplete' ? this.#buffer.length : end - 1);
    }
    this.#state = 'between';
    return true;
  }

  /** Closing brackets too many or too few, and closing tags that are missing, are common slips. */
  #between(last: boolean): boolean {
    const { calls, closeTag } = this.#family;
    const gap = (calls.style === 'named' ? /^\s*/u : /^[\s,;)}\]]*/u).exec(this.#buffer)?.[0] ?? '';
    const rest = this.#buffer.slice(gap.length);
    const tags = closeTag === '' ? this.#loose : [closeTag, ...this.#loose];
    const tag = tags.find((candidate) => rest.startsWith(candidate));
    if (tag !== undefined) {
      this.#take(gap.length + tag.length);
      if (tag === closeTag) this.#endCalls();
      return true;
    }
    if (rest === '' || tags.some((candidate) => candidate.startsWith(rest))) {
      if (last) this.#take(this.#buffer.length);
      return false;
    }
    const next = nextCall(rest, this.#family);
    if (next === 'incomplete' && !last) return false;
    this.#take(gap.length);
    if (next === true && !gap.includes(']')) this.#beginCall(0, 0);
    else this.#endCalls();
    return true;
  }

  #endCalls(): void {
    this.#skipSpace = true;
    this.#state = 'text';
  }

  /** What was read as a call is text, tag and all; behind the tag another may begin. */
  #malformed(): boolean {
    this.#buffer = this.#raw + this.#buffer;
    this.#offset -= this.#raw.length;
    this.#raw = '';
    this.#emit('text', this.#tagEnd);
    this.#state = 'text';
    return true;
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

/** `arguments` where they are known already. */
type Head = { readonly name: string; readonly length: number; readonly arguments?: string } | 'incomplete' | 'malformed';

function firstOf(text: string, tags: readonly string[]): { start: number; tag: string } | null {
  let first: { start: number; tag: string } | null = null;
  for (const tag of tags) {
    const start = text.indexOf(tag);
    if (start >= 0 && (first === null || start < first.start)) first = { start, tag };
  }
  return first;
}

/** Tags after a call that carry no meaning of their own. */
function looseTags({ calls, tags, closeTag, prefixes }: Family): string[] {
  const within = tags.filter((tag) => tag !== closeTag && calls.tail.includes(tag));
  return calls.tail.includes('```') || prefixes.length > 0 ? ['```', ...within] : within;
}

function skipOptional(text: string, from: number, optional: readonly string[]): number | 'incomplete' {
  let at = from;
  for (;;) {
    while (at < text.length && text[at].trim() === '') at++;
    const rest = text.slice(at);
    if (optional.some((candidate) => candidate.length > rest.length && candidate.startsWith(rest))) return 'incomplete';
    const found = optional.find((candidate) => rest.startsWith(candidate));
    if (found === undefined) return at;
    at += found.length;
    if (found === '[') return at;
  }
}

/** Name and arguments of a call that is there as a whole; the arguments keep the text that the model wrote. */
function parseCall(json: string, needsArguments: boolean): { name: string; arguments: string } | null {
  const call = parseJson(json);
  if (!isObject(call) || typeof call.name !== 'string' || call.name === '') return null;
  const key = 'arguments' in call ? 'arguments' : 'parameters';
  const value = call[key];
  if (value === undefined && needsArguments) return null;
  if (value === undefined || value === null) return { name: call.name, arguments: '{}' };
  if (typeof value === 'string') return isObject(parseJson(value)) ? { name: call.name, arguments: value } : null;
  return isObject(value) ? { name: call.name, arguments: memberText(json, key) } : null;
}

const NAME = /^[^\s[\]{}<>｜`"'()]+/u;

/** Tag, name, and what stands before the brace of the arguments, white space as it comes. */
function namedHead(text: string, { calls, tags }: Family): Head {
  let at = 0;
  const skipSpace = (): void => {
    while (at < text.length && text[at].trim() === '') at++;
  };
  const skip = (word: string): boolean | 'incomplete' => {
    skipSpace();
    const rest = text.slice(at);
    if (rest.startsWith(word)) at += word.length;
    else return word.startsWith(rest) ? 'incomplete' : false;
    return true;
  };
  const head = calls.head.trim();
  const known = skip(head);
  if (known !== true) return known === false ? 'malformed' : known;
  skipSpace();
  const name = NAME.exec(text.slice(at))?.[0] ?? '';
  at += name.length;
  if (at === text.length) return 'incomplete';
  if (name === '') return 'malformed';
  if (tags.includes('[CALL_ID]')) {
    const id = skip('[CALL_ID]');
    if (id === 'incomplete') return id;
    if (id) at += /^\w*/u.exec(text.slice(at))?.[0].length ?? 0;
  }
  if (skip(calls.middle.trim()) === 'incomplete') return 'incomplete';
  skipSpace();
  if (at === text.length) return 'incomplete';
  return text[at] === '{' ? { name, length: at } : 'malformed';
}

function pythonHead(text: string): Head {
  const head = /^([A-Za-z_][\w.-]*)\s*\(/u.exec(text);
  if (head !== null) return { name: head[1], length: head[0].length };
  return /^(?:[A-Za-z_][\w.-]*\s*)?$/u.test(text) ? 'incomplete' : 'malformed';
}

/** Whether another call follows behind the one that was read. */
function nextCall(text: string, { calls }: Family): boolean | 'incomplete' {
  if (calls.style === 'json') return text.startsWith('{');
  if (calls.style === 'python') {
    const head = pythonHead(text);
    return typeof head === 'string' ? head === 'incomplete' && head : true;
  }
  if (calls.open === '') return false;
  return text.startsWith(calls.head) || (calls.head.startsWith(text) && 'incomplete');
}
