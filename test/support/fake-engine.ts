import type { EngineClient, EngineStats, FinishReason, GenerateRequest, TokensEvent } from '../../src/engine/client.ts';
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts';

export interface FakeEngineOptions {
  readonly tokenizer: Tokenizer;
  /** The answer to a prompt; it ends with the end-of-sequence token. */
  readonly answer: (prompt: string) => string;
  readonly tokensPerStep?: number;
  readonly maxModelLength?: number;
  readonly grammarRefusal?: string;
  readonly onRequest?: (request: GenerateRequest) => void;
}

export interface FakeEngine extends EngineClient {
  readonly running: () => number;
  readonly closed: () => boolean;
}

/** Streams scripted text, one or more tokens a step, and keeps the engine's promises about ends and aborts. */
export function fakeEngine(options: FakeEngineOptions): FakeEngine {
  const { tokenizer, tokensPerStep = 1, maxModelLength = 4096 } = options;
  const eos = tokenizer.tokenId(tokenizer.eosToken ?? '') ?? -1;
  const counts = { running: 0, promptTokens: 0, cachedPromptTokens: 0, generatedTokens: 0, steps: 0 };
  let closed = false;

  async function* generate(request: GenerateRequest, signal?: AbortSignal): AsyncGenerator<TokensEvent> {
    const { sampling } = request;
    const answer = [...tokenizer.encode(options.answer(tokenizer.decode([...request.prompt], { skipSpecialTokens: false }))), eos];
    counts.running++;
    counts.promptTokens += request.prompt.length;
    try {
      let made = 0;
      for (let finishReason: FinishReason | null = null; finishReason === null; ) {
        await new Promise(setImmediate);
        const tokens: number[] = [];
        while (tokens.length < tokensPerStep && finishReason === null) {
          const token = answer[made % answer.length];
          tokens.push(token);
          made++;
          if ((token === eos && !sampling.ignoreEos) || sampling.stopTokenIds.includes(token)) finishReason = 'stop';
          else if (made === sampling.maxTokens) finishReason = 'length';
        }
        if (signal?.aborted || closed) finishReason = 'abort';
        counts.steps++;
        counts.generatedTokens += tokens.length;
        const count = sampling.logprobs;
        const logprobs =
          count === null
            ? null
            : tokens.map((token) => ({ logprob: -0.5, top: Array.from({ length: count }, (_, i) => [(token + i) % tokenizer.vocabSize, -0.5 - i] as const) }));
        yield { tokens, logprobs, legalMass: tokens.map(() => 1), forced: tokens.map(() => false), numCachedTokens: Math.min(2, request.prompt.length - 1), finishReason };
      }
    } finally {
      counts.running--;
    }
  }

  return {
    description: {
      vocabSize: tokenizer.vocabSize,
      maxModelLength,
      eosTokenIds: [eos],
      grammarRefusal: options.grammarRefusal ?? null,
      backend: 'reference',
      backendDescription: 'scripted',
      numBlocks: 64,
      blockSize: 32,
      weightBytes: 0,
      cacheBytes: 0,
    },
    failure: null,
    generate(request, signal) {
      options.onRequest?.(request);
      return generate(request, signal);
    },
    stats: (): EngineStats => ({
      numRequestsRunning: counts.running,
      numRequestsWaiting: 0,
      cacheUsage: counts.running / 64,
      numBlocks: 64,
      blockSize: 32,
      promptTokens: counts.promptTokens,
      cachedPromptTokens: counts.cachedPromptTokens,
      generatedTokens: counts.generatedTokens,
      forcedTokens: 0,
      draftedTokens: 0,
      acceptedDraftTokens: 0,
      preemptions: 0,
      steps: counts.steps,
      prefixCacheQueries: counts.promptTokens,
      prefixCacheHits: counts.cachedPromptTokens,
    }),
    close: async () => {
      closed = true;
    },
    running: () => counts.running,
    closed: () => closed,
  };
}
