/** The clients that people use, over a real socket, against scripted answers. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ChatEvent } from '../src/chat/chat-model.ts';
import { LocalModel } from '../src/chat/local.ts';
import { RemoteError, RemoteModel } from '../src/chat/remote.ts';
import { chatTemplate } from '../src/chat/template.ts';
import { createApp } from '../src/server/app.ts';
import { listen, type Listening } from '../src/server/listen.ts';
import { byteTokenizer } from './support/byte-tokenizer.ts';
import { type FakeEngine, fakeEngine } from './support/fake-engine.ts';
import { QWEN_TEMPLATE } from './support/templates.ts';

const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>';

/** Calls the tool when it is asked for the weather, answers when it has the result. */
function answer(prompt: string): string {
  if (prompt.includes('<tool_response>')) return 'It is 21 degrees in Bern.';
  return prompt.includes('weather?') ? `<think>\nA tool knows.\n</think>\n\n${CALL}` : 'Hello!';
}

let engine: FakeEngine;
let server: Listening;
let client: OpenAI;

beforeEach(async () => {
  const tokenizer = byteTokenizer({ special: ['<|im_start|>', '<|im_end|>'], chatTemplate: QWEN_TEMPLATE });
  engine = fakeEngine({ tokenizer, answer, maxModelLength: 1_000_000 });
  const model = new LocalModel({ id: 'tiny', engine, tokenizer, template: chatTemplate(tokenizer) });
  server = await listen(createApp({ models: [model], apiKey: 'secret', limits: { concurrency: 4 } }), { port: 0, host: '127.0.0.1', drainMs: 1000 });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'secret', maxRetries: 0 });
});

afterEach(() => server.close());

const messages: { role: 'user'; content: string }[] = [{ role: 'user', content: 'Hi' }];
const weatherTools: OpenAI.ChatCompletionTool[] = [
  { type: 'function', function: { name: 'weather', description: 'Forecast', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } },
];
const endless = { model: 'tiny', messages, stream: true, ignore_eos: true } as const;

describe('openai', () => {
  test('a completion with usage', async () => {
    const { data: completion, request_id: requestId } = await client.chat.completions.create({ model: 'tiny', messages }).withResponse();
    expect(completion.choices[0].message.content).toBe('Hello!');
    expect(completion.choices[0].finish_reason).toBe('stop');
    expect(completion.usage).toMatchObject({ prompt_tokens: 21, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 2 } });
    expect(requestId).toMatch(/^[0-9a-f]{32}$/u);
  });

  test('a stream with usage', async () => {
    const stream = await client.chat.completions.create({ model: 'tiny', messages, stream: true, stream_options: { include_usage: true } });
    let text = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe('Hello!');
    expect(usage?.total_tokens).toBe(28);
  });

  test('a tool call and its result, not streamed and streamed', async () => {
    const conversation: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'How is the weather?' }];
    const first = await client.chat.completions.create({ model: 'tiny', messages: conversation, tools: weatherTools });
    const { message, finish_reason: reason } = first.choices[0];
    expect(reason).toBe('tool_calls');
    const [call] = message.tool_calls ?? [];
    expect(call).toMatchObject({ type: 'function', function: { name: 'weather', arguments: '{"city": "Bern"}' } });
    const second = await client.chat.completions.create({
      model: 'tiny',
      messages: [...conversation, message, { role: 'tool', tool_call_id: call.id, content: '21' }],
      tools: weatherTools,
    });
    expect(second.choices[0].message.content).toBe('It is 21 degrees in Bern.');

    const runner = client.chat.completions.stream({ model: 'tiny', messages: conversation, tools: weatherTools });
    const final = await runner.finalChatCompletion();
    expect(final.choices[0].message.tool_calls?.[0].function).toMatchObject({ name: 'weather', arguments: '{"city": "Bern"}' });
  });

  test('text completions and models', async () => {
    const completion = await client.completions.create({ model: 'tiny', prompt: ['a', 'b'], echo: true });
    expect(completion.choices.map((choice) => choice.text)).toEqual(['aHello!', 'bHello!']);
    let text = '';
    for await (const chunk of await client.completions.create({ model: 'tiny', prompt: 'a', stream: true })) text += chunk.choices[0].text;
    expect(text).toBe('Hello!');
    const names: string[] = [];
    for await (const model of client.models.list()) names.push(model.id);
    expect(names).toEqual(['tiny']);
    expect((await client.models.retrieve('tiny')).object).toBe('model');
  });

  test('leaving a stream frees the request', async () => {
    const stream = await client.chat.completions.create(endless);
    for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
    await expect.poll(() => engine.running()).toBe(0);
  });

  test('aborting a request that is not streamed frees it', async () => {
    const controller = new AbortController();
    const running = client.chat.completions.create({ ...endless, stream: false }, { signal: controller.signal });
    await expect.poll(() => engine.running()).toBe(1);
    controller.abort();
    await expect(running).rejects.toThrow(OpenAI.APIUserAbortError);
    await expect.poll(() => engine.running()).toBe(0);
  });

  test('overload, and its end', async () => {
    const stream = await client.chat.completions.create({ ...endless, n: 4 });
    const refused = await client.chat.completions.create({ model: 'tiny', messages }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError);
    expect((refused as InstanceType<typeof OpenAI.RateLimitError>).headers?.get('retry-after')).toBe('1');
    stream.controller.abort();
    await expect.poll(() => engine.running()).toBe(0);
    expect((await client.chat.completions.create({ model: 'tiny', messages })).choices).toHaveLength(1);
  });

  test.each<[new (...args: never[]) => Error, object, string | null]>([
    [OpenAI.BadRequestError, { temperature: -1 }, 'temperature'],
    [OpenAI.BadRequestError, { messages: [] }, 'messages'],
    [OpenAI.BadRequestError, { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'text' } } } }, 'response_format.json_schema.schema'],
    [OpenAI.NotFoundError, { model: 'other' }, 'model'],
  ])('%o for %j', async (type, body, param) => {
    for (const stream of [false, true]) {
      const error = await client.chat.completions.create({ model: 'tiny', messages, stream, ...body }).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(type);
      expect(error).toMatchObject({ param });
    }
  });

  test('a wrong key, embeddings', async () => {
    await expect(new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'wrong' }).models.list()).rejects.toThrow(OpenAI.AuthenticationError);
    await expect(client.embeddings.create({ model: 'tiny', input: 'x' })).rejects.toMatchObject({ status: 501 });
  });
});

describe('ai', () => {
  const provider = (): ReturnType<typeof createOpenAICompatible> => createOpenAICompatible({ name: 'tetrad', baseURL: `${server.url}/v1`, apiKey: 'secret', includeUsage: true });
  const tools = {
    weather: tool({
      description: 'Forecast',
      inputSchema: jsonSchema<{ city: string }>({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }),
      execute: async ({ city }) => `${city}: 21`,
    }),
  };

  test('text with usage', async () => {
    const { text, usage, finishReason } = await generateText({ model: provider()('tiny'), prompt: 'Hi' });
    expect([text, finishReason, usage.inputTokens, usage.outputTokens]).toEqual(['Hello!', 'stop', 21, 7]);
  });

  test('a tool loop, not streamed', async () => {
    const { text, steps } = await generateText({ model: provider()('tiny'), prompt: 'How is the weather?', tools, stopWhen: stepCountIs(3) });
    expect(text).toBe('It is 21 degrees in Bern.');
    expect(steps[0].reasoningText).toBe('A tool knows.');
    expect(steps[0].toolCalls).toMatchObject([{ toolName: 'weather', input: { city: 'Bern' } }]);
  });

  test('a tool loop, streamed', async () => {
    const result = streamText({ model: provider()('tiny'), prompt: 'How is the weather?', tools, stopWhen: stepCountIs(3) });
    let text = '';
    for await (const piece of result.textStream) text += piece;
    expect(text).toBe('It is 21 degrees in Bern.');
    expect((await result.totalUsage).outputTokens).toBeGreaterThan(100);
  });

  test('errors', async () => {
    await expect(generateText({ model: provider()('other'), prompt: 'Hi', maxRetries: 0 })).rejects.toMatchObject({ statusCode: 404 });
  });
});

describe('our own client', () => {
  const collect = async (events: AsyncIterable<ChatEvent>): Promise<ChatEvent[]> => {
    const all: ChatEvent[] = [];
    for await (const event of events) all.push(event);
    return all;
  };
  const remote = (options = {}): RemoteModel => new RemoteModel({ id: 'far', model: 'tiny', baseUrl: `${server.url}/v1`, apiKey: 'secret', ...options });

  test('a tool call with reasoning', async () => {
    const events = await collect(remote().stream({ messages: [{ role: 'user', content: 'How is the weather?' }], tools: [{ name: 'weather' }] }));
    expect(events.map((event) => (event.type === 'reasoning-delta' ? event.text : '')).join('')).toBe('A tool knows.');
    expect(events.at(-2)).toMatchObject({ type: 'tool-call', index: 0, call: { name: 'weather', arguments: '{"city": "Bern"}' } });
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'tool-calls', usage: { cachedTokens: 2, completionTokens: 108 } });
  });

  test('text with log-probabilities', async () => {
    const events = await collect(remote().stream({ messages, logprobs: 1, maxTokens: 2 }));
    expect(events.slice(0, 2)).toMatchObject([{ text: 'H', logprobs: [{ token: 'H', logprob: -0.5, top: [{ token: 'H' }] }] }, { text: 'e' }]);
    expect(events.at(-1)).toMatchObject({ reason: 'length' });
  });

  test('errors have status and body; silence and absence are errors', async () => {
    await expect(collect(remote({ apiKey: 'wrong' }).stream({ messages }))).rejects.toMatchObject({ name: 'RemoteError', status: 401, body: expect.stringContaining('invalid_api_key') });
    await expect(collect(remote({ baseUrl: 'http://127.0.0.1:9/v1' }).stream({ messages }))).rejects.toThrow(RemoteError);
    const silent = (_url: unknown, init?: RequestInit): Promise<Response> =>
      new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error)));
    await expect(collect(remote({ fetch: silent, timeoutMs: 20 }).stream({ messages }))).rejects.toThrow(/silent for 20 ms/u);
    const cut = async (): Promise<Response> => new Response('data: {"choices":[{"delta":{"content":"a"}}]}\n\n');
    await expect(collect(remote({ fetch: cut }).stream({ messages }))).rejects.toThrow(/broke off/u);
  });

  test('aborting', async () => {
    const controller = new AbortController();
    let last: ChatEvent | undefined;
    for await (const event of remote().stream({ messages, ignoreEos: true, signal: controller.signal })) {
      controller.abort();
      last = event;
    }
    expect(last).toMatchObject({ type: 'finish', reason: 'abort' });
    await expect.poll(() => engine.running()).toBe(0);
  });

  test('a server can serve a remote model', async () => {
    const outer = await listen(createApp({ models: [remote()] }), { port: 0, host: '127.0.0.1' });
    try {
      const through = new OpenAI({ baseURL: `${outer.url}/v1`, apiKey: 'none' });
      const completion = await through.chat.completions.create({ model: 'far', messages });
      expect(completion.choices[0].message.content).toBe('Hello!');
    } finally {
      await outer.close();
    }
  });
});

describe('plain HTTP', () => {
  const url = (path: string): string => `${server.url}${path}`;
  const headers = { authorization: 'Bearer secret' };
  const inPieces = (text: string): RequestInit => ({ method: 'POST', headers, body: new Blob([text]).stream(), duplex: 'half' }) as RequestInit;

  test('a body in chunks, without a length', async () => {
    const body = JSON.stringify({ model: 'tiny', messages });
    const response = await fetch(url('/v1/chat/completions'), inPieces(body));
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'Hello!' } }] });
    expect((await fetch(url('/v1/chat/completions'), inPieces(' '.repeat(9_000_000)))).status).toBe(413);
  });

  test('other methods', async () => {
    for (const method of ['DELETE', 'OPTIONS', 'PUT', 'PATCH']) expect((await fetch(url('/v1/models'), { method, headers })).status).toBe(405);
    expect((await fetch(url('/health'), { method: 'HEAD' })).status).toBe(200);
  });

  test('a client that goes away while it sends leaves nothing in the log', async () => {
    const log: string[] = [];
    const other = await listen(createApp({ models: [], log: (line) => log.push(line) }), { port: 0, host: '127.0.0.1' });
    const socket = await halfRequest(other.port);
    socket.destroy();
    await other.close();
    expect(log).toEqual([]);
  });

  test('a port in use is said so', async () => {
    const { port } = server;
    await expect(listen(createApp({ models: [] }), { port, host: '127.0.0.1' })).rejects.toThrow(`Cannot listen at 127.0.0.1, port ${port}: another program listens there`);
  });
});

/** A request whose body is announced, but never comes to its end. */
async function halfRequest(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write('POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n{');
  // The server has read the head.
  await once(socket, 'data');
  return socket;
}

describe('the end of a server', () => {
  test('a request that is still coming in does not hold it up', async () => {
    const socket = await halfRequest(server.port);
    const stream = await client.chat.completions.create({ ...endless, max_tokens: 50 });
    const closing = server.close();
    await once(socket, 'close');
    let reason: string | null = null;
    for await (const chunk of stream) reason = chunk.choices[0].finish_reason ?? reason;
    expect(reason).toBe('length');
    await closing;
  });


  test('what runs comes to its end, what is new is refused', async () => {
    const stream = await client.chat.completions.create({ ...endless, max_tokens: 300 });
    let closed = false;
    const closing = server.close().then(() => {
      closed = true;
    });
    await expect(fetch(`${server.url}/health`).then((response) => response.status)).rejects.toThrow();
    expect(closed).toBe(false);
    let reason: string | null = null;
    for await (const chunk of stream) reason = chunk.choices[0].finish_reason ?? reason;
    expect(reason).toBe('length');
    await closing;
  });

  test('what takes too long is cut off, and its request freed', async () => {
    const stream = await client.chat.completions.create(endless);
    const reading = (async () => {
      for await (const _ of stream);
    })();
    reading.catch(() => {});
    await server.close();
    await expect(reading).rejects.toThrow();
    await expect.poll(() => engine.running()).toBe(0);
  });
});
