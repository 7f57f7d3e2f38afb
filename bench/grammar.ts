/** What grammars cost: compiling a schema, and the mask of a token, at the vocabulary sizes of real models. */
import type { BackendName } from '../src/backend/open.ts';
import { ENGINE_DEFAULTS, type EngineOptions } from '../src/engine/client.ts';
import { engineOver, stepLimits } from '../src/engine/engine.ts';
import { GREEDY } from '../src/engine/sampling.ts';
import { syntheticVocabulary } from '../src/evaluate/synthetic-vocabulary.ts';
import { compileGrammar } from '../src/grammar/compile.ts';
import { compileSchema } from '../src/grammar/schema.ts';
import { createMatcher } from '../src/grammar/matcher.ts';
import { Vocabulary } from '../src/grammar/trie.ts';
import { loadModel } from '../src/model/load.ts';
import { randomCheckpoint } from './random-model.ts';
import { median } from './report.ts';
import type { BenchResult } from './report.ts';

interface Case {
  readonly name: string;
  readonly schema: Record<string, unknown>;
  readonly instance: unknown;
}

const text = { type: 'string' };
const closed = (properties: Record<string, unknown>, required: readonly string[] = Object.keys(properties)): Record<string, unknown> => ({ type: 'object', properties, required, additionalProperties: false });

const CASES: readonly Case[] = [
  {
    name: 'tool call',
    schema: closed({ name: { const: 'get_weather' }, arguments: closed({ location: text, unit: { enum: ['celsius', 'fahrenheit'] }, days: { type: 'integer', minimum: 1, maximum: 14 } }, ['location']) }),
    instance: { name: 'get_weather', arguments: { location: 'Saint-Germain-en-Laye, France', unit: 'celsius', days: 7 } },
  },
  {
    name: 'record of 40',
    schema: closed(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`field_${i}`, i % 3 === 0 ? { type: 'number' } : i % 3 === 1 ? text : { type: ['boolean', 'null'] }])), ['field_0', 'field_39']),
    instance: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`field_${i}`, i % 3 === 0 ? i / 4 : i % 3 === 1 ? `value number ${i}` : i % 2 === 0])),
  },
  {
    name: 'patterns and formats',
    schema: closed({ id: { type: 'string', pattern: '^[a-z][a-z0-9-]{2,30}$' }, at: { type: 'string', format: 'date-time' }, mail: { type: 'string', format: 'email' }, note: { type: 'string', minLength: 3, maxLength: 200 } }),
    instance: { id: 'order-of-the-day', at: '2025-11-22T10:30:00Z', mail: 'someone@example.org', note: 'Please ring twice; the bell is slow.' },
  },
  {
    name: 'recursive',
    schema: { $ref: '#/$defs/node', $defs: { node: closed({ label: text, children: { type: 'array', items: { $ref: '#/$defs/node' } } }) } },
    instance: { label: 'root', children: [{ label: 'left', children: [] }, { label: 'right', children: [{ label: 'leaf', children: [] }] }] },
  },
  {
    name: 'union of 12',
    schema: { oneOf: Array.from({ length: 12 }, (_, i) => closed({ kind: { const: `action_${i}` }, [`value_${i}`]: text, tags: { type: 'array', items: text, maxItems: 8 } }, ['kind', `value_${i}`])) },
    instance: { kind: 'action_7', value_7: 'do the seventh thing', tags: ['a', 'second tag'] },
  },
  { name: 'any object', schema: { type: 'object' }, instance: { anything: [1, 2.5, null, { goes: true }], here: 'so it is' } },
];

function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(part * values.length))];
}

const CONCURRENCY = 64;

/** One token after the other of 64 requests, with masks and without: what guided decoding costs a full batch. */
async function throughput({ dimensions, backend, threads, quick }: GrammarBenchOptions): Promise<Record<string, number>> {
  const options: EngineOptions = { ...ENGINE_DEFAULTS, backend, threads, maxBatchSize: CONCURRENCY, cacheTokens: CONCURRENCY * 96, prefixCaching: false, drafts: false, forcing: false };
  const model = await loadModel(randomCheckpoint(dimensions), { ...options, ...stepLimits(options) });
  try {
    const { vocabSize } = model.config;
    const vocabulary = new Vocabulary(syntheticVocabulary(vocabSize), [0]);
    // So many of what the cases hold that none comes to its end.
    const grammars = CASES.map(({ schema }) => compileGrammar({ kind: 'repeat', item: { kind: 'schema', schema }, min: 100, max: null, separator: ' ' }));
    const outputTokens = quick ? 16 : 48;
    let generated = 0;
    const engine = engineOver(model, options, (outputs) => outputs.forEach(({ tokens }) => (generated += tokens.length)));
    const round = (isGuided: boolean): number => {
      generated = 0;
      for (let i = 0; i < CONCURRENCY; i++) {
        const prompt = Array.from({ length: 8 }, (_, k) => 1 + ((i * 911 + k * 131) % (vocabSize - 1)));
        const sampling = { ...GREEDY, temperature: 1, seed: i, ignoreEos: true, maxTokens: outputTokens };
        engine.add(i, { prompt, sampling }, isGuided ? createMatcher(grammars[i % grammars.length], vocabulary) : null);
      }
      const start = performance.now();
      while (engine.hasWork) engine.step();
      return (1000 * generated) / (performance.now() - start);
    };
    const rounds = Array.from({ length: quick ? 2 : 6 }, () => [round(false), round(true)]).slice(1);
    const [free, guided] = [0, 1].map((side) => median(rounds.map((speeds) => speeds[side])));
    return { concurrency: CONCURRENCY, 'free tok/s': free, 'guided tok/s': guided, 'cost %': 100 * (1 - median(rounds.map(([without, withMasks]) => withMasks / without))) };
  } finally {
    model.close();
  }
}

export interface GrammarBenchOptions {
  readonly dimensions: string;
  readonly backend: BackendName;
  readonly threads: number;
  readonly quick: boolean;
}

export async function benchGrammar(options: GrammarBenchOptions): Promise<BenchResult> {
  const { quick } = options;
  const size = 131_072;
  const source = syntheticVocabulary(size);
  const vocabulary = new Vocabulary(source, [0]);
  const mask = vocabulary.newMask();
  const rounds = quick ? 3 : 20;
  const all = { compile: [] as number[], first: [] as number[], again: [] as number[] };
  const rows = CASES.map(({ name, schema, instance }) => {
    const own = { compile: [] as number[], first: [] as number[], again: [] as number[] };
    const tokens = source.encode(JSON.stringify(instance));
    for (let round = 0; round < rounds; round++) {
      let start = performance.now();
      const grammar = compileSchema(schema);
      own.compile.push(performance.now() - start);
      // The first matcher of a grammar makes its states and masks, the second finds them.
      for (const times of [own.first, own.again]) {
        const matcher = createMatcher(grammar, vocabulary);
        for (const token of tokens) {
          start = performance.now();
          matcher.fillMask(mask);
          times.push((performance.now() - start) * 1000);
          if (!matcher.accept(token)) throw new Error(`${name}: token ${token} was not accepted`);
        }
      }
    }
    for (const key of ['compile', 'first', 'again'] as const) for (const value of own[key]) all[key].push(value);
    return { schema: name, ...columns(own) };
  });
  const total = columns(all);
  const batch = await throughput(options);
  return { bench: 'grammar', configuration: { vocabulary: size, rounds, 'model of the batch': `random ${options.dimensions}` }, rows: [...rows, { schema: 'all', ...total }, { schema: 'batch', ...batch }], summary: { batch, compileMs: { p50: total['compile ms p50'], p99: total['compile ms p99'] }, maskUs: { p50: total['mask us p50'], p99: total['mask us p99'] } } };
}

function columns({ compile, first, again }: Record<'compile' | 'first' | 'again', readonly number[]>) {
  return {
    'compile ms p50': quantile(compile, 0.5),
    'compile ms p99': quantile(compile, 0.99),
    'mask us p50': quantile(first, 0.5),
    'mask us p99': quantile(first, 0.99),
    'cached us p50': quantile(again, 0.5),
    'cached us p99': quantile(again, 0.99),
  };
}
