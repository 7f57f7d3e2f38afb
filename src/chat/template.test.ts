import { describe, expect, test } from 'vitest';
import { RequestError } from '../engine/request-error.ts';
import { QWEN_TEMPLATE } from '../../test/support/templates.ts';
import type { ChatMessage } from './chat-model.ts';
import { ChatTemplate } from './template.ts';

const tokens = { bosToken: '<s>', eosToken: '</s>' };
const user: ChatMessage = { role: 'user', content: 'Hi' };
const render = (source: string, messages: ChatMessage[] = [user], rest = {}): string =>
  new ChatTemplate(source, tokens, () => new Date(2026, 6, 4, 15, 5, 9)).render({ messages, ...rest });

describe('variables', () => {
  test('special tokens and the generation prompt', () => {
    const source = '{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{% if add_generation_prompt %}>{% endif %}';
    expect(render(source)).toBe('<s>Hi</s>>');
    expect(render(source, [user], { addGenerationPrompt: false })).toBe('<s>Hi</s>');
  });

  test('the date is written as Python writes it', () => {
    expect(render('{{ strftime_now("%d %b %Y, %A %H:%M:%S %p %I %% %Q") }}')).toBe('04 Jul 2026, Saturday 15:05:09 PM 03 % %Q');
  });

  test('tools are none when there are none', () => {
    expect(render('{{ tools is none }} {{ tools is defined }}')).toBe('true true');
  });

  test('more variables of the caller', () => {
    expect(render('{{ enable_thinking }}', [user], { templateArguments: { enable_thinking: false } })).toBe('false');
  });
});

describe('errors', () => {
  test('raise_exception becomes a RequestError', () => {
    expect(() => render('{{ raise_exception("roles must alternate") }}')).toThrow(RequestError);
    expect(() => render('{{ raise_exception("roles must alternate") }}')).toThrow(/roles must alternate/u);
  });

  test('a failing template becomes a RequestError', () => {
    expect(() => render('{{ messages[0].content.nothing() }}')).toThrow(RequestError);
  });

  test('a template that cannot be parsed is the checkpoint\'s fault', () => {
    expect(() => render('{% if %}')).toThrow(/cannot be parsed/u);
  });
});

describe('tool calls', () => {
  const call = (args: string): ChatMessage => ({ role: 'assistant', content: null, toolCalls: [{ id: 'c1', name: 'f', arguments: args }] });
  const source = '{% for m in messages %}{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}';

  test('arguments are objects, keys in order, unicode unescaped', () => {
    expect(render(source, [call('{"b":1,"a":{"x":[true,null,"é\\n"]}}')])).toBe('{"b": 1, "a": {"x": [true, null, "é\\n"]}}');
    expect(render('{{ messages[0].tool_calls[0].function.arguments.b + 1 }}', [call('{"b":1}')])).toBe('2');
  });

  test('numbers stay as they were written', () => {
    const written = '{"a": 2.0, "b": 12345678901234567890, "c": 1e3, "d": -0, "e": "2.0", "f": 0.5, "g": 7}';
    expect(render(source, [call(written)])).toBe(written);
    expect(render('{{ messages[0].tool_calls[0].function.arguments.a is number }}', [call(written)])).toBe('true');
  });

  test('arguments that are not JSON are passed as text', () => {
    expect(render('{{ messages[0].tool_calls[0].function.arguments }}', [call('{"a": ')])).toBe('{"a": ');
  });

  test('a tool message learns the name of its tool', () => {
    const messages: ChatMessage[] = [call('{}'), { role: 'tool', content: '4', toolCallId: 'c1' }];
    expect(render("{% if messages[0].tool_calls and messages[1].role == 'tool' %}{{ messages[1].name }}{% endif %}", messages)).toBe('f');
  });

  test('an assistant message without calls has no tool_calls', () => {
    const source = '{{ messages[0].tool_calls is defined }}|{{ messages[0].content }}';
    expect(render(source, [{ role: 'assistant', content: 'x', toolCalls: [] }])).toBe('false|x');
    expect(render(source, [{ role: 'assistant', content: null }])).toBe('false|');
  });
});

test('a Qwen conversation with tools', () => {
  const messages: ChatMessage[] = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Weather in Bern?' },
    { role: 'assistant', content: null, toolCalls: [{ id: 'c1', name: 'weather', arguments: '{"city":"Bern","days":2.0}' }] },
    { role: 'tool', content: '{"celsius": 21}', toolCallId: 'c1' },
  ];
  const tools = [{ name: 'weather', description: 'Forecast', parameters: { type: 'object', properties: { city: { type: 'string' } } } }];
  expect(render(QWEN_TEMPLATE, messages, { tools })).toBe(`<|im_start|>system
Be brief.

# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{"type": "function", "function": {"name": "weather", "description": "Forecast", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
<|im_start|>user
Weather in Bern?<|im_end|>
<|im_start|>assistant
<tool_call>
{"name": "weather", "arguments": {"city": "Bern", "days": 2.0}}
</tool_call><|im_end|>
<|im_start|>user
<tool_response>
{"celsius": 21}
</tool_response><|im_end|>
<|im_start|>assistant
`);
});
