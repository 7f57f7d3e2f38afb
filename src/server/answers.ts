/** What chat and text completions share: several answers of a model, collected or streamed. */
import type { Context } from 'hono';
import type { ChatEvent, ChatFinishReason, ToolCall, TokenLogprob, Usage } from '../chat/chat-model.ts';
import type { Admission } from './admission.ts';
import { type ApiError } from './errors.ts';
import { eventStream } from './sse.ts';

/** Begins answer `index`; ends early when the signal says so. */
export type StartAnswer = (index: number, signal: AbortSignal) => AsyncIterable<ChatEvent>;

export interface AnswerSet {
  readonly count: number;
  /** Answers to one prompt follow each other; its tokens count once. */
  readonly answersPerPrompt: number;
  readonly start: StartAnswer;
}

export interface AnswerOptions {
  readonly context: Context;
  readonly admission: Admission;
  readonly requestId: string;
  /** Of every response to this request. */
  readonly headers: Readonly<Record<string, string>>;
  readonly toError: (error: unknown) => ApiError;
}

export interface Collected {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCall[];
  readonly logprobs: readonly TokenLogprob[];
  readonly finish: Finish;
}

export type Finish = Extract<ChatEvent, { type: 'finish' }>;

/** Runs the answers to their ends and makes one response of them. */
export async function collectAnswers(set: AnswerSet, options: AnswerOptions, render: (answers: readonly Collected[], usage: object) => object): Promise<Response> {
  const leave = options.admission.enter(set.count);
  const abort = abortWith(options.context);
  try {
    const streams = Array.from({ length: set.count }, (_, index) => set.start(index, abort.signal));
    const answers = await Promise.all(streams.map(collect));
    return options.context.json(render(answers, usageBody(totalUsage(answers.map(({ finish }) => finish.usage), set.answersPerPrompt))));
  } catch (error) {
    abort.abort();
    throw error;
  } finally {
    leave();
  }
}

async function collect(events: AsyncIterable<ChatEvent>): Promise<Collected> {
  let text = '';
  let reasoning = '';
  const toolCalls: ToolCall[] = [];
  const logprobs: TokenLogprob[] = [];
  for await (const event of events) {
    switch (event.type) {
      case 'text-delta':
        text += event.text;
        if (event.logprobs !== undefined) logprobs.push(...event.logprobs);
        break;
      case 'reasoning-delta':
        reasoning += event.text;
        break;
      case 'tool-call-delta':
        if (event.logprobs !== undefined) logprobs.push(...event.logprobs);
        break;
      case 'tool-call':
        toolCalls.push(event.call);
        break;
      case 'finish':
        return { text, reasoning, toolCalls, logprobs, finish: event };
    }
  }
  throw new Error('A model ended its answer without a finish event');
}

export interface ChunkRenderer {
  /** Chunks of an event of answer `index`, in the form of server-sent events. */
  readonly event: (event: ChatEvent, index: number) => string;
  /** The chunk that closes a stream that was asked for usage. */
  readonly usage: ((usage: object) => string) | null;
}

/** Streams the answers side by side as they come. */
export function streamAnswers(set: AnswerSet, options: AnswerOptions, renderer: ChunkRenderer): Promise<Response> {
  const leave = options.admission.enter(set.count);
  const abort = abortWith(options.context);
  const run = async (sink: { write(text: string): Promise<void> | null }): Promise<void> => {
    const pump = async (events: AsyncIterable<ChatEvent>, index: number): Promise<Usage> => {
      for await (const event of events) {
        const lag = sink.write(renderer.event(event, index));
        if (event.type === 'finish') return event.usage;
        if (lag !== null) await lag;
      }
      throw new Error('A model ended its answer without a finish event');
    };
    try {
      const streams = Array.from({ length: set.count }, (_, index) => set.start(index, abort.signal));
      const usages = await Promise.all(streams.map(pump));
      if (renderer.usage !== null) void sink.write(renderer.usage(usageBody(totalUsage(usages, set.answersPerPrompt))));
      void sink.write('data: [DONE]\n\n');
    } catch (error) {
      abort.abort();
      throw error;
    } finally {
      leave();
    }
  };
  return eventStream(options.context, run, {
    headers: options.headers,
    onCancel: () => abort.abort(),
    toError: options.toError,
  });
}

/** Seed of an answer: they count up from the request's, and begin again behind the last of 53 bits. */
export function nthSeed(seed: number | undefined, index: number): number | undefined {
  if (seed === undefined) return undefined;
  return seed + index <= Number.MAX_SAFE_INTEGER ? seed + index : seed - 2 ** 53 + index;
}

/** Aborts when the client goes away, or by hand. */
function abortWith(context: Context): AbortController {
  const controller = new AbortController();
  const { signal } = context.req.raw;
  if (signal.aborted) controller.abort();
  else signal.addEventListener('abort', () => controller.abort(), { once: true });
  return controller;
}

function totalUsage(usages: readonly Usage[], answersPerPrompt: number): Usage {
  const total = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
  usages.forEach((usage, index) => {
    total.completionTokens += usage.completionTokens;
    if (index % answersPerPrompt !== 0) return;
    total.promptTokens += usage.promptTokens;
    total.cachedTokens += usage.cachedTokens;
  });
  return total;
}

function usageBody(usage: Usage): object {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
  };
}

const FINISH_REASONS: Record<ChatFinishReason, string> = { stop: 'stop', length: 'length', 'tool-calls': 'tool_calls', abort: 'abort' };

export const finishReason = (finish: Finish): string => FINISH_REASONS[finish.reason];

/** vLLM's field: what of the request's stops ended the answer. */
export const stopReason = (finish: Finish): string | number | null => finish.stop ?? null;

export interface ChunkHead {
  readonly id: string;
  readonly object: string;
  readonly created: number;
  readonly model: string;
}

/** Builds chunks around their constant parts. `choice` is JSON text without the braces. */
export function chunkBuilder(head: ChunkHead, includeUsage: boolean): { choice: (index: number, choice: string) => string; usage: (usage: object) => string } {
  const start = `data: ${JSON.stringify(head).slice(0, -1)},"choices":[`;
  const end = includeUsage ? '}],"usage":null}\n\n' : '}]}\n\n';
  return {
    choice: (index, choice) => `${start}{"index":${index},${choice}${end}`,
    usage: (usage) => `${start}],"usage":${JSON.stringify(usage)}}\n\n`,
  };
}
