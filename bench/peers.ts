/**
 * The same shapes through llama.cpp (node-llama-cpp) and Tetrad, in turns, in one run: ratios of rates, above 1 where Tetrad is
 * faster. Random weights of Llama dimensions: Q4_0 with a Q8_0 embedding there, W4A8KV4 with a 4-bit embedding here.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomGguf } from './gguf.ts';
import { randomCheckpoint } from './random-model.ts';
import { median } from './report.ts';
import type { BenchResult } from './report.ts';
import type { BackendName } from '../src/backend/open.ts';

const PEER = 'node-llama-cpp@3.22.1';

export interface PeersOptions {
  readonly dimensions: string;
  readonly backend: BackendName;
  readonly threads: number;
  readonly rounds: number;
  readonly onProgress: (line: string) => void;
}

/** What one side measures in one turn, tokens per second. */
interface Rates {
  readonly prefill: number;
  readonly decode: number;
  /** All of 8 concurrent streams together. */
  readonly decode8: number;
  /** One stream behind 4,096 tokens. */
  readonly decode4k: number;
}

const KEYS = ['prefill', 'decode', 'decode8', 'decode4k'] as const;

export async function benchPeers(options: PeersOptions): Promise<BenchResult> {
  options.onProgress(`preparing ${PEER} and random weights of ${options.dimensions}`);
  const peer = await installPeer();
  const gguf = randomGguf(options.dimensions);
  const checkpoint = randomCheckpoint(options.dimensions);
  const ours: Rates[] = [];
  const theirs: Rates[] = [];
  for (let round = 0; round < options.rounds; round++) {
    options.onProgress(`round ${round + 1} of ${options.rounds}: llama.cpp`);
    theirs.push(await run(peer, [gguf, String(options.threads)]));
    options.onProgress(`round ${round + 1} of ${options.rounds}: Tetrad`);
    ours.push(await run(new URL('./peers-tetrad.js', import.meta.url).pathname, [checkpoint, String(options.threads), options.backend]));
  }
  const rate = (list: readonly Rates[], key: keyof Rates): number => median(list.map((rates) => rates[key]));
  const ratios = Object.fromEntries(KEYS.map((key) => [key, median(ours.map((rates, i) => rates[key] / theirs[i][key]))]));
  return {
    bench: 'peers',
    configuration: { peer: PEER, dimensions: options.dimensions, threads: options.threads, rounds: options.rounds, prompt: 512 },
    rows: KEYS.map((key) => ({ rate: key, 'llama.cpp tok/s': rate(theirs, key), 'Tetrad tok/s': rate(ours, key), ratio: ratios[key] })),
    summary: ratios,
  };
}

/** node-llama-cpp is large and only wanted here, so it is installed beside, not depended on. Returns the script that times it. */
async function installPeer(): Promise<string> {
  const home = join(tmpdir(), 'tetrad-bench', 'llama.cpp');
  mkdirSync(home, { recursive: true });
  const script = join(home, 'time.mjs');
  writeFileSync(script, PEER_SCRIPT);
  if (existsSync(join(home, 'node_modules', 'node-llama-cpp', 'package.json'))) return script;
  writeFileSync(join(home, 'package.json'), '{"private": true, "type": "module"}');
  await command('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', home, PEER]);
  return script;
}

async function run(script: string, args: readonly string[]): Promise<Rates> {
  const output = await command(process.execPath, [script, ...args]);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as Rates;
}

function command(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.on('error', reject);
    child.on('close', (status) => (status === 0 ? resolve(out) : reject(new Error(`${program} ${args[0]} ended with status ${status}: ${errors.slice(-2000)}`))));
  });
}

/** Rates of llama.cpp through node-llama-cpp: prompt 512, then 64 tokens; 8 sequences of a short prompt; a prompt of 4,096. */
const PEER_SCRIPT = `
import { getLlama } from 'node-llama-cpp';
const [, , modelPath, threads] = process.argv;
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: Number(threads), logLevel: 'error' });
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const tokens = (n, salt) => Array.from({ length: n }, (_, i) => (i * 37 + 11 + salt) % 200);
async function stream(sequence, prompt, count) {
  const start = performance.now();
  let first = 0, n = 0;
  for await (const token of sequence.evaluate(prompt, { temperature: 0 })) {
    if (++n === 1) first = performance.now();
    if (n >= count) break;
  }
  return { first, end: performance.now(), start, n };
}
async function single(length, count) {
  const context = await model.createContext({ contextSize: length + count + 64, batchSize: 512, threads: Number(threads), sequences: 1 });
  const sequence = context.getSequence();
  await stream(sequence, tokens(length, 1), 4);
  await sequence.clearHistory();
  const t = await stream(sequence, tokens(length, 0), count);
  await context.dispose();
  return { prefill: length / (t.first - t.start) * 1000, decode: (t.n - 1) / (t.end - t.first) * 1000 };
}
const short = await single(512, 64);
const context = await model.createContext({ contextSize: 192, batchSize: 512, threads: Number(threads), sequences: 8 });
const sequences = Array.from({ length: 8 }, () => context.getSequence());
const runs = await Promise.all(sequences.map((sequence, i) => stream(sequence, tokens(32, i), 64)));
const decode8 = runs.reduce((sum, run) => sum + (run.n - 1) / (run.end - run.first), 0) * 1000;
await context.dispose();
const long = await single(4096, 32);
console.log(JSON.stringify({ prefill: short.prefill, decode: short.decode, decode8, decode4k: long.decode }));
process.exit(0);
`;
