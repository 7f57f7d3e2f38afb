import { expect, test } from 'vitest';
import type { ChatEvent, ChatRequest } from './chat-model.ts';
import { RemoteModel, serverSentEvents } from './remote.ts';

const TEXT = ': comment\n\ndata: {"a":"é😀"}\r\n\r\nevent: x\ndata:one\ndata: two\n\ndata: [DONE]\n\ndata: tail';

async function events(pieces: readonly Uint8Array[]): Promise<string[]> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  const all: string[] = [];
  for await (const data of serverSentEvents(body)) all.push(data);
  return all;
}

test('events, cut at any byte', async () => {
  const bytes = new TextEncoder().encode(TEXT);
  const expected = ['{"a":"é😀"}', 'one\ntwo', '[DONE]'];
  for (let cut = 0; cut <= bytes.length; cut++) expect(await events([bytes.slice(0, cut), bytes.slice(cut)])).toEqual(expected);
});

const USAGE = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
const messages = [{ role: 'user', content: 'Hi' }] as const;

/** What comes of an endpoint's choices, and what it was asked. */
async function remote(choices: readonly object[], request: Partial<ChatRequest> = {}, legalMass?: boolean): Promise<{ events: ChatEvent[]; body: Record<string, unknown> }> {
  let body: Record<string, unknown> = {};
  const send: typeof fetch = (_, init) => {
    body = JSON.parse(init?.body as string) as Record<string, unknown>;
    return Promise.resolve(new Response(choices.map((choice) => `data: ${JSON.stringify({ choices: [choice] })}\n\n`).join('')));
  };
  const events: ChatEvent[] = [];
  for await (const event of new RemoteModel({ id: 'm', baseUrl: 'http://x/v1', fetch: send, legalMass }).stream({ messages, ...request })) events.push(event);
  return { events, body };
}

const call = (index: number, json: string): object => ({ delta: { tool_calls: [{ index, id: `c${index}`, function: { name: 'f', arguments: json } }] } });

test.each([
  ['length', 'length', ['c0']],
  ['abort', 'abort', ['c0']],
  ['stop', 'stop', ['c0', 'c2']],
])('%s: calls that were cut off are not complete', async (reason, expected, complete) => {
  const { events } = await remote([call(0, '{"a": 1}'), call(1, '{"a": '), call(2, ''), { delta: {}, finish_reason: reason }]);
  expect(events.flatMap((event) => (event.type === 'tool-call' ? [event.call.id] : []))).toEqual(complete);
  expect(events.at(-1)).toEqual({ type: 'finish', reason: expected, usage: USAGE });
});

test('what stopped it is passed on', async () => {
  const { events } = await remote([{ delta: { content: 'a' } }, { delta: {}, finish_reason: 'stop', stop_reason: 'b' }]);
  expect(events).toEqual([{ type: 'text-delta', text: 'a' }, { type: 'finish', reason: 'stop', stop: 'b', usage: USAGE }]);
});

test('legal mass is asked for with log-probabilities, of an endpoint that knows it', async () => {
  const entry = { token: 'a', bytes: [97], logprob: -1, legal_mass: 0.5, forced: true, top_logprobs: [] };
  const answer = [{ delta: { content: 'a' }, logprobs: { content: [entry] } }, { delta: {}, finish_reason: 'stop' }];
  const { events, body } = await remote(answer, { logprobs: 0 }, true);
  expect(body).toMatchObject({ logprobs: true, legal_mass: true });
  expect(events[0]).toEqual({ type: 'text-delta', text: 'a', logprobs: [{ token: 'a', bytes: [97], logprob: -1, legalMass: 0.5, forced: true, top: [] }] });
  expect((await remote(answer, {}, true)).body).not.toHaveProperty('legal_mass');
  expect((await remote(answer, { logprobs: 0 })).body).not.toHaveProperty('legal_mass');
});
