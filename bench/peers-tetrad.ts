/** One turn of Tetrad in bench/peers: prints its rates as JSON. Arguments: checkpoint, threads, backend. */
import { startEngine } from '../src/engine/client.ts';
import { GREEDY } from '../src/engine/sampling.ts';
import type { BackendName } from '../src/backend/open.ts';

const [, , directory, threads, backend] = process.argv;

interface Stream {
  readonly start: number;
  readonly first: number;
  readonly end: number;
}

const engine = await startEngine(directory, { backend: backend as BackendName, threads: Number(threads), maxBatchSize: 8, prefixCaching: false, cacheTokens: 8192 });

async function stream(length: number, count: number, salt: number): Promise<Stream> {
  const prompt = Array.from({ length }, (_, i) => (i * 37 + 11 + salt) % 200);
  const start = performance.now();
  let first = 0;
  for await (const event of engine.generate({ prompt, sampling: { ...GREEDY, ignoreEos: true, maxTokens: count } })) {
    if (first === 0 && event.tokens.length > 0) first = performance.now();
  }
  return { start, first, end: performance.now() };
}

async function single(length: number, count: number): Promise<{ prefill: number; decode: number }> {
  await stream(length, 4, 1);
  const { start, first, end } = await stream(length, count, 0);
  return { prefill: (length / (first - start)) * 1000, decode: ((count - 1) / (end - first)) * 1000 };
}

const short = await single(512, 64);
const runs = await Promise.all(Array.from({ length: 8 }, (_, i) => stream(32, 64, i)));
const decode8 = runs.reduce((sum, run) => sum + 63 / (run.end - run.first), 0) * 1000;
const long = await single(4096, 32);
await engine.close();
process.stdout.write(`${JSON.stringify({ prefill: short.prefill, decode: short.decode, decode8, decode4k: long.decode })}\n`);
