import { describe, expect, test } from 'vitest';
import { byteTokenizer } from '../../test/support/byte-tokenizer.ts';
import { fakeEngine, type FakeEngineOptions } from '../../test/support/fake-engine.ts';
import type { GenerateRequest } from '../engine/client.ts';
import { RequestError } from '../engine/request-error.ts';
import type { ChatEvent, ChatRequest, ChatSampling } from './chat-model.ts';
import { ContextLengthError, LocalModel } from './local.ts';
import { chatTemplate } from './template.ts';

const TEMPLATE = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if think %}<think>\n{% endif %}';
const messages = [{ role: 'user', content: 'Hi' }] as const;
const tools = [{ name: 'f' }];

interface Setup extends Partial<Omit<FakeEngineOptions, 'tokenizer'>> {
  readonly defaults?: ChatSampling;
  readonly special?: readonly string[];
  readonly addBosToken?: boolean;
  readonly chatTemplate?: string | null;
}

function setup(answer: string, options: Setup = {}): { model: LocalModel; requests: GenerateRequest[]; running: () => number } {
  const requests: GenerateRequest[] = [];
  const tokenizer = byteTokenizer({ chatTemplate: TEMPLATE, ...options });
  const engine = fakeEngine({ tokenizer, answer: () => answer, onRequest: (request) => requests.push(request), ...options });
  return { model: new LocalModel({ id: 'm', engine, tokenizer, template: chatTemplate(tokenizer), defaults: options.defaults }), requests, running: engine.running };
}

async function collect(events: AsyncIterable<ChatEvent>): Promise<ChatEvent[]> {
  const all: ChatEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const textOf = (events: readonly ChatEvent[]): string => events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('');
const chat = async (answer: string, request: Partial<ChatRequest> = {}, options: Setup = {}): Promise<ChatEvent[]> =>
  collect(setup(answer, options).model.stream({ messages, ...request }));

describe('ends', () => {
  test('end of sequence: not in the text, counted in usage', async () => {
    const events = await chat('Grüezi');
    expect(textOf(events)).toBe('Grüezi');
    expect(events.at(-1)).toEqual({ type: 'finish', reason: 'stop', usage: { promptTokens: 9, cachedTokens: 2, completionTokens: 8 } });
  });

  test('length', async () => {
    const events = await chat('Hello', { maxTokens: 3 });
    expect(textOf(events)).toBe('Hel');
    expect(events.at(-1)).toMatchObject({ reason: 'length', usage: { completionTokens: 3 } });
  });

  test.each([1, 3, 100])('a stop string, %i tokens a step', async (tokensPerStep) => {
    const { model, running } = setup('one two three', { tokensPerStep });
    const events = await collect(model.stream({ messages, stop: ['x', ' th'] }));
    expect(textOf(events)).toBe('one two');
    expect(events.at(-1)).toMatchObject({ reason: 'stop', stop: ' th' });
    expect(running()).toBe(0);
  });

  test('a stop token', async () => {
    const events = await chat('abc', { stopTokenIds: [98] });
    expect(textOf(events)).toBe('a');
    expect(events.at(-1)).toMatchObject({ reason: 'stop', stop: 98 });
  });

  test('what was held back comes out at the end', async () => {
    expect(textOf(await chat('a <tool', { tools, stop: ['END'] }))).toBe('a <tool');
    expect(textOf(await chat('an EN', { stop: ['END'] }))).toBe('an EN');
  });

  test('leaving the loop and aborting free the request', async () => {
    const { model, running } = setup('endless', { maxModelLength: 1_000_000 });
    for await (const event of model.stream({ messages, ignoreEos: true })) if (event.type === 'text-delta') break;
    expect(running()).toBe(0);
    const controller = new AbortController();
    let last: ChatEvent | undefined;
    for await (const event of model.stream({ messages, ignoreEos: true, signal: controller.signal })) {
      controller.abort();
      last = event;
    }
    expect(last).toMatchObject({ type: 'finish', reason: 'abort' });
    expect(running()).toBe(0);
  });
});

describe('parts', () => {
  test('tool calls', async () => {
    const events = await chat('Look.\n<tool_call>\n{"name": "f", "arguments": {"x":1.0}}\n</tool_call>', { tools });
    expect(textOf(events)).toBe('Look.');
    expect(events.filter((event) => event.type === 'tool-call')).toEqual([
      { type: 'tool-call', index: 0, call: { id: expect.stringMatching(/^call_[0-9a-f]{24}$/u), name: 'f', arguments: '{"x":1.0}' } },
    ]);
    expect(events.at(-1)).toMatchObject({ reason: 'tool-calls' });
  });

  test('tags that are special tokens are read all the same', async () => {
    const special = ['<s>', '</s>', '<tool_call>', '</tool_call>'];
    const events = await chat('<tool_call>{"name": "f"}</tool_call>', { tools }, { special });
    expect(events.slice(0, 3)).toMatchObject([
      { type: 'tool-call-start', index: 0, name: 'f' },
      { type: 'tool-call-delta', index: 0, arguments: '{}' },
      { type: 'tool-call', index: 0, call: { name: 'f', arguments: '{}' } },
    ]);
  });

  test('reasoning, opened by the answer or by the prompt', async () => {
    expect(await chat('<think>hm</think>yes')).toMatchObject([...'hm'].map((text) => ({ type: 'reasoning-delta', text })).concat([...'yes'].map((text) => ({ type: 'text-delta', text }))).concat([{ type: 'finish' } as never]));
    const events = await chat('hm</think>yes', { templateArguments: { think: true } });
    expect(textOf(events)).toBe('yes');
  });
});

describe('sampling', () => {
  test('request, then checkpoint, then neutral', async () => {
    const { model, requests } = setup('x', { defaults: { temperature: 0.6, topK: 20 } });
    await collect(model.stream({ messages, temperature: 0.2, seed: 7, logitBias: { 65: 5 } }));
    expect(requests[0].sampling).toMatchObject({ temperature: 0.2, topK: 20, topP: 1, minP: 0, repetitionPenalty: 1, seed: 7, logitBias: [[65, 5]] });
    expect(requests[0].sampling.maxTokens).toBe(4096 - 9);
  });

  test('without a seed every request has another one; negative seeds are seeds', async () => {
    const { model, requests } = setup('x');
    for (const seed of [undefined, undefined, -1]) await collect(model.stream({ messages, seed }));
    expect(requests[0].sampling.seed).not.toBe(requests[1].sampling.seed);
    expect(requests[2].sampling.seed).toBe(2 ** 53 - 1);
  });

  test('log-probabilities go with the text they belong to', async () => {
    const events = await chat('aé<tool_call>{"name": "f"}</tool_call>', { tools, logprobs: 2 });
    const entries = events.flatMap((event) => (event.type === 'text-delta' ? (event.logprobs ?? []) : []));
    expect(entries.map((entry) => entry.bytes)).toEqual([[97], [0xc3], [0xa9]]);
    expect(entries[0]).toMatchObject({ token: 'a', logprob: -0.5, top: [{ token: 'a', logprob: -0.5 }, { token: 'b', logprob: -1.5 }] });
  });

  test('log-probabilities end where a stop string cuts', async () => {
    const events = await chat('abcd', { stop: ['bc'], logprobs: 0 });
    expect(events.flatMap((event) => (event.type === 'text-delta' ? (event.logprobs ?? []) : [])).map((entry) => entry.token)).toEqual(['a']);
  });
});

describe('refusals', () => {
  test('too long, with both numbers', () => {
    const { model } = setup('x', { maxModelLength: 8 });
    expect(() => model.stream({ messages })).toThrow(ContextLengthError);
    expect(() => model.stream({ messages })).toThrow(/9 tokens.*holds 8/u);
    expect(() => setup('x', { maxModelLength: 16 }).model.stream({ messages, maxTokens: 8 })).toThrow(/9 tokens and 8 more.*holds 16/u);
  });

  test('no chat template', () => {
    expect(() => setup('x', { chatTemplate: null }).model.stream({ messages })).toThrow(/no chat template/u);
  });

  test('bad token ids', () => {
    const { model } = setup('x');
    expect(() => model.stream({ messages, logitBias: { 99999: 1 } })).toThrow(RequestError);
    expect(() => model.complete({ prompt: [99999] })).toThrow(/99999/u);
    expect(() => model.complete({ prompt: '' })).toThrow(/empty/u);
  });
});

describe('grammars', () => {
  const weather = { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } };
  const distinct = { name: 'distinct', parameters: { type: 'object', properties: { tags: { type: 'array', uniqueItems: true } } } };

  test('tools and formats have one, equal requests the same; else there is none', async () => {
    const { model, requests } = setup('x');
    const format = { type: 'choice', choices: ['x', 'y'] } as const;
    for (const request of [{}, { tools: [weather] }, { tools: [{ ...weather }] }, { tools: [weather], toolChoice: 'none' } as const, { responseFormat: format }]) await collect(model.stream({ messages, ...request }));
    await collect(model.complete({ prompt: 'Hi', responseFormat: format }));
    const [plain, first, second, none, ...formats] = requests.map(({ grammar }) => grammar);
    expect([plain, none]).toEqual([undefined, undefined]);
    expect(first).toBeDefined();
    expect(second).toBe(first);
    expect(formats[0]).toBe(formats[1]);
    await model.close();
  });

  test('a tag that ends the text in this checkpoint is spelled, not asked for as a token', async () => {
    const { model, requests } = setup('x', { special: ['<tool_call>', '</tool_call>'] });
    await collect(model.stream({ messages, tools: [weather] }));
    const specials = requests[0].grammar?.lexemes.flatMap((lexeme) => (lexeme.kind === 'special' ? [lexeme.token] : []));
    expect(specials).toEqual(['<tool_call>']);
    await model.close();
  });

  test('what cannot be enforced is refused by name, unless the tool does without', async () => {
    const { model, requests } = setup('x');
    const failure = await collect(model.stream({ messages, tools: [weather, distinct] })).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RequestError);
    expect(failure).toMatchObject({ parameter: 'tools[1].parameters', message: expect.stringMatching(/uniqueItems at \/properties\/tags.*"strict": false/u) });
    await collect(model.stream({ messages, tools: [weather, { ...distinct, strict: false }] }));
    expect(requests).toHaveLength(1);
    const format = await collect(model.stream({ messages, responseFormat: { type: 'json-schema', schema: distinct.parameters } })).catch((error: unknown) => error);
    expect(format).toMatchObject({ parameter: 'responseFormat', message: expect.not.stringMatching(/strict/u) });
  });

  test('choices of no tool, and arguments that are no object, are refused at once', () => {
    const { model } = setup('x');
    expect(() => model.stream({ messages, toolChoice: 'required' })).toThrow(/no tools/u);
    expect(() => model.stream({ messages, tools: [weather], toolChoice: { name: 'nobody' } })).toThrow(/"nobody"/u);
    expect(() => model.stream({ messages, tools: [{ name: 'a', parameters: { type: 'string' } }] })).toThrow(/tools\[0\]\.parameters.*"string"/u);
    expect(() => setup('x', { grammarRefusal: 'no grammars here' }).model.stream({ messages, tools: [weather] })).toThrow(/no grammars here/u);
  });

  test('an abort while the grammar is made ends the answer', async () => {
    const { model, requests } = setup('x');
    const signal = AbortSignal.abort();
    expect(await collect(model.stream({ messages, tools: [weather], signal }))).toMatchObject([{ type: 'finish', reason: 'abort', usage: { completionTokens: 0 } }]);
    expect(requests).toHaveLength(0);
  });

  test('a call streams as it comes, with the log-probabilities of its tokens', async () => {
    const answer = 'Hm.<tool_call>{"name": "weather", "arguments": {"city": "Bern"}}</tool_call>';
    const events = await chat(answer, { tools: [weather], logprobs: 0 });
    const deltas = events.filter((event) => event.type === 'tool-call-delta');
    expect(deltas.map((delta) => delta.arguments).join('')).toBe('{"city": "Bern"}');
    expect(deltas.length).toBeGreaterThan(10);
    const text = deltas.flatMap((delta) => delta.logprobs ?? []).map(({ token }) => token);
    expect(text.join('')).toBe('<tool_call>{"name": "weather", "arguments": {"city": "Bern"}');
  });

  test('a call that the limit cuts off is not complete', async () => {
    const events = await chat('<tool_call>{"name": "weather", "arguments": {"city": "Bern"}}</tool_call>', { tools: [weather], maxTokens: 50 });
    expect(events.some(({ type }) => type === 'tool-call-start')).toBe(true);
    expect(events.some(({ type }) => type === 'tool-call' || type === 'text-delta')).toBe(false);
    expect(events.at(-1)).toMatchObject({ reason: 'length' });
  });
});

describe('raw completions', () => {
  test('text in, text out; tags are text', async () => {
    const { model, requests } = setup('<think>x</think>', { addBosToken: true });
    const events = await collect(model.complete({ prompt: 'Hi', echo: true }));
    expect(textOf(events)).toBe('Hi<think>x</think>');
    expect([...requests[0].prompt]).toEqual([256, 72, 105]);
  });

  test('tokens in', async () => {
    const { model, requests } = setup('x', { addBosToken: true });
    expect(textOf(await collect(model.complete({ prompt: [72, 105], echo: true })))).toBe('Hix');
    expect([...requests[0].prompt]).toEqual([72, 105]);
  });
});

test('the observer sees steps and ends', async () => {
  const { model } = setup('abc');
  const seen: string[] = [];
  model.observer = { step: ({ first }) => seen.push(first ? 'first' : 'step'), end: ({ reason, usage }) => seen.push(`${reason} ${usage.completionTokens}`) };
  await collect(model.stream({ messages }));
  expect(seen).toEqual(['first', 'step', 'step', 'step', 'stop 4']);
});
