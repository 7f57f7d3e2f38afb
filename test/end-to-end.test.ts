/** From a checkpoint on disk to the clients, over a real socket and the real engine. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { streamText } from 'ai';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ChatEvent, createApp, listen, type Listening, load, type LocalModel } from '../src/index.ts';
import { temporaryCheckpoint } from './support/checkpoint.ts';

const checkpoint = temporaryCheckpoint();
let model: LocalModel;
let server: Listening;
let client: OpenAI;

beforeAll(async () => {
  model = await load({ directory: checkpoint.directory, id: 'tiny', precision: 'full', cacheTokens: 2048, maxBatchSize: 4 });
  server = await listen(createApp({ models: [model], limits: { concurrency: 8 } }), { port: 0, host: '127.0.0.1', drainMs: 1000 });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});

afterAll(async () => {
  await server.close();
  await model.close();
  checkpoint[Symbol.dispose]();
});

const messages: { role: 'user'; content: string }[] = [{ role: 'user', content: 'Tell me of the sea and of the ships upon it' }];
const greedy = { model: 'tiny', messages, temperature: 0, max_tokens: 24, ignore_eos: true };

async function collect(events: AsyncIterable<ChatEvent>): Promise<ChatEvent[]> {
  const all: ChatEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const textOf = (events: readonly ChatEvent[]): string => events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('');

describe('the same text', () => {
  let expected: string;
  beforeAll(async () => {
    expected = textOf(await collect(model.stream({ messages, temperature: 0, maxTokens: 24, ignoreEos: true })));
  });

  test('in process, whole and streamed over the wire', async () => {
    const whole = await client.chat.completions.create(greedy);
    expect(whole.choices[0].message.content).toBe(expected);
    expect(whole.choices[0].finish_reason).toBe('length');
    expect(whole.usage?.completion_tokens).toBe(24);
    let streamed = '';
    for await (const chunk of await client.chat.completions.create({ ...greedy, stream: true })) streamed += chunk.choices[0].delta.content ?? '';
    expect(streamed).toBe(expected);
  });

  test('through the ai client', async () => {
    const provider = createOpenAICompatible({ name: 'tetrad', baseURL: `${server.url}/v1`, includeUsage: true });
    const result = streamText({ model: provider('tiny'), prompt: messages[0].content, temperature: 0, maxOutputTokens: 24 });
    let streamed = '';
    for await (const piece of result.textStream) streamed += piece;
    expect(expected.startsWith(streamed)).toBe(true);
    expect((await result.usage).inputTokens).toBeGreaterThan(10);
  });

  test('among others, with a prefix hit', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => client.chat.completions.create(greedy)));
    for (const answer of answers) expect(answer.choices[0].message.content).toBe(expected);
  });

  test('with the same seed, whatever n is', async () => {
    const sampled = { ...greedy, temperature: 1, seed: 7 };
    const [one] = (await client.chat.completions.create({ ...sampled, seed: 8 })).choices;
    const three = (await client.chat.completions.create({ ...sampled, n: 3 })).choices;
    expect(three[1].message.content).toBe(one.message.content);
    expect(new Set(three.map((choice) => choice.message.content)).size).toBe(3);
  });
});

test('stop strings, stop tokens, log-probabilities', async () => {
  const free = (await client.chat.completions.create({ ...greedy, logprobs: true, top_logprobs: 2 })).choices[0];
  const text = free.message.content ?? '';
  const entries = free.logprobs?.content ?? [];
  expect(entries.map((entry) => entry.logprob).every((value) => value <= 0)).toBe(true);
  expect(entries.every((entry) => entry.top_logprobs.length === 2 && entry.top_logprobs[0].logprob === entry.logprob)).toBe(true);
  expect(new TextDecoder().decode(Uint8Array.from(entries.flatMap((entry) => entry.bytes ?? [])))).toBe(text);
  const stop = text.slice(4, 8);
  const cut = (await client.chat.completions.create({ ...greedy, stop })).choices[0];
  expect(cut.finish_reason).toBe('stop');
  expect(cut.message.content).toBe(text.slice(0, text.indexOf(stop)));
});

test('text completions of tokens continue text', async () => {
  const { tokens } = (await (await fetch(`${server.url}/tokenize`, { method: 'POST', body: JSON.stringify({ prompt: 'Once' }) })).json()) as { tokens: number[] };
  const of = async (prompt: string | number[]): Promise<string> => (await client.completions.create({ model: 'tiny', prompt, temperature: 0, max_tokens: 8 })).choices[0].text;
  expect(await of(tokens)).toBe(await of('Once'));
});

test('a client that disconnects frees its blocks', async () => {
  const { maxModelLength } = model.description;
  const stream = await client.chat.completions.create({ ...greedy, n: 3, max_tokens: maxModelLength - 60, stream: true });
  for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
  await expect.poll(() => model.stats().numRequestsRunning + model.stats().numRequestsWaiting).toBe(0);
  expect(model.stats().cacheUsage).toBe(0);
  expect((await client.chat.completions.create(greedy)).choices).toHaveLength(1);
});

test('errors of the engine reach the client with their numbers', async () => {
  const { maxModelLength } = model.description;
  const error = await client.chat.completions.create({ ...greedy, max_tokens: maxModelLength }).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(OpenAI.BadRequestError);
  expect(error).toMatchObject({ code: 'context_length_exceeded', param: 'max_tokens', message: expect.stringContaining(String(maxModelLength)) });
});

test('metrics tell of it', async () => {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const value = (name: string): number => Number(new RegExp(`^${name}\\{model_name="tiny"\\} (\\S+)$`, 'mu').exec(text)?.[1]);
  expect(value('vllm:generation_tokens_total')).toBeGreaterThan(200);
  expect(value('vllm:prefix_cache_hits_total')).toBeGreaterThan(0);
  expect(value('vllm:kv_cache_usage_perc')).toBe(0);
  expect(value('vllm:time_to_first_token_seconds_count')).toBeGreaterThan(10);
});
