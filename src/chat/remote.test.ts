import { expect, test } from 'vitest';
import { serverSentEvents } from './remote.ts';

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
