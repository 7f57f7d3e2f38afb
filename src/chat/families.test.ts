/** Each family with its template, what it writes, how that is read in any pieces, and what its grammar lets through. */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { byteTokenizer } from '../../test/support/byte-tokenizer.ts';
import { randomText, reader } from '../../test/support/grammar.ts';
import { QWEN_TEMPLATE } from '../../test/support/templates.ts';
import { Automaton } from '../grammar/automaton.ts';
import { compileGrammar } from '../grammar/compile.ts';
import { createMatcher } from '../grammar/matcher.ts';
import { Vocabulary } from '../grammar/trie.ts';
import { answerGrammar, type AnswerRequest, type AnswerStart } from './answer-grammar.ts';
import type { ChatMessage, ToolDefinition } from './chat-model.ts';
import { familyOf, tagsOf } from './families.ts';
import { OutputParser, type OutputPart } from './parse.ts';
import { ChatTemplate } from './template.ts';

const fixture = (name: string): string => readFileSync(new URL(`../../test/fixtures/templates/${name}.jinja`, import.meta.url), 'utf8');

const tools: readonly ToolDefinition[] = [
  { name: 'weather', description: 'Forecast', parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } }, required: ['city'] } },
  { name: 'set-light', parameters: { type: 'object', properties: { on: { type: 'boolean' }, scenes: { type: 'array', items: { type: 'string' } }, level: { type: ['number', 'null'] } } } },
];
const names = tools.map(({ name }) => name);

const ajv = new Ajv2020({ allErrors: true, strictTypes: false });
const validators = tools.map(({ parameters }) => ajv.compile({ ...parameters, additionalProperties: false }));

/** Whole numbers below n, from a seed. */
function numbers(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

type Event = [type: 'text' | 'reasoning', text: string] | [type: 'call', name: string, json: string];

interface Sample {
  readonly family: string;
  readonly template: string;
  /** What the prompt has written of the answer. */
  readonly begun?: string;
  /** What stands before the text of the answer. */
  readonly opening?: string;
  /** In the family's own way; `begun` left out. */
  readonly one: string;
  readonly two: string;
  readonly twoEvents?: readonly Event[];
  /** Text, then calls, where the family can. */
  readonly textFirst?: string;
  readonly text: string;
  /** Read as well, though no grammar lets it through. */
  readonly slips: readonly [text: string, events: readonly Event[]][];
  /** What one call looks like in the history. */
  readonly rendered: string;
  readonly result: string;
  readonly documentation: string;
}

const ZURICH = '{"city": "Zürich \\u2014 \\"HB\\"", "days": 3}';
const LIGHT = '{"on": true, "scenes": ["a", "b"], "level": 0.50}';
const WEATHER: Event = ['call', 'weather', ZURICH];
const BOTH: readonly Event[] = [WEATHER, ['call', 'set-light', LIGHT]];

const hermesCall = (name: string, json: string): string => `<tool_call>\n{"name": "${name}", "arguments": ${json}}\n</tool_call>`;
const item = (name: string, json: string, key = 'arguments'): string => `{"name": "${name}", "${key}": ${json}}`;
const deepseekCall = (name: string, json: string): string => `<｜tool▁call▁begin｜>function<｜tool▁sep｜>${name}\n\`\`\`json\n${json}\n\`\`\`<｜tool▁call▁end｜>`;
const deepseek = (...calls: string[]): string => `<｜tool▁calls▁begin｜>${calls.join('\n')}<｜tool▁calls▁end｜>`;

const HERMES: Omit<Sample, 'family' | 'template'> = {
  one: hermesCall('weather', ZURICH),
  two: `${hermesCall('weather', ZURICH)}\n${hermesCall('set-light', LIGHT)}`,
  textFirst: `Let me see.\n${hermesCall('weather', ZURICH)}`,
  text: 'It is {"name": "<tool>"} [1].',
  slips: [
    [`<tool_call>\n${item('weather', ZURICH)}}\n</tool_call>`, [WEATHER]],
    [`<tool_call>${item('weather', ZURICH)}`, [WEATHER]],
    [`<tool_call>${item('weather', ZURICH)}${item('set-light', LIGHT)}</tool_call>`, BOTH],
  ],
  rendered: `<tool_call>\n${item('weather', '{"city": "Bern", "days": 2.0}')}\n</tool_call>`,
  result: '<tool_response>\n21 degrees\n</tool_response>',
  documentation: '<tools>\n{"type": "function", "function": {"name": "weather",',
};

const samples: readonly Sample[] = [
  { family: 'hermes', template: QWEN_TEMPLATE, ...HERMES },
  { family: 'hermes', template: fixture('qwen3'), ...HERMES },
  {
    family: 'hermes-2',
    template: fixture('hermes-2'),
    one: `<tool_call>\n{"arguments": ${ZURICH}, "name": "weather"}\n</tool_call>`,
    two: `<tool_call>\n{"arguments": ${ZURICH}, "name": "weather"}\n</tool_call>\n<tool_call>\n{"arguments": ${LIGHT}, "name": "set-light"}\n</tool_call>`,
    textFirst: `Let me see.\n<tool_call>\n{"arguments": ${ZURICH}, "name": "weather"}\n</tool_call>`,
    text: HERMES.text,
    slips: HERMES.slips,
    rendered: '<tool_call>\n{"arguments": {"city": "Bern", "days": 2.0}, "name": "weather"}\n</tool_call>',
    result: HERMES.result,
    documentation: HERMES.documentation,
  },
  {
    family: 'llama',
    template: fixture('llama'),
    one: item('weather', ZURICH, 'parameters'),
    two: `${item('weather', ZURICH, 'parameters')}; ${item('set-light', LIGHT, 'parameters')}`,
    text: 'It is {"name": "f"}.',
    slips: [
      [`<|python_tag|>${item('weather', ZURICH, 'parameters')}`, [WEATHER]],
      [`{"type": "function", "name": "weather", "parameters": ${ZURICH}}`, [WEATHER]],
      [`[${item('weather', ZURICH)}, ${item('set-light', LIGHT)}]`, BOTH],
      ['{"name": "weather", "in": "Bern"}', [['text', '{"name": "weather", "in": "Bern"}']]],
      ['{"name": "nobody", "parameters": {}} x', [['text', '{"name": "nobody", "parameters": {}} x']]],
    ],
    rendered: item('weather', '{"city": "Bern", "days": 2.0}', 'parameters'),
    result: '<|start_header_id|>ipython<|end_header_id|>\n\n"21 degrees"',
    documentation: '"name": "weather"',
  },
  {
    family: 'llama-pythonic',
    template: fixture('llama-pythonic'),
    one: '[weather(city="Zürich \\u2014 \\"HB\\"", days=3)]',
    two: '[weather(city="Zürich \\u2014 \\"HB\\"", days=3), set-light(on=True, scenes=["a", "b"], level=0.50)]',
    twoEvents: [['call', 'weather', '{"city": "Zürich — \\"HB\\"", "days": 3}'], ['call', 'set-light', LIGHT]],
    text: 'Call weather(city) or [1].',
    slips: [
      ["weather(city='Zürich', days=3)", [['call', 'weather', '{"city": "Zürich", "days": 3}']]],
      ["[weather(city = 'O\\'Brien\\n', days=None,), weather(city='x')]\n", [['call', 'weather', '{"city": "O\'Brien\\n", "days": null}'], ['call', 'weather', '{"city": "x"}']]],
      ["[set-light(scenes=('a', [], {'k': False, 'l': {}}), level=-1e5)]", [['call', 'set-light', '{"scenes": ["a", [], {"k": false, "l": {}}], "level": -1e5}']]],
      ['weather(city=nowhere) is not known', [['text', 'weather(city=nowhere) is not known']]],
      ['[weather] is a list', [['text', '[weather] is a list']]],
    ],
    rendered: "[weather(city='Bern', days=2.0)]<|eot_id|>",
    result: '{"output": "21 degrees"}',
    documentation: '"name": "weather"',
  },
  {
    family: 'phi-4-mini',
    template: fixture('phi-4-mini'),
    one: `<|tool_call|>[${item('weather', ZURICH)}]<|/tool_call|>`,
    two: `<|tool_call|>[${item('weather', ZURICH)}, ${item('set-light', LIGHT)}]<|/tool_call|>`,
    textFirst: `One moment.<|tool_call|>[${item('weather', ZURICH)}]<|/tool_call|>`,
    text: 'It is [{"name": 1}].',
    slips: [
      [`<|tool_call|>[${item('weather', ZURICH)}, ${item('set-light', LIGHT)}`, BOTH],
      [`<|tool_call|>${item('weather', ZURICH)}<|/tool_call|> ok`, [WEATHER, ['text', 'ok']]],
    ],
    rendered: `<|tool_call|>[${item('weather', '{"city": "Bern", "days": 2.0}')}]<|/tool_call|>`,
    result: '<|tool_response|>21 degrees<|end|>',
    documentation: 'Be brief.<|tool|>[{"name":"weather",',
  },
  {
    family: 'phi-functools',
    template: fixture('phi-functools'),
    one: `functools[${item('weather', ZURICH)}]`,
    two: `functools[${item('weather', ZURICH)}, ${item('set-light', LIGHT)}]`,
    textFirst: `One moment.\nfunctools[${item('weather', ZURICH)}]`,
    text: 'It is functools.',
    slips: [[`functools[${item('weather', ZURICH)}, ${item('set-light', LIGHT)}`, BOTH]],
    rendered: `functools[${item('weather', '{"city": "Bern", "days": 2.0}')}]<|end|>`,
    result: '<|user|>\n<tool_response>\n21 degrees\n</tool_response>',
    documentation: '"name": "weather"',
  },
  {
    family: 'mistral-list',
    template: fixture('mistral-list'),
    one: `[TOOL_CALLS][${item('weather', ZURICH)}]`,
    two: `[TOOL_CALLS][${item('weather', ZURICH)}, ${item('set-light', LIGHT)}]`,
    textFirst: `Right.[TOOL_CALLS][${item('weather', ZURICH)}]`,
    text: 'It is [TOOL].',
    slips: [
      [`[TOOL_CALLS] [{"name": "weather", "arguments": ${ZURICH}, "id": "abcdef123"}, ${item('set-light', LIGHT)}]`, BOTH],
      [`[TOOL_CALLS] [{"id": "abcdef123", "name": "weather", "arguments": ${ZURICH}}]`, [WEATHER]],
    ],
    rendered: '[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Bern", "days": 2.0}, "id": "',
    result: '[TOOL_RESULTS]{"content": "21 degrees", "call_id": "',
    documentation: '[AVAILABLE_TOOLS][{"type": "function", "function": {"name": "weather",',
  },
  {
    family: 'mistral',
    template: fixture('mistral'),
    one: `[TOOL_CALLS]weather[ARGS]${ZURICH}`,
    two: `[TOOL_CALLS]weather[ARGS]${ZURICH}[TOOL_CALLS]set-light[ARGS]${LIGHT}`,
    textFirst: `Right.[TOOL_CALLS]weather[ARGS]${ZURICH}`,
    text: 'It is [args].',
    slips: [
      [`[TOOL_CALLS]weather[CALL_ID]abcdef123[ARGS]${ZURICH}\n[TOOL_CALLS] set-light ${LIGHT}`, BOTH],
      ['[TOOL_CALLS]weather said', [['text', '[TOOL_CALLS]weather said']]],
    ],
    rendered: '[TOOL_CALLS]weather[ARGS]{"city": "Bern", "days": 2.0}</s>',
    result: '[TOOL_CONTENT]21 degrees[/TOOL_RESULTS]',
    documentation: '[AVAILABLE_TOOLS][{"type": "function", "function": {"name": "weather",',
  },
  {
    family: 'gemma',
    template: fixture('gemma'),
    one: `[${item('weather', ZURICH)}]`,
    two: `[${item('weather', ZURICH)}, ${item('set-light', LIGHT)}]`,
    text: 'See [{"name": "weather"}].',
    slips: [
      [`\`\`\`json\n[\n  ${item('weather', ZURICH)}\n]\n\`\`\`\n`, [WEATHER]],
      [`\`\`\`tool_call\n${item('weather', ZURICH)}\n\`\`\``, [WEATHER]],
      ['[1, 2]', [['text', '[1, 2]']]],
      ['{"city": "Bern"}', [['text', '{"city": "Bern"}']]],
      ['```ts\nlet x;\n```', [['text', '```ts\nlet x;\n```']]],
    ],
    rendered: `<start_of_turn>model\n[${item('weather', '{"city": "Bern", "days": 2.0}')}]<end_of_turn>`,
    result: '<start_of_turn>user\n<tool_response>\n21 degrees\n</tool_response><end_of_turn>',
    documentation: '<start_of_turn>user\nBe brief.\n\n# Tools\n\nYou can call these functions:\n{"name":"weather",',
  },
  {
    family: 'deepseek',
    template: fixture('deepseek'),
    begun: '<think>',
    opening: '\nhm\n</think>\n\n',
    one: `\nhm\n</think>\n\n${deepseek(deepseekCall('weather', ZURICH))}`,
    two: `\nhm\n</think>\n\n${deepseek(deepseekCall('weather', ZURICH), deepseekCall('set-light', LIGHT))}`,
    textFirst: `\nhm\n</think>\n\nLet me see.${deepseek(deepseekCall('weather', ZURICH))}`,
    text: '\nhm\n</think>\n\n```json\n{}\n```',
    slips: [[`\nhm\n</think>\n<｜tool▁calls▁begin｜>function<｜tool▁sep｜>weather\n${ZURICH}\n\`\`\`<｜tool▁calls▁end｜>`, []]],
    rendered: `<｜Assistant｜>${deepseek(deepseekCall('weather', '{"city": "Bern", "days": 2.0}'))}</s>`,
    result: '<｜User｜><｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>21 degrees<｜tool▁output▁end｜><｜tool▁outputs▁end｜>',
    documentation: '# Tools\n\nYou can call these functions:\n{"name":"weather",',
  },
  {
    family: 'functionary',
    template: fixture('functionary'),
    begun: '>>>',
    opening: 'all\n',
    one: `weather\n${ZURICH}`,
    two: `weather\n${ZURICH}>>>set-light\n${LIGHT}`,
    textFirst: `all\nLet me see.>>>weather\n${ZURICH}`,
    text: 'all\n>>> print(1)',
    slips: [
      [`all\nLook.\n>>>weather\n${ZURICH}\n>>>set-light\n${LIGHT}`, [['text', 'Look.'], ...BOTH]],
      ['all\n>>>weather\nis fine', [['text', '>>>weather\nis fine']]],
    ],
    rendered: '>>>weather\n{"city": "Bern", "days": 2.0}<|eot_id|>',
    result: '<|start_header_id|>tool<|end_header_id|>\n\n21 degrees<|eot_id|>',
    documentation: 'type weather = (_: ',
  },
  {
    family: 'xlam',
    template: fixture('xlam'),
    one: `[${item('weather', ZURICH)}]`,
    two: `[${item('weather', ZURICH)}, ${item('set-light', LIGHT)}]`,
    text: 'None of them: [].',
    slips: [[`\`\`\`json\n[${item('weather', ZURICH)}]\n\`\`\``, [WEATHER]]],
    rendered: `[${item('weather', '{"city": "Bern", "days": 2.0}')}]<|im_end|>`,
    result: '<|im_start|>tool\n21 degrees<|im_end|>',
    documentation: '"name": "weather"',
  },
];

/** Events with neighbours joined; whole calls must be what their deltas were. */
function read(sample: Sample, pieces: readonly string[]): Event[] {
  const parser = new OutputParser(familyOf(sample.template), { tools: names, begun: sample.begun });
  const parts: OutputPart[] = [...pieces.flatMap((piece) => parser.push(piece)), ...parser.finish()];
  const events: Event[] = [];
  let begun = '';
  let json = '';
  for (const part of parts) {
    const last = events.at(-1);
    if (part.type === 'call-start') [begun, json] = [part.name, ''];
    else if (part.type === 'call-delta') json += part.arguments;
    else if (part.type === 'call') {
      expect([part.name, part.arguments]).toEqual([begun, json]);
      events.push(['call', part.name, part.arguments]);
    } else if (last?.[0] === part.type) last[1] += part.text;
    else events.push([part.type, part.text]);
  }
  return events;
}

/** In one piece, in two at every byte, and byte by byte. */
function readCut(sample: Sample, text: string): Event[] {
  const whole = read(sample, [text]);
  const bytes = new TextEncoder().encode(text);
  for (let cut = 1; cut < bytes.length; cut++) expect(read(sample, decoded([bytes.subarray(0, cut), bytes.subarray(cut)])), `cut at ${cut}`).toEqual(whole);
  expect(read(sample, decoded(Array.from(bytes, (byte) => Uint8Array.of(byte))))).toEqual(whole);
  return whole;
}

function decoded(pieces: readonly Uint8Array[]): string[] {
  const decoder = new TextDecoder();
  return pieces.map((piece) => decoder.decode(piece, { stream: true }));
}

const startOf = ({ begun = '' }: Sample): AnswerStart => (begun === '<think>' ? { reasoning: 'begun', begun: '' } : { reasoning: 'none', begun });

const REASONING: Event = ['reasoning', 'hm'];
const withReasoning = ({ begun }: Sample, events: readonly Event[]): Event[] => (begun === '<think>' ? [REASONING, ...events] : [...events]);

describe.each(samples.map((sample) => [sample.family, sample] as const))('%s', (family, sample) => {
  const both = sample.twoEvents ?? BOTH;

  test('is recognized', () => {
    expect(familyOf(sample.template).name).toBe(family);
  });

  test('calls are read, cut anywhere', () => {
    expect(readCut(sample, sample.one)).toEqual(withReasoning(sample, [both[0]]));
    expect(readCut(sample, sample.two)).toEqual(withReasoning(sample, both));
    if (sample.textFirst !== undefined) expect(readCut(sample, sample.textFirst).map(([type]) => type)).toEqual([...withReasoning(sample, []), ['text'], ['call']].map(([type]) => type));
    expect(readCut(sample, sample.text).filter(([type]) => type === 'call')).toEqual([]);
  });

  test('slips are read, cut anywhere', () => {
    for (const [text, events] of sample.slips) {
      const seen = readCut(sample, text);
      if (events.length > 0) expect(seen).toEqual(events);
    }
  });

  test('a call that is cut off streams from its name on, and is never complete', () => {
    const end = sample.one.indexOf('days');
    const parser = new OutputParser(familyOf(sample.template), { tools: names, begun: sample.begun });
    const parts = [...parser.push(sample.one.slice(0, end)), ...parser.finish()];
    expect(parts.filter(({ type }) => type !== 'reasoning').map(({ type }) => type)).toEqual(familyOf(sample.template).calls.argumentsFirst === true ? ['text', 'text'] : ['call-start', 'call-delta']);
  });

  describe.each([
    ['tags as text', []],
    ['tags as special tokens', tagsOf(familyOf(sample.template))],
  ] as const)('%s', (_title, special) => {
    const accepts = (request: AnswerRequest): ((text: string) => boolean) => {
      const source = answerGrammar(familyOf(sample.template), { tools, ...request }, startOf(sample), (tag) => special.includes(tag as never));
      return reader(compileGrammar(source!), special);
    };

    test('the grammar lets calls through, and text where it may be', () => {
      const auto = accepts({});
      const required = accepts({ toolChoice: 'required' });
      for (const text of [sample.one, sample.two]) expect([auto(text), required(text)], text).toEqual([true, true]);
      expect([auto(sample.text), required(sample.text)]).toEqual([true, false]);
      if (sample.textFirst !== undefined) expect([auto(sample.textFirst), required(sample.textFirst)]).toEqual([true, false]);
    });

    test('near misses are refused', () => {
      const auto = accepts({});
      const misses = [sample.one.replace('weather', 'whether'), sample.one.replace('3', '"3"'), sample.one.replace('days', 'hours'), sample.one.slice(0, -1), `${sample.one}]`];
      for (const miss of misses) expect(auto(miss), miss).toBe(false);
    });

    test('one call at the most', () => {
      const single = accepts({ parallelToolCalls: false });
      expect([single(sample.one), single(sample.two)]).toEqual([true, false]);
    });

    test('the named tool alone', () => {
      const named = accepts({ toolChoice: { name: 'weather' } });
      const other = accepts({ toolChoice: { name: 'set-light' } });
      expect([named(sample.one), named(sample.two), named(sample.text), other(sample.one)]).toEqual([true, false, false, false]);
    });

    test('a response format beside calls', () => {
      const format = accepts({ responseFormat: { type: 'json-schema', schema: { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] } } });
      const { opening = '' } = sample;
      expect([format(sample.one), format(`${opening}{"ok": true}`), format(`${opening}{"ok": 1}`), format(sample.text)]).toEqual([true, true, false, false]);
    });

    test('without strictness any object will do', () => {
      const loose = accepts({ tools: tools.map((tool) => ({ ...tool, strict: false })) });
      expect(loose(sample.one.replace('days', 'hours'))).toBe(true);
      expect(loose(sample.one.slice(0, -1))).toBe(false);
    });
  });

  test('token by token, tags as single tokens: forced ones are those of the tokenizer', () => {
    const family = familyOf(sample.template);
    const tokenizer = byteTokenizer({ special: ['<s>', '</s>', ...tagsOf(family)] });
    const end = tokenizer.tokenId('</s>')!;
    const source = answerGrammar(family, { tools }, startOf(sample), (tag) => tokenizer.tokenId(tag) !== undefined)!;
    const matcher = createMatcher(compileGrammar(source), new Vocabulary(tokenizer, [end]));
    const tokens = [...tokenizer.encode(sample.two), end];
    let forced = 0;
    for (let i = 0; i < tokens.length; i++) {
      const next = matcher.forcedTokens();
      expect(tokens.slice(i, i + next.length)).toEqual(next);
      forced += next.length > 0 ? 1 : 0;
      expect(matcher.accept(tokens[i]), `token ${i}`).toBe(true);
    }
    expect(forced).toBeGreaterThan(20);
    expect(matcher.isEnded).toBe(true);
  });

  const validCall = ([, name, json]: Event): boolean => names.includes(name) && validators[names.indexOf(name)](JSON.parse(json as string));

  test('whatever the grammar lets through is read as it was meant', () => {
    const begun = sample.begun === '<think>' ? undefined : sample.begun;
    const source = answerGrammar(familyOf(sample.template), { tools, toolChoice: 'required' }, { reasoning: 'none', begun: begun ?? '' }, () => false);
    const automaton = new Automaton(compileGrammar(source!));
    const random = numbers(7);
    const texts = Array.from({ length: 60 }, () => randomText(automaton, random, 400)).filter((text) => text !== null);
    expect(texts.length).toBeGreaterThan(20);
    for (const text of texts) {
      const events = read({ ...sample, begun }, [text]);
      expect(events.length, text).toBeGreaterThan(0);
      for (const event of events) expect(event[0] === 'call' && validCall(event), text).toBe(true);
    }
  });

  test('no wrong call gets past the grammar as text', () => {
    const accepts = reader(compileGrammar(answerGrammar(familyOf(sample.template), { tools }, startOf(sample), () => false)!));
    const { opening = '' } = sample;
    const bodies = [sample.one.slice(sample.one.startsWith(opening) ? opening.length : 0), ...sample.slips.map(([text]) => text)];
    const wrong = bodies.flatMap((body) => [body, body.replace('days', 'hours'), body.replace('3', '"3"'), body.replace('{', '{ '), body.replace('[', '[ ').replace('(', ' (')]);
    const before = ['', opening, ' ', '\u00a0', '\n\n\n', '```\n', '```json', '```python\n', '<|python_tag|>', '[', 'Well. '];
    let calls = 0;
    for (const text of wrong.flatMap((body) => before.flatMap((lead) => [lead + body, opening + lead + body]))) {
      const found = read(sample, [text]).filter(([type]) => type === 'call');
      calls += found.length;
      if (accepts(text)) for (const event of found) expect(validCall(event), text).toBe(true);
    }
    expect(calls).toBeGreaterThan(10);
  });

  test('a conversation goes through the template', () => {
    const messages: ChatMessage[] = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Weather?' },
      { role: 'assistant', content: null, toolCalls: [{ id: 'call_0123', name: 'weather', arguments: '{"city":"Bern","days":2.0}' }, { id: 'call_0124', name: 'set-light', arguments: '{}' }] },
      { role: 'tool', content: '21 degrees', toolCallId: 'call_0123' },
      { role: 'tool', content: 'dark', toolCallId: 'call_0124' },
      { role: 'assistant', content: 'Fine.' },
      { role: 'user', content: 'Thanks' },
    ];
    const template = new ChatTemplate(sample.template, { bosToken: '<s>', eosToken: '</s>' });
    const several = template.render({ messages, tools });
    for (const part of ['Be brief.', 'set-light', 'dark', 'Fine.', 'Thanks']) expect(several).toContain(part);
    const oneCall = messages.flatMap((message): ChatMessage[] => {
      if (message.content === 'dark') return [];
      return [message.role === 'assistant' && message.toolCalls !== undefined ? { ...message, toolCalls: message.toolCalls.slice(0, 1) } : message];
    });
    const single = template.render({ messages: oneCall, tools });
    for (const part of [sample.rendered, sample.result, sample.documentation]) expect(single).toContain(part);
    expect(single.trimEnd().endsWith(sample.begun ?? '')).toBe(true);
  });
});
