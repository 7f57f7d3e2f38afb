import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { ChatEvent, ChatModel, ChatRequest } from '../chat/chat-model.ts';
import { evaluateBfcl, matchCalls } from './bfcl.ts';

const AREA = {
  name: 'shape.area',
  description: 'Area of a shape',
  parameters: {
    properties: {
      base: { type: 'integer' },
      height: { type: 'float' },
      unit: { type: 'string' },
      points: { type: 'array', items: { type: 'integer' } },
      style: { type: 'dict' },
    },
    required: ['base'],
  },
};
const wanted = (values: Record<string, unknown[]>): Record<string, Record<string, unknown[]>> => ({ 'shape.area': values });
const call = (json: string, name = 'shape_area'): { id: string; name: string; arguments: string } => ({ id: '0', name, arguments: json });
const right = (json: string, values: Record<string, unknown[]>): boolean => matchCalls([call(json)], [wanted(values)], [AREA]);

test.each([
  ['{"base": 5}', { base: [5] }, true],
  ['{"base": 5.0}', { base: [5] }, false], // no integer
  ['{"base": 5, "height": 3}', { base: [5], height: [3.0] }, true], // an integer will do for a float
  ['{"base": 5, "height": 3.0}', { base: [5], height: [3] }, true],
  ['{"base": 5, "height": 2.5e1}', { base: [5], height: [25] }, true],
  ['{"base": "5"}', { base: [5] }, false],
  ['{"base": true}', { base: [1] }, false],
  ['{"height": 3}', { base: [5], height: [3] }, false], // a required one is missing
  ['{"base": 5, "colour": "red"}', { base: [5] }, false], // an unknown one
  ['{"base": 5, "unit": "cm"}', { base: [5] }, false], // one that the answer does not have
  ['{"base": 5}', { base: [5], unit: ['cm'] }, false],
  ['{"base": 5}', { base: [5], unit: ['cm', ''] }, true], // may be left out
  ['{"base": 5, "unit": "Square-Metres."}', { base: [5], unit: ['square metres'] }, true],
  ['{"base": 5, "unit": "1.5 and \\"2.5\\""}', { base: [5], unit: ['1.5 and "2.5"'] }, true],
  ['{"base": 5, "points": [1, 2]}', { base: [5], points: [[1, 2]] }, true],
  ['{"base": 5, "points": [2, 1]}', { base: [5], points: [[1, 2]] }, false],
  ['{"base": 5, "points": [1.0, 2]}', { base: [5], points: [[1, 2]] }, false],
  ['{"base": 5, "style": {"line": "thin"}}', { base: [5], style: [{ line: ['thin'], fill: ['', 'red'] }] }, true],
  ['{"base": 5, "style": {"fill": "red"}}', { base: [5], style: [{ line: ['thin'], fill: ['', 'red'] }] }, false],
  ['{"base": 5', { base: [5] }, false],
  ['[5]', { base: [5] }, false],
])('%s against %o: %s', (json, values, expected) => {
  expect(right(json, values)).toBe(expected);
});

test('parallel calls match in any order, one to one', () => {
  const two = [wanted({ base: [1] }), wanted({ base: [2] })];
  expect(matchCalls([call('{"base": 2}'), call('{"base": 1}')], two, [AREA])).toBe(true);
  expect(matchCalls([call('{"base": 1}'), call('{"base": 1}')], two, [AREA])).toBe(false);
  expect(matchCalls([call('{"base": 1}')], two, [AREA])).toBe(false);
  expect(matchCalls([call('{"base": 1}', 'other')], [two[0]], [AREA])).toBe(false);
});

const scratch = mkdtempSync(join(tmpdir(), 'tetrad-bfcl-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Calls what the user's words spell, as name json. */
const scripted: ChatModel = {
  id: 'scripted',
  async *stream({ messages, tools }: ChatRequest): AsyncGenerator<ChatEvent> {
    const [, name, json] = /^(\S+) (\{.*\})$/u.exec(messages[0].content ?? '') ?? [];
    if (name !== undefined) yield { type: 'tool-call', index: 0, call: { id: '0', name, arguments: json } };
    expect(tools?.[0]).toMatchObject({ name: 'shape_area', parameters: { type: 'object', properties: { height: { type: 'number' }, style: { type: 'object' } } } });
    yield { type: 'finish', reason: 'stop', usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 } };
  },
  close: () => Promise.resolve(),
};

test('categories are read, asked and counted', async () => {
  const lines = (values: readonly object[]): string => values.map((value) => JSON.stringify(value)).join('\n');
  const tool = { ...AREA, parameters: { type: 'dict', ...AREA.parameters } };
  const item = (id: string, content: string): object => ({ id, question: [[{ role: 'user', content }]], function: [tool] });
  mkdirSync(join(scratch, 'possible_answer'));
  writeFileSync(join(scratch, 'BFCL_v4_simple_python.json'), lines([item('a', 'shape_area {"base": 5}'), item('b', 'shape_area {"base": 6}'), item('c', 'nothing')]));
  const truth = (id: string): object => ({ id, ground_truth: [wanted({ base: [5] })] });
  writeFileSync(join(scratch, 'possible_answer', 'BFCL_v4_simple_python.json'), lines([truth('a'), truth('b'), truth('c')]));
  writeFileSync(join(scratch, 'BFCL_v4_irrelevance.json'), lines([item('d', 'nothing'), item('e', 'shape_area {}')]));
  const { categories } = await evaluateBfcl(scripted, scratch, { concurrency: 2, maxTokens: 10 });
  expect(categories).toEqual({
    simple_python: { items: 3, right: 1 / 3, names: 2 / 3, tooLong: 0 },
    irrelevance: { items: 2, right: 1 / 2, names: null, tooLong: 0 },
  });
  await expect(evaluateBfcl(scripted, tmpdir(), { concurrency: 1, maxTokens: 1 })).rejects.toThrow(/has none of the files/);
});
