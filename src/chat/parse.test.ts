import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { familyOf } from './families.ts';
import { OutputParser, type OutputPart, type ParserOptions } from './parse.ts';

const hermes = familyOf('');
const tools = ['f', 'g'];

type Merged = [type: string, ...rest: string[]];

/** Parts with neighbours of one type joined, so that the cuts do not matter. */
function route(pieces: readonly string[], options: ParserOptions = { tools }): Merged[] {
  const parser = new OutputParser(hermes, options);
  const parts: OutputPart[] = [];
  for (const piece of pieces) parts.push(...parser.push(piece));
  parts.push(...parser.finish());
  const merged: Merged[] = [];
  for (const part of parts) {
    const last = merged.at(-1);
    if (part.type === 'call') merged.push(['tool-call', part.name, part.arguments]);
    else if (part.type === 'call-start' || part.type === 'call-delta') continue;
    else if (last?.[0] === part.type) last[1] += part.text;
    else merged.push([part.type, part.text]);
  }
  return merged;
}

const call = (args: string, name = 'f'): string => `<tool_call>\n{"name": "${name}", "arguments": ${args}}\n</tool_call>`;

const cases: [title: string, text: string, expected: Merged[], options?: ParserOptions][] = [
  ['plain text', 'Hello  world \n', [['text', 'Hello  world \n']]],
  ['nothing', '', []],
  ['white space', ' \n', [['text', ' \n']]],
  ['a call', call('{"a": 1}'), [['tool-call', 'f', '{"a": 1}']]],
  ['arguments as written', call('{"a":2.0,  "b" : 12345678901234567890}'), [['tool-call', 'f', '{"a":2.0,  "b" : 12345678901234567890}']]],
  ['text before and after', `Let me see.\n${call('{}')}\n\nDone.`, [['text', 'Let me see.'], ['tool-call', 'f', '{}'], ['text', 'Done.']]],
  ['two calls', `${call('{}')}\n${call('{"x": "</tool_call>"}', 'g')}`, [['tool-call', 'f', '{}'], ['tool-call', 'g', '{"x": "</tool_call>"}']]],
  ['braces and quotes in strings', call('{"a": "}\\"{\\\\"}'), [['tool-call', 'f', '{"a": "}\\"{\\\\"}']]],
  ['arguments before the name', '<tool_call>{"arguments": {"name": {"arguments": {}}}, "name": "f"}</tool_call>', [['tool-call', 'f', '{"name": {"arguments": {}}}']]],
  ['parameters for arguments', '<tool_call>{"name": "f", "parameters": {"a": []}}</tool_call>', [['tool-call', 'f', '{"a": []}']]],
  ['arguments in a string', '<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>', [['tool-call', 'f', '{"a": 1}']]],
  ['no arguments', '<tool_call>{"name": "f"}</tool_call>', [['tool-call', 'f', '{}']]],
  ['the closing tag is missing', '<tool_call>\n{"name": "f", "arguments": {}}', [['tool-call', 'f', '{}']]],
  ['the closing tag is cut', '<tool_call>\n{"name": "f", "arguments": {}}\n</tool', [['tool-call', 'f', '{}']]],
  ['a brace too many', '<tool_call>{"name": "f", "arguments": {}}}\n</tool_call>ok', [['tool-call', 'f', '{}'], ['text', 'ok']]],
  ['malformed: not JSON', 'a\n<tool_call>f(x)</tool_call>', [['text', 'a\n<tool_call>f(x)</tool_call>']]],
  ['a brace is missing', '<tool_call>{"name": "f", "arguments": {}</tool_call> x', [['tool-call', 'f', '{}'], ['text', 'x']]],
  ['malformed: a brace of the arguments is missing', '<tool_call>{"name": "f", "arguments": {"a": [1}}</tool_call> x', [['text', '<tool_call>{"name": "f", "arguments": {"a": [1}}</tool_call> x']]],
  ['malformed: no name', '<tool_call>{"arguments": {}}</tool_call>', [['text', '<tool_call>{"arguments": {}}</tool_call>']]],
  ['malformed: arguments are a list', call('[1]'), [['text', call('[1]')]]],
  ['malformed: cut off', ' <tool_call>{"name": "f', [['text', ' <tool_call>{"name": "f']]],
  ['malformed, then well formed', `<tool_call>oops ${call('{}')}`, [['text', '<tool_call>oops'], ['tool-call', 'f', '{}']]],
  ['a call without tools is text', call('{}'), [['text', call('{}')]], { tools: [] }],
  ['a tag that never comes', 'a < b <tool_cal', [['text', 'a < b <tool_cal']]],
  ['reasoning', '<think>\nhm, <b>\n</think>\n\nYes.', [['reasoning', 'hm, <b>'], ['text', 'Yes.']]],
  ['reasoning and a call', `<think>look up</think>${call('{}')}`, [['reasoning', 'look up'], ['tool-call', 'f', '{}']]],
  ['empty reasoning', '<think>\n\n</think>\n\nYes.', [['text', 'Yes.']]],
  ['reasoning cut off', '<think>\nhm', [['reasoning', 'hm']]],
  ['a call in reasoning is reasoning', `<think>${call('{}')}</think>ok`, [['reasoning', call('{}')], ['text', 'ok']]],
  ['reasoning opened by the prompt', '\nhm\n</think>\n\nYes.', [['reasoning', 'hm'], ['text', 'Yes.']], { tools: [], begun: '<think>' }],
  ['think tags later on are text', 'Use <think>x</think>.', [['text', 'Use <think>x</think>.']]],
];

describe.each(cases)('%s', (_title, text, expected, options) => {
  test('in one piece', () => expect(route([text], options)).toEqual(expected));

  test('cut anywhere', () => {
    for (let cut = 0; cut <= text.length; cut++) expect(route([text.slice(0, cut), text.slice(cut)], options)).toEqual(expected);
    expect(route([...text], options)).toEqual(expected);
  });
});

test('any pieces of any text give the same parts', () => {
  const fragment = fc.constantFrom('<think>', '</think>', '<tool_call>', '</tool_call>', '{"name": "f", "arguments": {"a": "<"}}', '{', '}', '"', '\n', ' ', 'x', '<', '\\');
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 12 }), fc.array(fc.nat(80), { maxLength: 6 }), (fragments, cuts) => {
      const text = fragments.join('');
      const places = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
      const pieces = places.slice(1).map((end, index) => text.slice(places[index], end));
      expect(route(pieces)).toEqual(route([text]));
    }),
    { numRuns: 1000 },
  );
});

test('parts tell their place in the raw text', () => {
  const parser = new OutputParser(hermes, { tools });
  const text = `<think>\nab</think>\ncd\n${call('{}')}`;
  const parts = [...parser.push(text), ...parser.finish()];
  for (const part of parts) if (part.type === 'text' || part.type === 'reasoning') expect(text.slice(part.start, part.end)).toBe(part.text);
  expect(parts.map((part) => part.type)).toEqual(['reasoning', 'text', 'call-start', 'call-delta', 'call']);
});

test('text streams without waiting for more than a tag could hide', () => {
  const parser = new OutputParser(hermes, { tools });
  expect(parser.push('Hello wor')).toMatchObject([{ text: 'Hello wor' }]);
  expect(parser.push('ld <')).toMatchObject([{ text: 'ld' }]);
  expect(parser.push('b>')).toMatchObject([{ text: ' <b>' }]);
});
