import type OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { byteTokenizer } from '../../test/support/byte-tokenizer.ts';
import { fakeEngine, type FakeEngine, type FakeEngineOptions } from '../../test/support/fake-engine.ts';
import { QWEN_TEMPLATE } from '../../test/support/templates.ts';
import type { ChatModel } from '../chat/chat-model.ts';
import { LocalModel } from '../chat/local.ts';
import { RemoteError, serverSentEvents } from '../chat/remote.ts';
import { chatTemplate } from '../chat/template.ts';
import type { GenerateRequest } from '../engine/client.ts';
import { type App, type AppOptions, createApp } from './app.ts';

interface Setup {
  readonly app: App;
  readonly engine: FakeEngine;
  readonly requests: GenerateRequest[];
  readonly log: string[];
}

function setup(answer: string, options: Partial<AppOptions> & Partial<FakeEngineOptions> = {}): Setup {
  const requests: GenerateRequest[] = [];
  const log: string[] = [];
  const tokenizer = byteTokenizer({ special: ['<|im_start|>', '<|im_end|>'], chatTemplate: QWEN_TEMPLATE });
  const engine = fakeEngine({ tokenizer, answer: () => answer, onRequest: (request) => requests.push(request), ...options });
  const model = new LocalModel({ id: 'tiny', engine, tokenizer, template: chatTemplate(tokenizer) });
  return { app: createApp({ models: [model], log: (message) => log.push(message), ...options }), engine, requests, log };
}

const post = (app: App, path: string, body: unknown, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Response> =>
  Promise.resolve(
    app.request(path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers }, signal }),
  );

const chat = (app: App, body: object, headers?: Record<string, string>): Promise<Response> =>
  post(app, '/v1/chat/completions', { model: 'tiny', messages: [{ role: 'user', content: 'Hi' }], ...body }, headers);

const complete = (app: App, body: object): Promise<Response> => post(app, '/v1/completions', { model: 'tiny', prompt: 'Hi', ...body });

type ChatCompletion = OpenAI.ChatCompletion & { choices: { message: { reasoning_content?: string } }[] };
type ErrorBody = { message: string; type: string; param: string | null; code: string | null };

const json = async <T = Record<string, unknown>>(response: Response | Promise<Response>): Promise<T> => (await (await response).json()) as T;

async function chunks<T = OpenAI.ChatCompletionChunk>(response: Response): Promise<T[]> {
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const events: string[] = [];
  for await (const data of serverSentEvents(response.body as ReadableStream<Uint8Array>)) events.push(data);
  expect(events.at(-1)).toBe('[DONE]');
  return events.slice(0, -1).map((data) => JSON.parse(data) as T);
}

async function refusal(response: Response | Promise<Response>, status: number): Promise<ErrorBody> {
  const answer = await response;
  expect(answer.status).toBe(status);
  const { error } = (await answer.json()) as { error: ErrorBody };
  expect(Object.keys(error)).toEqual(['message', 'type', 'param', 'code']);
  return error;
}

const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>';
const tools = [{ type: 'function', function: { name: 'weather', parameters: { $schema: 'x', type: 'object' } } }];

describe('chat completions', () => {
  test('an answer', async () => {
    const response = await chat(setup('Grüezi!').app, {}, { 'x-request-id': 'abc-1' });
    expect(response.headers.get('x-request-id')).toBe('abc-1');
    expect(await json(response)).toEqual({
      id: 'chatcmpl-abc-1',
      object: 'chat.completion',
      created: expect.any(Number),
      model: 'tiny',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Grüezi!', refusal: null }, logprobs: null, finish_reason: 'stop', stop_reason: null }],
      usage: { prompt_tokens: 21, completion_tokens: 9, total_tokens: 30, prompt_tokens_details: { cached_tokens: 2 } },
    });
  });

  test('a stream', async () => {
    const all = await chunks(await chat(setup('Hey', { tokensPerStep: 2 }).app, { stream: true, stream_options: { include_usage: true } }));
    expect(all.map((chunk) => chunk.choices[0]?.delta)).toEqual([{ role: 'assistant', content: '' }, { content: 'He' }, { content: 'y' }, {}, undefined]);
    expect(all.map((chunk) => chunk.usage)).toEqual([null, null, null, null, { prompt_tokens: 21, completion_tokens: 4, total_tokens: 25, prompt_tokens_details: { cached_tokens: 2 } }]);
    expect(all[3].choices[0].finish_reason).toBe('stop');
    expect(new Set(all.map((chunk) => chunk.id)).size).toBe(1);
    const without = await chunks(await chat(setup('Hey').app, { stream: true }));
    expect(without.some((chunk) => 'usage' in chunk)).toBe(false);
  });

  test('tool calls, whole and streamed', async () => {
    const call = { id: expect.stringMatching(/^call_/u), type: 'function', function: { name: 'weather', arguments: '{"city": "Bern"}' } };
    const whole = await json<ChatCompletion>(chat(setup(CALL).app, { tools }));
    expect(whole.choices[0]).toMatchObject({ message: { content: null, tool_calls: [call] }, finish_reason: 'tool_calls' });
    const streamed = await chunks(await chat(setup(CALL, { tokensPerStep: CALL.length }).app, { tools, stream: true }));
    expect(streamed.map((chunk) => chunk.choices[0].delta)).toEqual([
      { role: 'assistant', content: '' },
      { tool_calls: [{ index: 0, ...call, function: { ...call.function, arguments: '' } }] },
      { tool_calls: [{ index: 0, function: { arguments: call.function.arguments } }] },
      {},
    ]);
    expect(streamed.at(-1)?.choices[0].finish_reason).toBe('tool_calls');
  });

  test('tool_choice none hides the tools', async () => {
    const none = setup(CALL);
    expect((await json<ChatCompletion>(chat(none.app, { tools, tool_choice: 'none' }))).choices[0].message.content).toBe(CALL);
  });

  test('reasoning', async () => {
    const { message } = (await json<ChatCompletion>(chat(setup('<think>\nhm\n</think>\n\nYes').app, {}))).choices[0];
    expect(message).toMatchObject({ content: 'Yes', reasoning_content: 'hm' });
  });

  test('a conversation with developer, parts, calls and tool results', async () => {
    const { app } = setup('ok', { answer: (prompt) => prompt.replaceAll('<|im', '<im') });
    const messages = [
      { role: 'developer', content: 'Be brief.' },
      { role: 'user', content: [{ type: 'text', text: 'a' }, { type: 'text', text: 'b' }] },
      { role: 'assistant', content: null, tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{"x": 1.0}' } }] },
      { role: 'tool', tool_call_id: 'c1', content: '4' },
    ];
    const { content } = (await json<ChatCompletion>(chat(app, { messages }))).choices[0].message;
    expect(content).toContain('system\nBe brief.');
    expect(content).toContain('user\na\nb');
    expect(content).toContain('{"name": "f", "arguments": {"x": 1.0}}');
    expect(content).toContain('<tool_response>\n4');
  });

  test('n answers with seeds that follow each other', async () => {
    const { app, requests } = setup('Hey');
    const body = await json<ChatCompletion>(chat(app, { n: 3, seed: 5 }));
    expect(body.choices.map((choice) => choice.index)).toEqual([0, 1, 2]);
    expect(body.usage).toMatchObject({ prompt_tokens: 21, completion_tokens: 12 });
    expect(requests.map((request) => request.sampling.seed)).toEqual([5, 6, 7]);
    await chat(app, { n: 3, seed: Number.MAX_SAFE_INTEGER });
    expect(requests.slice(3).map((request) => request.sampling.seed)).toEqual([Number.MAX_SAFE_INTEGER, 0, 1]);
    const streamed = await chunks(await chat(app, { n: 2, stream: true }));
    for (const index of [0, 1]) {
      const text = streamed.filter((chunk) => chunk.choices[0].index === index).map((chunk) => chunk.choices[0].delta.content ?? '');
      expect(text.join('')).toBe('Hey');
    }
  });

  test('all sampling fields arrive', async () => {
    const { app, requests } = setup('Hey');
    await chat(app, {
      temperature: 0.5, top_p: 0.9, top_k: -1, min_p: 0.1, repetition_penalty: 1.1, presence_penalty: 0.2, frequency_penalty: 0.3,
      logit_bias: { 65: -100 }, seed: 9, stop_token_ids: [66], ignore_eos: true, max_completion_tokens: 7, max_tokens: 5, logprobs: true, top_logprobs: 2,
      cache_salt: 'tenant', user: 'u', store: true, unknown: {}, stop: null,
    });
    expect(requests[0].cacheSalt).toBe('tenant');
    expect(requests[0].sampling).toEqual({
      temperature: 0.5, topP: 0.9, topK: 0, minP: 0.1, repetitionPenalty: 1.1, presencePenalty: 0.2, frequencyPenalty: 0.3,
      logitBias: [[65, -100]], seed: 9, stopTokenIds: [66], ignoreEos: true, maxTokens: 7, logprobs: 2,
    });
  });

  test('stop strings and their reason', async () => {
    const [choice] = (await json<ChatCompletion>(chat(setup('one two').app, { stop: ' t' }))).choices;
    expect(choice).toMatchObject({ message: { content: 'one' }, finish_reason: 'stop', stop_reason: ' t' });
  });

  test('log-probabilities', async () => {
    const body = await json<ChatCompletion>(chat(setup('ab').app, { logprobs: true, top_logprobs: 1 }));
    expect(body.choices[0].logprobs?.content).toEqual(
      ['a', 'b'].map((token) => ({ token, logprob: -0.5, bytes: [token.charCodeAt(0)], top_logprobs: [{ token, bytes: [token.charCodeAt(0)], logprob: -0.5 }] })),
    );
    const streamed = await chunks(await chat(setup('ab').app, { logprobs: true, stream: true }));
    expect(streamed[1].choices[0].logprobs?.content).toMatchObject([{ token: 'a', top_logprobs: [] }]);
  });
});

describe('completions', () => {
  test('a prompt of text or tokens, or several', async () => {
    expect(await json<OpenAI.Completion>(complete(setup('lo').app, {}))).toMatchObject({
      object: 'text_completion',
      choices: [{ index: 0, text: 'lo', logprobs: null, finish_reason: 'stop' }],
      usage: { prompt_tokens: 2, completion_tokens: 3 },
    });
    const { app, requests } = setup('x');
    await complete(app, { prompt: [72, 105] });
    const several = await json<OpenAI.Completion>(complete(app, { prompt: ['a', 'bc'], n: 2 }));
    await complete(app, { prompt: [[1], [2]] });
    expect(requests.map((request) => request.prompt.length)).toEqual([2, 1, 1, 2, 2, 1, 1]);
    expect(several.choices).toHaveLength(4);
    expect(several.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 8 });
    expect(requests[0].sampling.maxTokens).toBe(16);
  });

  test('echo, streaming, log-probabilities', async () => {
    expect((await json<OpenAI.Completion>(complete(setup('lo').app, { prompt: 'Hel', echo: true }))).choices[0].text).toBe('Hello');
    const streamed = await chunks<OpenAI.Completion>(await complete(setup('lo').app, { prompt: 'Hel', echo: true, stream: true }));
    expect(streamed.map((chunk) => chunk.choices[0].text).join('')).toBe('Hello');
    const body = await json<OpenAI.Completion>(complete(setup('lo').app, { logprobs: 2 }));
    expect(body.choices[0].logprobs).toEqual({
      tokens: ['l', 'o'],
      token_logprobs: [-0.5, -0.5],
      top_logprobs: [{ l: -0.5, m: -1.5 }, { o: -0.5, p: -1.5 }],
      text_offset: [0, 1],
    });
  });

  test('log-probabilities of tokens that are parts of a character', async () => {
    const bytes = ['a', 'bytes:\\xf0', 'bytes:\\x9f', 'bytes:\\x99', 'bytes:\\x82', 'b'];
    const [choice] = (await json<OpenAI.Completion>(complete(setup('a🙂b').app, { logprobs: 5 }))).choices;
    expect(choice).toMatchObject({ text: 'a🙂b', logprobs: { tokens: bytes, text_offset: [0, 1, 1, 1, 1, 3] } });
    expect(choice.logprobs?.top_logprobs?.map((top) => Object.keys(top).length)).toEqual([5, 5, 5, 5, 5, 5]);
    const streamed = await chunks<OpenAI.Completion>(await complete(setup('a🙂b', { tokensPerStep: 2 }).app, { logprobs: 0, stream: true }));
    const parts = streamed.flatMap((chunk) => chunk.choices[0].logprobs ?? []);
    expect(parts.flatMap((part) => part.tokens)).toEqual(bytes);
    expect(parts.flatMap((part) => part.text_offset)).toEqual([0, 1, 1, 1, 1, 3]);
  });

  test('the default length ends with the context', async () => {
    const { app, requests } = setup('x', { maxModelLength: 20 });
    expect((await complete(app, { prompt: 'x'.repeat(15) })).status).toBe(200);
    expect(requests[0].sampling.maxTokens).toBe(5);
    expect((await refusal(complete(app, { prompt: 'x'.repeat(15), max_tokens: 6 }), 400)).code).toBe('context_length_exceeded');
  });
});

describe('what is wrong has a name', () => {
  const { app, log } = setup('x');
  test.each<[object, string | null, RegExp]>([
    [{ temperature: -1 }, 'temperature', />=\s?0/u],
    [{ temperature: 2.5 }, 'temperature', /<=\s?2/u],
    [{ temperature: 'hot' }, 'temperature', /number/u],
    [{ top_p: 0 }, 'top_p', />\s?0/u],
    [{ n: 129 }, 'n', /128/u],
    [{ n: 0 }, 'n', /1/u],
    [{ max_tokens: 0 }, 'max_tokens', /1.*\(seen: 0\)/u],
    [{ max_tokens: 1.5 }, 'max_tokens', /int/u],
    [{ seed: 'x' }, 'seed', /number/u],
    [{ stop: Array(17).fill('x') }, 'stop', /16/u],
    [{ stop: 5 }, 'stop', /string/u],
    [{ logit_bias: { 1: 200 } }, 'logit_bias.1', /100/u],
    [{ logit_bias: { x: 1 } }, 'logit_bias', /token id/u],
    [{ logit_bias: { 9999: 1 } }, 'logit_bias', /9999/u],
    [{ top_logprobs: 3 }, 'top_logprobs', /logprobs/u],
    [{ logprobs: true, top_logprobs: 21 }, 'top_logprobs', /20/u],
    [{ min_tokens: 3 }, 'min_tokens', /not supported/u],
    [{ stream: 'yes' }, 'stream', /boolean/u],
    [{ response_format: { type: 'yaml' } }, 'response_format.type', /text, json_object or json_schema/u],
    [{ response_format: { type: 'json_schema', json_schema: { name: 'x' } } }, 'response_format.json_schema.schema', /expected a JSON Schema/u],
    [{ guided_json: '{"type":' }, 'guided_json', /not JSON/u],
    [{ guided_choice: [] }, 'guided_choice', /at least one choice/u],
    [{ structured_outputs: { structural_tag: {} } }, 'structured_outputs', /structural_tag/u],
    [{ structured_outputs: { regex: 'a' }, guided_choice: ['b'] }, 'structured_outputs.regex', /several were asked for: guided_choice, structured_outputs.regex/u],
    [{ legal_mass: true }, 'legal_mass', /needs logprobs/u],
    [{ tools: [{ type: 'retrieval' }] }, 'tools[0].type', /function/u],
    [{ functions: [] }, 'functions', /use tools/u],
    [{ messages: [] }, 'messages', /1/u],
    [{ messages: 'Hi' }, 'messages', /array/u],
    [{ messages: [{ role: 'robot', content: 'x' }] }, 'messages[0].role', /role is system/u],
    [{ messages: [{ role: 'user' }] }, 'messages[0].content', /string/u],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] }, 'messages[0].content[0].type', /"image_url" is not supported/u],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].tool_call_id', /string/u],
    [{ model: 5 }, 'model', /string/u],
    [{ max_tokens: 100_000 }, 'max_tokens', /21 tokens and 100000 more.*4096/u],
  ])('%j', async (body, param, message) => {
    const error = await refusal(chat(app, body), 400);
    expect(error.param).toBe(param);
    expect(error.message).toMatch(message);
    expect(error.type).toBe('invalid_request_error');
    expect(log).toEqual([]);
  });

  test.each<[object, string]>([[{ suffix: 'x' }, 'suffix'], [{ echo: true, logprobs: 1 }, 'echo'], [{ prompt: [] }, 'prompt'], [{ prompt: [5000] }, 'prompt'], [{ prompt: {} }, 'prompt'], [{ best_of: 2 }, 'best_of']])(
    'completions %j',
    async (body, param) => expect((await refusal(complete(app, body), 400)).param).toBe(param),
  );

  test('a prompt that is too long', async () => {
    const error = await refusal(chat(app, { messages: [{ role: 'user', content: 'x'.repeat(5000) }] }), 400);
    expect(error).toMatchObject({ code: 'context_length_exceeded', message: expect.stringMatching(/5019 tokens.*4096/u) });
    expect((await refusal(chat(app, { stream: true, max_tokens: 5000 }), 400)).code).toBe('context_length_exceeded');
  });

  test('a model that is not there', async () => {
    const error = await refusal(chat(app, { model: 'gpt' }), 404);
    expect(error).toMatchObject({ code: 'model_not_found', param: 'model', message: expect.stringContaining('"tiny"') });
  });

  test('a prompt that is far too long is not even tokenized', async () => {
    const error = await refusal(chat(app, { messages: [{ role: 'user', content: 'x'.repeat(1_000_000) }] }), 400);
    expect(error).toMatchObject({ code: 'context_length_exceeded', message: expect.stringMatching(/at least 83338 tokens.*4096/u) });
    await refusal(complete(app, { prompt: 'x'.repeat(1_000_000) }), 400);
  });

  test('bytes that are not UTF-8', async () => {
    const body = Buffer.concat([Buffer.from('{"model":"tiny","prompt":"'), Buffer.of(0xff), Buffer.from('"}')]);
    const response = await app.request('/v1/completions', { method: 'POST', body });
    expect((await refusal(response, 400)).message).toMatch(/UTF-8/u);
  });

  test('bad JSON, no JSON, an array', async () => {
    expect((await refusal(post(app, '/v1/chat/completions', '{"model": '), 400)).code).toBe('invalid_json');
    await refusal(post(app, '/v1/chat/completions', ''), 400);
    await refusal(post(app, '/v1/chat/completions', '[]'), 400);
  });

  test('no such path, no such method', async () => {
    await refusal(app.request('/v2/x'), 404);
    const response = await app.request('/v1/chat/completions');
    expect(response.headers.get('allow')).toBe('POST');
    await refusal(response, 405);
  });

  test('embeddings are refused clearly', async () => {
    const response = await post(app, '/v1/embeddings', { input: 'x' });
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect((await refusal(response, 501)).message).toMatch(/does not compute embeddings/u);
  });

  test('bodies over the limit', async () => {
    const small = setup('x', { limits: { bodyBytes: 100 } });
    expect((await refusal(chat(small.app, { pad: 'x'.repeat(200) }), 413)).message).toContain('100 bytes');
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 10; i++) controller.enqueue(new Uint8Array(50));
        controller.close();
      },
    });
    await refusal(small.app.request('/tokenize', { method: 'POST', body, duplex: 'half' } as RequestInit), 413);
  });

  test('failures of a model', async () => {
    const failing = (error: Error): ChatModel => ({
      id: 'tiny',
      // oxlint-disable-next-line require-yield
      async *stream() {
        throw error;
      },
      close: async () => {},
    });
    const lines: string[] = [];
    const app = (error: Error): App => createApp({ models: [failing(error)], log: (line) => lines.push(line) });
    expect((await refusal(chat(app(new Error('secret path')), {}), 500)).message).not.toContain('secret');
    expect(lines.join()).toContain('secret path');
    await refusal(chat(app(new RemoteError('down')), { stream: true }), 502);
    await refusal(chat(app(new RemoteError('slow down', 429)), {}), 429);
    await refusal(complete(app(new Error()), {}), 400);
  });

  test('a failure within a stream ends it with an error event', async () => {
    const model: ChatModel = {
      id: 'tiny',
      async *stream() {
        yield { type: 'text-delta', text: 'a' };
        throw new RemoteError('gone');
      },
      close: async () => {},
    };
    const response = await chat(createApp({ models: [model] }), { stream: true });
    const text = await response.text();
    expect(text).toContain('"content":"a"');
    expect(text.trimEnd().split('\n\n').at(-1)).toBe('data: {"error":{"message":"gone","type":"server_error","param":null,"code":"upstream_error"}}');
  });
});

describe('around the models', () => {
  test('health, models, metrics', async () => {
    const { app } = setup('Hey');
    expect((await app.request('/health')).status).toBe(200);
    expect(await json(app.request('/v1/models'))).toMatchObject({ object: 'list', data: [{ id: 'tiny', object: 'model', max_model_len: 4096 }] });
    expect(await json(app.request('/v1/models/tiny'))).toMatchObject({ id: 'tiny' });
    await refusal(app.request('/v1/models/other/name'), 404);
    await chat(app, { max_tokens: 2 });
    await chat(app, {});
    const text = await (await app.request('/metrics')).text();
    expect(text).toContain('vllm:num_requests_running{model_name="tiny"} 0');
    expect(text).toContain('vllm:prompt_tokens_total{model_name="tiny"} 42');
    expect(text).toContain('vllm:generation_tokens_total{model_name="tiny"} 6');
    expect(text).toContain('vllm:request_success_total{model_name="tiny",finished_reason="length"} 1');
    expect(text).toContain('vllm:time_to_first_token_seconds_count{model_name="tiny"} 2');
    for (const name of ['inter_token_latency', 'time_per_output_token']) expect(text).toContain(`vllm:${name}_seconds_count{model_name="tiny"} 4`);
    for (const name of ['kv_cache', 'gpu_cache']) expect(text).toContain(`vllm:${name}_usage_perc{model_name="tiny"} 0`);
    expect(text).toContain('vllm:cache_config_info{model_name="tiny",block_size="32",num_gpu_blocks="64"} 1');
    expect(await (await app.request('/metrics')).text()).toContain('vllm:prompt_tokens_total{model_name="tiny"} 42');
  });

  test('health tells of an engine that stopped', async () => {
    const { app, engine } = setup('x');
    Object.assign(engine, { failure: new Error('out of memory') });
    expect((await refusal(app.request('/health'), 503)).code).toBe('engine_stopped');
    expect((await refusal(chat(app, {}), 503)).code).toBe('engine_stopped');
    expect((await refusal(complete(app, { stream: true }), 503)).code).toBe('engine_stopped');
  });

  test('tokenize and detokenize', async () => {
    const { app } = setup('x');
    expect(await json(post(app, '/tokenize', { prompt: 'Hi', return_token_strs: true }))).toEqual({ count: 2, max_model_len: 4096, tokens: [72, 105], token_strs: ['H', 'i'] });
    const rendered = await json(post(app, '/tokenize', { model: 'tiny', messages: [{ role: 'user', content: 'Hi' }] }));
    expect(rendered.count).toBe(21);
    expect((await json(post(app, '/detokenize', { tokens: rendered.tokens }))).prompt).toBe('<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n');
    expect((await refusal(post(app, '/detokenize', { tokens: [9999] }), 400)).param).toBe('tokens');
    await refusal(post(app, '/tokenize', {}), 400);
  });

  test('an API key, asked for everywhere but at /health', async () => {
    const { app } = setup('x', { apiKey: 'secret' });
    expect((await app.request('/health')).status).toBe(200);
    expect((await refusal(app.request('/v1/models'), 401)).code).toBe('invalid_api_key');
    await refusal(app.request('/v1/models', { headers: { authorization: 'Bearer wrong' } }), 401);
    await refusal(app.request('/nothing'), 401);
    expect((await app.request('/v1/models', { headers: { authorization: 'Bearer secret' } })).status).toBe(200);
  });

  test('pages of origins that are allowed may read answers', async () => {
    const { app } = setup('Hey', { apiKey: 'secret', corsOrigins: ['http://page.example'] });
    const asked = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization, x-stainless-os' };
    const preflight = (origin: string): Promise<Response> => Promise.resolve(app.request('/v1/chat/completions', { method: 'OPTIONS', headers: { origin, ...asked } }));
    const granted = await preflight('http://page.example');
    expect(granted.status).toBe(204);
    expect(Object.fromEntries(granted.headers)).toMatchObject({
      'access-control-allow-origin': 'http://page.example',
      'access-control-allow-headers': 'authorization, x-stainless-os',
      'access-control-allow-methods': 'GET, POST',
      vary: 'Origin',
    });
    const refused = await preflight('http://other.example');
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBeNull();
    const origin = { origin: 'http://page.example' };
    for (const headers of [origin, { ...origin, authorization: 'Bearer secret' }] as Record<string, string>[]) {
      for (const stream of [false, true]) expect((await chat(app, { stream }, headers)).headers.get('access-control-allow-origin')).toBe('http://page.example');
    }
    const open = setup('Hey', { corsOrigins: ['*'] });
    expect((await chat(open.app, {}, { origin: 'null' })).headers.get('access-control-allow-origin')).toBe('*');
    expect((await chat(setup('Hey').app, {}, { origin: 'null' })).headers.get('access-control-allow-origin')).toBeNull();
  });

  test('overload is refused and passes', async () => {
    const { app, engine } = setup('x', { limits: { concurrency: 2 }, maxModelLength: 1_000_000 });
    const controller = new AbortController();
    const running = post(app, '/v1/chat/completions', { model: 'tiny', n: 2, stream: true, ignore_eos: true, messages: [{ role: 'user', content: 'Hi' }] }, {}, controller.signal);
    const stream = await running;
    const refused = await chat(app, {});
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/u);
    expect((await refusal(refused, 429)).type).toBe('rate_limit_error');
    expect((await refusal(chat(app, { n: 3 }), 400)).param).toBe('n');
    expect(engine.running()).toBe(2);
    controller.abort();
    await stream.text();
    expect(engine.running()).toBe(0);
    expect((await chat(app, {})).status).toBe(200);
  });

  test('a client that reads slowly holds up its own answer, not the memory', async () => {
    const { app, engine } = setup('x', { maxModelLength: 1_000_000 });
    const response = await chat(app, { stream: true, ignore_eos: true });
    for (let turn = 0; turn < 300; turn++) await new Promise(setImmediate);
    expect(engine.stats().steps).toBeLessThan(20);
    await response.body?.cancel();
    await expect.poll(() => engine.running()).toBe(0);
  });

  test('a client that goes away aborts', async () => {
    const { app, engine } = setup('x', { maxModelLength: 1_000_000 });
    const response = await chat(app, { stream: true, ignore_eos: true });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    expect(engine.running()).toBe(1);
    await reader.cancel();
    await expect.poll(() => engine.running()).toBe(0);
  });
});
