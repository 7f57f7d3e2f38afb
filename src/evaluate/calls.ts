/** Tool calling on a set of recorded conversations: what the served model calls, against what it should have called. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import type { ChatMessage, ChatModel, ToolCall, ToolDefinition } from '../chat/chat-model.ts';

const CALL = z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()) });
const MESSAGE = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.string(),
  tool_calls: z.array(z.object({ function: CALL })).optional(),
});
const TOOL = z.object({ function: z.object({ name: z.string(), description: z.string().optional(), parameters: z.record(z.string(), z.unknown()).optional() }) });
const KINDS = ['call', 'parallel', 'several', 'declined', 'absent', 'missing', 'result', 'chat', 'values', 'wording', 'names'] as const;
const ITEM = z.object({ kind: z.enum(KINDS), tools: z.array(z.string()), messages: z.array(MESSAGE).min(1), calls: z.array(CALL), accept: z.array(z.record(z.string(), z.array(z.unknown()))).optional(), answer: z.string().optional() });
const SET = z.object({ tools: z.record(z.string(), TOOL), items: z.array(ITEM) });

export type CallKind = (typeof KINDS)[number];
export type CallItem = z.infer<typeof ITEM>;
export type CallSet = z.infer<typeof SET>;

/** Kinds that want calls and count as such; the last three differ from training in one thing alone and have figures of their own. */
const CALLING: readonly CallKind[] = ['call', 'parallel', 'several'];
const ABSTAINING: readonly CallKind[] = ['declined', 'absent', 'missing', 'chat'];

export interface KindFigures {
  readonly items: number;
  /** Calls with exactly the wanted names and values; or, where none is wanted, none. */
  readonly exact: number;
  /** The right names, whatever the arguments. */
  readonly tool: number;
  /** No call although one was wanted. */
  readonly refused: number;
}

export interface CallsReport {
  readonly items: number;
  /** Over the items that want calls. */
  readonly exact: number;
  /** Share of the items that want no call and got none. */
  readonly abstention: number;
  /** Share of the items of one call that got none. */
  readonly falseRefusals: number;
  readonly byKind: Readonly<Partial<Record<CallKind, KindFigures>>>;
  /** Prompt and output tokens. */
  readonly tokens: number;
  readonly seconds: number;
}

interface Outcome {
  readonly item: CallItem;
  readonly exact: boolean;
  readonly tool: boolean;
  readonly refused: boolean;
  readonly text: string;
  readonly calls: readonly ToolCall[];
  readonly tokens: number;
}

/** A JSON file, compressed where its name ends in .gz. Throws ZodError where it has another shape. */
export function readCallSet(file: string): CallSet {
  const bytes = readFileSync(file);
  return SET.parse(JSON.parse((file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')));
}

export interface CallsOptions {
  /** Items asked at once. */
  readonly concurrency: number;
  readonly maxTokens: number;
  /** Whether answers are held to the tools' schemas. */
  readonly guided?: boolean;
  readonly onProgress?: (done: number, total: number) => void;
  /** Every answer, in the order in which they come. */
  readonly onAnswer?: (answer: CallAnswer) => void;
}

/** What the model did with one item. */
export interface CallAnswer {
  /** The item's place in the set. */
  readonly index: number;
  readonly exact: boolean;
  readonly text: string;
  readonly calls: readonly ToolCall[];
}

/** Greedy answers to all items. */
export async function evaluateCalls(model: ChatModel, set: CallSet, options: CallsOptions): Promise<CallsReport> {
  const start = performance.now();
  const outcomes: Outcome[] = [];
  let next = 0;
  const ask = async (): Promise<void> => {
    while (next < set.items.length) {
      const index = next++;
      const outcome = await judge(model, set, set.items[index], options);
      outcomes.push(outcome);
      options.onAnswer?.({ index, exact: outcome.exact, text: outcome.text, calls: outcome.calls });
      options.onProgress?.(outcomes.length, set.items.length);
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, ask));
  return report(outcomes, (performance.now() - start) / 1000);
}

async function judge(model: ChatModel, set: CallSet, item: CallItem, { maxTokens, guided }: CallsOptions): Promise<Outcome> {
  const tools = item.tools.map((name): ToolDefinition => set.tools[name].function);
  const calls: ToolCall[] = [];
  let [tokens, text] = [0, ''];
  for await (const event of model.stream({ messages: chatMessages(item), tools, temperature: 0, maxTokens, guided })) {
    if (event.type === 'tool-call') calls.push(event.call);
    if (event.type === 'text-delta') text += event.text;
    if (event.type === 'finish') tokens = event.usage.promptTokens + event.usage.completionTokens;
  }
  const tool = isDeepStrictEqual(calls.map((call) => call.name), item.calls.map((call) => call.name));
  const exact = tool && calls.every((call, i) => sameArguments(parseArguments(call), item.calls[i].arguments, item.accept?.[i] ?? {}));
  return { item, exact, tool, refused: item.calls.length > 0 && calls.length === 0, text, calls, tokens };
}

type Arguments = Readonly<Record<string, unknown>>;

/** Equal, but for values that the item accepts as well; null among those: the argument may be left out. */
function sameArguments(got: Arguments | undefined, want: Arguments, accept: Readonly<Record<string, readonly unknown[]>>): boolean {
  if (got === undefined) return false;
  return [...new Set([...Object.keys(got), ...Object.keys(want)])].every((name) => {
    const others = accept[name] ?? [];
    if (!(name in got)) return others.includes(null);
    return (name in want && isDeepStrictEqual(got[name], want[name])) || others.some((other) => other !== null && isDeepStrictEqual(got[name], other));
  });
}

/** Undefined where they are no JSON object. */
function parseArguments(call: ToolCall): Arguments | undefined {
  try {
    const value: unknown = JSON.parse(call.arguments);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Arguments) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function chatMessages(item: CallItem): ChatMessage[] {
  let called = 0;
  let answered = 0;
  return item.messages.map((message): ChatMessage => {
    const { role, content, tool_calls: calls } = message;
    if (role === 'tool') return { role, content, toolCallId: `call-${answered++}` };
    if (role !== 'assistant') return { role, content };
    const toolCalls = calls?.map(({ function: call }) => ({ id: `call-${called++}`, name: call.name, arguments: JSON.stringify(call.arguments) }));
    return { role, content, toolCalls };
  });
}

const share = (outcomes: readonly Outcome[], wanted: (outcome: Outcome) => boolean): number =>
  outcomes.length === 0 ? 0 : outcomes.filter(wanted).length / outcomes.length;

function report(outcomes: readonly Outcome[], seconds: number): CallsReport {
  const of = (...kinds: readonly CallKind[]): Outcome[] => outcomes.filter(({ item }) => kinds.includes(item.kind));
  const byKind: Partial<Record<CallKind, KindFigures>> = {};
  for (const kind of KINDS) {
    const own = of(kind);
    if (own.length === 0) continue;
    byKind[kind] = { items: own.length, exact: share(own, ({ exact }) => exact), tool: share(own, ({ tool }) => tool), refused: share(own, ({ refused }) => refused) };
  }
  return {
    items: outcomes.length,
    exact: share(of(...CALLING), ({ exact }) => exact),
    abstention: share(of(...ABSTAINING), ({ exact }) => exact),
    falseRefusals: share(of('call'), ({ refused }) => refused),
    byKind,
    tokens: outcomes.reduce((sum, outcome) => sum + outcome.tokens, 0),
    seconds,
  };
}
