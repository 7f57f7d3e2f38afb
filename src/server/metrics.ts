/** Prometheus metrics, under vLLM's names where it has one, so that its dashboards and schedulers work. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { GenerationObserver } from '../chat/local.ts';
import type { EngineClient, EngineStats } from '../engine/client.ts';

type Read = (stats: EngineStats) => number;

const GAUGES: readonly [name: string, help: string, read: Read][] = [
  ['vllm:num_requests_running', 'Requests in the running batch', (stats) => stats.numRequestsRunning],
  ['vllm:num_requests_waiting', 'Requests waiting to be scheduled', (stats) => stats.numRequestsWaiting],
  ['vllm:kv_cache_usage_perc', 'Share of cache blocks in use, 0 to 1', (stats) => stats.cacheUsage],
  ['vllm:gpu_cache_usage_perc', 'The same under its older name', (stats) => stats.cacheUsage],
];

const COUNTERS: readonly [name: string, help: string, read: Read][] = [
  ['vllm:prompt_tokens_total', 'Prompt tokens processed', (stats) => stats.promptTokens],
  ['vllm:generation_tokens_total', 'Tokens generated', (stats) => stats.generatedTokens],
  ['vllm:prefix_cache_queries_total', 'Prompt tokens looked up in the prefix cache', (stats) => stats.prefixCacheQueries],
  ['vllm:prefix_cache_hits_total', 'Prompt tokens found in the prefix cache', (stats) => stats.prefixCacheHits],
  ['vllm:num_preemptions_total', 'Requests preempted', (stats) => stats.preemptions],
  ['tetrad:engine_steps_total', 'Steps of the engine', (stats) => stats.steps],
  ['vllm:spec_decode_num_draft_tokens_total', 'Tokens drafted', (stats) => stats.draftedTokens],
  ['vllm:spec_decode_num_accepted_tokens_total', 'Drafted tokens that the model said, too', (stats) => stats.acceptedDraftTokens],
  ['tetrad:forced_tokens_total', 'Tokens that a grammar left no choice about', (stats) => stats.forcedTokens],
];

const FIRST_TOKEN_SECONDS = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640];
const TOKEN_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40];
const REQUEST_SECONDS = [0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960];
const TOKENS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000];

const LABELS = ['model_name'];

export class Metrics {
  readonly #registry = new Registry();
  readonly #finished: Counter;
  readonly #firstToken: Histogram;
  /** Under its name and its older one. */
  readonly #interToken: readonly Histogram[];
  readonly #endToEnd: Histogram;
  readonly #promptTokens: Histogram;
  readonly #generationTokens: Histogram;

  constructor(engines: ReadonlyMap<string, EngineClient>) {
    const registers = [this.#registry];
    for (const [name, help, read] of GAUGES) {
      const collect = function (this: Gauge): void {
        for (const [model, engine] of engines) this.set({ model_name: model }, read(engine.stats()));
      };
      this.#registry.registerMetric(new Gauge({ name, help, labelNames: LABELS, registers: [], collect }));
    }
    for (const [name, help, read] of COUNTERS) {
      const collect = function (this: Counter): void {
        this.reset();
        for (const [model, engine] of engines) this.inc({ model_name: model }, read(engine.stats()));
      };
      this.#registry.registerMetric(new Counter({ name, help, labelNames: LABELS, registers: [], collect }));
    }
    const cache = new Gauge({ name: 'vllm:cache_config_info', help: 'Size of the cache', labelNames: ['model_name', 'block_size', 'num_gpu_blocks'], registers });
    for (const [model, { description }] of engines) {
      cache.set({ model_name: model, block_size: description.blockSize, num_gpu_blocks: description.numBlocks }, 1);
    }
    this.#finished = new Counter({ name: 'vllm:request_success_total', help: 'Requests finished', labelNames: ['model_name', 'finished_reason'], registers });
    const histogram = (name: string, help: string, buckets: number[]): Histogram => new Histogram({ name, help, buckets, labelNames: LABELS, registers });
    this.#firstToken = histogram('vllm:time_to_first_token_seconds', 'From the request to its first token', FIRST_TOKEN_SECONDS);
    this.#interToken = ['vllm:inter_token_latency_seconds', 'vllm:time_per_output_token_seconds'].map((name) =>
      histogram(name, 'Between the steps that gave a request tokens', TOKEN_SECONDS),
    );
    this.#endToEnd = histogram('vllm:e2e_request_latency_seconds', 'From the request to its last token', REQUEST_SECONDS);
    this.#promptTokens = histogram('vllm:request_prompt_tokens', 'Prompt tokens of a request', TOKENS);
    this.#generationTokens = histogram('vllm:request_generation_tokens', 'Generated tokens of a request', TOKENS);
  }

  observer(model: string): GenerationObserver {
    const label = { model_name: model };
    return {
      step: ({ first, sinceStart, sinceLast }) => {
        if (first) this.#firstToken.observe(label, sinceStart);
        else for (const metric of this.#interToken) metric.observe(label, sinceLast);
      },
      end: ({ reason, seconds, usage }) => {
        this.#finished.inc({ ...label, finished_reason: reason });
        this.#endToEnd.observe(label, seconds);
        this.#promptTokens.observe(label, usage.promptTokens);
        this.#generationTokens.observe(label, usage.completionTokens);
      },
    };
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  render(): Promise<string> {
    return this.#registry.metrics();
  }
}
