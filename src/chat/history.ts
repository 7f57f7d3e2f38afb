/** Messages → turns that a family's template can render, where it can't render all that messages may hold. */
import type { ChatMessage, ToolCall } from './chat-model.ts';
import { type Family, renderCalls } from './families.ts';
import { parseJson, spacedJson } from './json.ts';
import { pythonArguments } from './python.ts';

/** A message as the template is to see it. */
export interface Turn {
  readonly role: string;
  readonly content: string;
  readonly reasoning?: string;
  readonly calls?: readonly ToolCall[];
  /** Of a tool's result. */
  readonly callId?: string;
  readonly name?: string;
}

/** A tool as templates know it. */
export interface TemplateTool {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly description?: string; readonly parameters: Record<string, unknown> };
}

/** What the template itself does is told by its source, but for the system message: it may be refused, or dropped. */
export function fitMessages(family: Family, template: string, messages: readonly ChatMessage[], tools: readonly TemplateTool[], showsSystem: () => boolean): Turn[] {
  let turns = messages.map(turnOf);
  if (family.shortIds) turns = turns.map(withShortIds);
  if (family.jsonResults) turns = turns.map((turn) => (turn.role === 'tool' ? { ...turn, content: asJson(turn.content) } : turn));
  if (family.rewritesCalls || !template.includes('tool_calls')) turns = turns.map((turn) => withCallsAsText(turn, family));
  else if (TAKES_ONE_CALL.test(template)) turns = oneCallEach(turns);
  turns = withResults(turns, family, family.resultRole(template));
  if (tools.length > 0 && !showsTools(template)) turns = withDocumentation(turns, family, tools);
  return turns[0]?.role === 'system' && !showsSystem() ? withoutSystem(turns) : turns;
}

/** Whether its expressions read a variable of that name, beside what messages may carry. */
const showsTools = (template: string): boolean =>
  [...template.matchAll(/\{[{%].*?[%}]\}/gsu)].some(([expression]) => /(?<![.\w])tools\b/u.test(expression.replaceAll(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/gsu, '')));

const TAKES_ONE_CALL = /tool_calls\s*\|\s*length\s*(?:==|!=|>)\s*1/u;

function turnOf(message: ChatMessage): Turn {
  switch (message.role) {
    case 'system':
    case 'user':
      return { role: message.role, content: message.content };
    case 'assistant':
      return { role: 'assistant', content: message.content ?? '', reasoning: message.reasoning, calls: message.toolCalls };
    case 'tool':
      return { role: 'tool', content: message.content, callId: message.toolCallId, name: message.name };
  }
}

const asJson = (text: string): string => (parseJson(text) === undefined ? JSON.stringify(text) : text);

function withShortIds(turn: Turn): Turn {
  return {
    ...turn,
    ...(turn.calls === undefined ? {} : { calls: turn.calls.map((call) => ({ ...call, id: shortId(call.id) })) }),
    ...(turn.callId === undefined ? {} : { callId: shortId(turn.callId) }),
  };
}

/** Nine letters and digits, the same for the same id. */
function shortId(id: string): string {
  if (/^[A-Za-z0-9]{9}$/u.test(id)) return id;
  let hash = 0n;
  for (const char of id) hash = (hash * 1_000_003n + BigInt(char.codePointAt(0) as number)) % 36n ** 9n;
  return hash.toString(36).padStart(9, '0');
}

function withCallsAsText(turn: Turn, family: Family): Turn {
  const { calls, ...rest } = turn;
  if (calls === undefined || calls.length === 0) return rest;
  const written = calls.map(({ name, arguments: json }) => ({ name, text: family.calls.style === 'python' ? (pythonArguments(json) ?? json) : spacedJson(json) }));
  const content = rest.content === '' ? '' : `${rest.content}\n`;
  return { ...rest, content: content + renderCalls(family.calls, written) };
}

/** Several calls of one message become as many messages, each with its results behind it. */
function oneCallEach(turns: readonly Turn[]): Turn[] {
  const split: Turn[] = [];
  for (let i = 0; i < turns.length; i++) {
    const { calls = [], ...turn } = turns[i];
    if (calls.length < 2) {
      split.push(turns[i]);
      continue;
    }
    const end = turns.findIndex((later, at) => at > i && later.role !== 'tool');
    const results = turns.slice(i + 1, end < 0 ? turns.length : end);
    calls.forEach((call, index) => {
      split.push({ ...turn, content: index === 0 ? turn.content : '', calls: [call] }, ...results.filter(({ callId }) => callId === call.id));
    });
    split.push(...results.filter(({ callId }) => !calls.some(({ id }) => id === callId)));
    i += results.length;
  }
  return split;
}

/** Results in the role that the template has for them; else in a user turn, together with what the user says next. */
function withResults(turns: readonly Turn[], family: Family, role: string): Turn[] {
  if (role === 'tool' || turns.every((turn) => turn.role !== 'tool')) return [...turns];
  if (role !== 'user') return turns.map((turn) => (turn.role === 'tool' ? { ...turn, role } : turn));
  const { open, before, after, close } = family.results;
  const joined: Turn[] = [];
  turns.forEach((turn, i) => {
    const isFirst = turns[i - 1]?.role !== 'tool';
    const isLast = turns[i + 1]?.role !== 'tool';
    const content = turn.role === 'tool' ? `${isFirst ? open : '\n'}${before}${turn.content}${after}${isLast ? close : ''}` : turn.content;
    const last = joined.at(-1);
    if (turn.role === 'tool' && !isFirst && last !== undefined) joined[joined.length - 1] = { ...last, content: last.content + content };
    else if (turn.role === 'user' && turns[i - 1]?.role === 'tool' && last !== undefined) joined[joined.length - 1] = { ...last, content: `${last.content}\n\n${content}` };
    else joined.push(turn.role === 'tool' ? { role: 'user', content } : turn);
  });
  return joined;
}

/** Tools where the template has no place for them: at the end of the system message. */
function withDocumentation(turns: readonly Turn[], family: Family, tools: readonly TemplateTool[]): Turn[] {
  const text = family.documentation?.(tools.map((tool) => tool.function)) ?? documentation(family, tools);
  const [first, ...rest] = turns;
  const joint = family.documentation === undefined ? '\n\n' : '';
  if (first?.role === 'system') return [{ ...first, content: first.content + joint + text }, ...rest];
  return [{ role: 'system', content: text }, ...turns];
}

/** Schema first, then the one way to call. */
function documentation(family: Family, tools: readonly TemplateTool[]): string {
  const example = (names: readonly string[]): string =>
    renderCalls(family.calls, names.map((name) => ({ name, text: family.calls.style === 'python' ? 'ARGUMENT=VALUE' : '{"ARGUMENT": VALUE}' })));
  return [
    '# Tools',
    '',
    'You can call these functions:',
    ...tools.map((tool) => JSON.stringify(tool.function)),
    '',
    'To call one, answer with this and nothing else, with arguments that match its parameters:',
    example(['NAME']),
    'Several calls:',
    example(['NAME', 'NAME']),
    'Where no function helps, answer in plain text.',
  ].join('\n');
}

/** The system message at the head of the first user turn. */
function withoutSystem([system, ...turns]: readonly Turn[]): Turn[] {
  const first = turns.findIndex(({ role }) => role === 'user');
  if (first < 0) return [{ ...system, role: 'user' }, ...turns];
  return turns.map((turn, i) => (i === first ? { ...turn, content: `${system.content}\n\n${turn.content}` } : turn));
}
