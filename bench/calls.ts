/** Tool calls of a small model, with and without what makes them fast: tokens that the grammar forces, and drafted tokens. */
import type { ToolDefinition } from '../src/chat/chat-model.ts';
import { openModel, readTextFiles } from '../src/chat/load.ts';
import type { LocalModel } from '../src/chat/local.ts';
import { readCallSet } from '../src/evaluate/calls.ts';
import type { BackendName } from '../src/backend/open.ts';
import { ensureQuantized } from '../src/quantize/cache.ts';
import { median } from './report.ts';
import type { BenchResult } from './report.ts';

export interface CallsOptions {
  readonly directory: string;
  readonly backend: BackendName;
  readonly threads: number;
  /** Requests of the held-out set, every so many-th; their prompts must fit into the cache together. */
  readonly items: number;
  readonly rounds: number;
}

const MODES = [
  { name: 'neither', forcing: false, drafts: false },
  { name: 'forced tokens', forcing: true, drafts: false },
  { name: 'drafts', forcing: false, drafts: true },
  { name: 'both', forcing: true, drafts: true },
] as const;

const CACHE_TOKENS = 32_768;
const MAX_TOKENS = 256;

interface Ask {
  readonly tools: readonly ToolDefinition[];
  readonly content: string;
}

interface Round {
  readonly tokens: number;
  readonly seconds: number;
  readonly steps: number;
  readonly answers: readonly string[];
}

/** One request after the other, each to its end. The prompts lie in the prefix cache from the first, unmeasured round on, as an agent's do. */
export async function benchCalls({ directory, backend, threads, items, rounds }: CallsOptions): Promise<BenchResult> {
  const set = readCallSet('training/heldout.json');
  const calls = set.items.filter(({ kind }) => kind === 'call');
  const asks = calls
    .filter((_, i) => i % Math.max(1, Math.floor(calls.length / items)) === 0)
    .slice(0, items)
    .map(({ tools, messages }): Ask => ({ tools: tools.map((name) => set.tools[name].function), content: messages[0].content }));
  const text = readTextFiles(directory);
  const weights = await ensureQuantized(directory);
  const models: LocalModel[] = [];
  for (const { forcing, drafts } of MODES) models.push(await openModel(weights, text, { backend, threads, forcing, drafts, cacheTokens: CACHE_TOKENS, maxBatchSize: 8 }));
  const measured: Round[][] = MODES.map(() => []);
  for (let i = 0; i <= rounds; i++) {
    for (const [mode, model] of models.entries()) {
      const round = await ask(model, asks);
      if (i > 0) measured[mode].push(round);
    }
  }
  const stats = models.map((model) => model.stats());
  const { backendDescription } = models[0].description;
  for (const model of models) await model.close();
  const speeds = measured.map((all) => median(all.map(({ tokens, seconds }) => tokens / seconds)));
  const rows = MODES.map(({ name }, i) => {
    const { tokens, steps, answers } = measured[i][0];
    const { forcedTokens, draftedTokens, acceptedDraftTokens, generatedTokens } = stats[i];
    const same = answers.filter((answer, k) => answer === measured[0][0].answers[k]).length;
    return {
      with: name,
      'tok/s': speeds[i],
      ratio: median(measured[i].map((round, k) => (round.tokens * measured[0][k].seconds) / (measured[0][k].tokens * round.seconds))),
      'ms/call': (1000 * median(measured[i].map(({ seconds }) => seconds))) / asks.length,
      'tokens/call': tokens / asks.length,
      'steps/call': steps / asks.length,
      'forced %': (100 * forcedTokens) / generatedTokens,
      'accepted %': draftedTokens === 0 ? 0 : (100 * acceptedDraftTokens) / draftedTokens,
      'same calls': same,
    };
  });
  return {
    bench: 'calls',
    configuration: { model: directory, backend: backendDescription, items: asks.length, rounds, temperature: 0, prompts: 'cached' },
    rows,
    summary: { ratio: rows[MODES.length - 1].ratio, tokensPerSecond: Object.fromEntries(MODES.map(({ name }, i) => [name, speeds[i]])) },
  };
}

async function ask(model: LocalModel, asks: readonly Ask[]): Promise<Round> {
  const before = model.stats().steps;
  const answers: string[] = [];
  let tokens = 0;
  const start = performance.now();
  for (const { tools, content } of asks) {
    let answer = '';
    for await (const event of model.stream({ messages: [{ role: 'user', content }], tools, toolChoice: 'required', temperature: 0, maxTokens: MAX_TOKENS })) {
      if (event.type === 'tool-call') answer += `${event.call.name}${event.call.arguments}`;
      if (event.type === 'finish') tokens += event.usage.completionTokens;
    }
    answers.push(answer);
  }
  return { tokens, seconds: (performance.now() - start) / 1000, steps: model.stats().steps - before, answers };
}
