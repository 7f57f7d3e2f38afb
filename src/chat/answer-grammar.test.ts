import { describe, expect, test } from 'vitest';
import { reader } from '../../test/support/grammar.ts';
import { RequestError } from '../engine/request-error.ts';
import { compileGrammar } from '../grammar/compile.ts';
import { answerGrammar, type AnswerRequest, type AnswerStart, callableTools } from './answer-grammar.ts';
import { type Family, familyOf } from './families.ts';

const hermes = familyOf('<tool_call>');
const pythonic = familyOf('[func_name1(');
const mistral = familyOf('[ARGS]');
const none: AnswerStart = { reasoning: 'none', begun: '' };

function accepts(family: Family, request: AnswerRequest, start = none): (text: string) => boolean {
  return reader(compileGrammar(answerGrammar(family, request, start, () => false)!));
}

const tool = (parameters: Record<string, unknown> | undefined, name = 'f'): AnswerRequest => ({ tools: [{ name, ...(parameters === undefined ? {} : { parameters }) }] });
const call = (json: string): string => `<tool_call>\n{"name": "f", "arguments": ${json}}\n</tool_call>`;

describe('arguments', () => {
  test('without a schema there are none; an empty schema takes any object', () => {
    expect(['{}', '{"a": 1}'].map((json) => accepts(hermes, tool(undefined))(call(json)))).toEqual([true, false]);
    expect(['{}', '{"a": 1}', '[]', '1'].map((json) => accepts(hermes, tool({}))(call(json)))).toEqual([true, true, false, false]);
  });

  test('declared ones in any order and no others, also within', () => {
    const inner = { type: 'object', properties: { c: { type: 'integer' } } };
    const takes = accepts(hermes, tool({ properties: { a: { type: 'string' }, b: inner } }));
    expect(['{"b": {"c": 1}, "a": ""}', '{"a": "", "b": {}}', '{"d": 1}', '{"b": {"d": 1}}', '{"a":""}'].map((json) => takes(call(json)))).toEqual([true, true, false, false, false]);
  });

  test('a schema that is none is refused, whatever the types say', () => {
    for (const schema of ['{}', []]) expect(() => accepts(hermes, tool(schema as unknown as Record<string, unknown>))).toThrow(/tools\[0\]\.parameters \(f\): expected a JSON Schema/u);
  });

  test('a name that JSON escapes', () => {
    const takes = accepts(hermes, tool({}, 'a"b\n'));
    expect(takes('<tool_call>\n{"name": "a\\"b\\n", "arguments": {}}\n</tool_call>')).toBe(true);
  });

  test('what a style of calls cannot spell is refused', () => {
    expect(() => answerGrammar(pythonic, tool({}, '1f'), none, () => false)).toThrow(RequestError);
    expect(() => answerGrammar(mistral, tool({}, 'f g'), none, () => false)).toThrow(/tools\[0\]\.name: .*"f g"/u);
    expect(() => accepts(pythonic, tool({ properties: { 'a-b': {} } }))).toThrow(/tools\[0\]\.parameters \(f\): properties at \/properties\/a-b/u);
  });

  test('in Python: keywords, words, and open names that can be keywords', () => {
    const takes = accepts(pythonic, tool({ properties: { on: { type: ['boolean', 'null'] } }, additionalProperties: { type: 'integer' } }));
    const texts = ['[f(on=True)]', '[f(on=None, other_1=2)]', '[f(x=1, on=False)]', '[f(on=true)]', '[f(1x=1)]', '[f(x="1")]', '[f(on=True, on=True)]', '[f("on"=True)]'];
    expect(texts.map(takes)).toEqual([true, true, true, false, false, false, false, false]);
  });
});

describe('reasoning', () => {
  const format: AnswerRequest = { responseFormat: { type: 'choice', choices: ['yes'] } };
  test.each([
    ['begun', ['hm</think>\n\nyes', '</think>yes'], ['yes', 'hm</think>no']],
    ['optional', ['yes', '<think>\nhm\n</think>\n\nyes'], ['hm</think>yes', '<think>hm', '<think></think></think>yes']],
    ['none', ['yes'], ['<think></think>yes']],
  ] as const)('%s', (reasoning, good, bad) => {
    const takes = accepts(hermes, format, { reasoning, begun: '' });
    expect(good.map(takes)).toEqual(good.map(() => true));
    expect(bad.map(takes)).toEqual(bad.map(() => false));
  });
});

test('every format', () => {
  const takes = (responseFormat: AnswerRequest['responseFormat'], text: string): boolean => accepts(hermes, { responseFormat })(text);
  expect(takes({ type: 'json-object' }, '{\n  "a": [1]\n}')).toBe(true);
  expect(takes({ type: 'json-object' }, '[1]')).toBe(false);
  expect(takes({ type: 'json-schema', schema: { properties: { a: {} } } }, '{"b": 1}')).toBe(false);
  expect(takes({ type: 'regex', pattern: '[ab]+' }, 'abba')).toBe(true);
  expect(takes({ type: 'grammar', text: 'root ::= "a" root | "b"' }, 'aab')).toBe(true);
});

test('nothing to constrain, and choices', () => {
  expect(answerGrammar(hermes, {}, none, () => false)).toBeNull();
  expect(answerGrammar(hermes, { ...tool({}), toolChoice: 'none' }, none, () => false)).toBeNull();
  expect(callableTools({ ...tool({}), toolChoice: { name: 'f' } })).toHaveLength(1);
  expect(accepts(hermes, { ...tool({}), toolChoice: 'none', responseFormat: { type: 'choice', choices: ['x'] } })(call('{}'))).toBe(false);
});
