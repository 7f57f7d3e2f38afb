import { expect, test } from 'vitest';
import type { ChatEvent, ChatModel, ChatRequest } from '../chat/chat-model.ts';
import { evaluateCalls } from './calls.ts';
import type { CallItem, CallSet } from './calls.ts';

const TOOL = { function: { name: 'add', parameters: { type: 'object' } } };

/** Answers each user message with the calls written in it, as name(json) separated by semicolons. */
const scripted: ChatModel = {
  id: 'scripted',
  async *stream({ messages }: ChatRequest): AsyncGenerator<ChatEvent> {
    const said = messages.at(-1)?.content ?? '';
    const calls = [...said.matchAll(/(\w+)\((.*?)\)(?:;|$)/gu)];
    for (const [index, [, name, json]] of calls.entries()) yield { type: 'tool-call', index, call: { id: String(index), name, arguments: json } };
    yield { type: 'finish', reason: 'stop', usage: { promptTokens: 10, cachedTokens: 0, completionTokens: 5 } };
  },
  close: () => Promise.resolve(),
};

const item = (kind: CallItem['kind'], content: string, ...calls: CallItem['calls']): CallItem => ({ kind, tools: ['add'], messages: [{ role: 'user', content }], calls });
const add = (a: number): CallItem['calls'][number] => ({ name: 'add', arguments: { a } });

const SET: CallSet = {
  tools: { add: TOOL },
  items: [
    item('call', 'add({"a": 1})', add(1)),
    item('call', 'add({"a": 2})', add(1)),
    item('call', 'no call at all', add(1)),
    item('call', 'add({"a": )', add(1)),
    item('parallel', 'add({"a": 1});add({"a": 2})', add(1), add(2)),
    item('parallel', 'add({"a": 2});add({"a": 1})', add(1), add(2)),
    item('absent', 'nothing'),
    item('declined', 'add({"a": 1})'),
  ],
};

test('counts exact calls, right tools, refusals and abstention', async () => {
  const report = await evaluateCalls(scripted, SET, { concurrency: 3, maxTokens: 16 });
  expect(report).toMatchObject({ items: 8, exact: 2 / 6, abstention: 1 / 2, falseRefusals: 1 / 4, tokens: 120 });
  expect(report.byKind.call).toEqual({ items: 4, exact: 1 / 4, tool: 3 / 4, refused: 1 / 4 });
  expect(report.byKind.parallel).toEqual({ items: 2, exact: 1 / 2, tool: 1, refused: 0 });
  expect(report.byKind.missing).toBeUndefined();
});

test('accepts the other values that an item names, and arguments left out where null is among them', async () => {
  const lenient = (content: string): CallItem => ({ ...item('call', content, add(1)), accept: [{ a: [2, null], b: [null, 7] }] });
  const texts = ['add({"a": 1})', 'add({"a": 2})', 'add({})', 'add({"a": 1, "b": 7})', 'add({"a": 3})', 'add({"a": 1, "b": 8})', 'add({"a": 1, "c": 7})', 'add([1])'];
  const exact: boolean[] = [];
  const set = { ...SET, items: texts.map(lenient) };
  await evaluateCalls(scripted, set, { concurrency: 1, maxTokens: 16, onAnswer: (answer) => exact.push(answer.exact) });
  expect(exact).toEqual([true, true, true, true, false, false, false, false]);
});
