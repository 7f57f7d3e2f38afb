import type { ChatEvent, CompletionRequest, TokenLogprob } from '../chat/chat-model.ts';
import type { LocalModel } from '../chat/local.ts';
import { type ChunkRenderer, chunkBuilder, collectAnswers, finishReason, type AnswerOptions, stopReason, streamAnswers } from './answers.ts';
import { type CompletionBody, samplingOf } from './schema.ts';

/** As with OpenAI, where the request names none. */
const DEFAULT_MAX_TOKENS = 16;

/** POST /v1/completions */
export function textCompletion(model: LocalModel, body: CompletionBody, options: AnswerOptions): Promise<Response> {
  const prompts = promptsOf(body.prompt);
  const choices = body.n ?? 1;
  const sampling = samplingOf(body);
  const request: Omit<CompletionRequest, 'prompt'> = {
    ...sampling,
    maxTokens: sampling.maxTokens ?? DEFAULT_MAX_TOKENS,
    echo: body.echo,
    logprobs: body.logprobs,
    cacheSalt: body.cache_salt,
  };
  const start = (index: number, signal: AbortSignal): AsyncIterable<ChatEvent> => {
    const seed = request.seed === undefined ? undefined : request.seed + (index % choices);
    return model.complete({ ...request, prompt: prompts[Math.floor(index / choices)], seed, signal });
  };
  const set = { count: prompts.length * choices, answersPerPrompt: choices, start };
  const head = { id: `cmpl-${options.requestId}`, object: 'text_completion', created: Math.floor(Date.now() / 1000), model: model.id };
  if (body.stream === true) return streamAnswers(set, options, completionChunks(head, body));
  return collectAnswers(set, options, (answers, usage) => ({
    ...head,
    choices: answers.map(({ text, logprobs, finish }, index) => ({
      index,
      text,
      logprobs: body.logprobs === undefined ? null : logprobsBody(logprobs, 0),
      finish_reason: finishReason(finish),
      stop_reason: stopReason(finish),
    })),
    usage,
  }));
}

type Prompt = string | readonly number[];

function promptsOf(prompt: CompletionBody['prompt']): readonly Prompt[] {
  if (typeof prompt === 'string') return [prompt];
  return typeof prompt[0] === 'number' ? [prompt as number[]] : (prompt as string[] | number[][]);
}

function logprobsBody(entries: readonly TokenLogprob[], offset: number): object {
  let place = offset;
  return {
    tokens: entries.map(({ token }) => token),
    token_logprobs: entries.map(({ logprob }) => logprob),
    top_logprobs: entries.map(({ top }) => Object.fromEntries(top.map(({ token, logprob }) => [token, logprob]))),
    text_offset: entries.map(({ token }) => {
      const start = place;
      place += token.length;
      return start;
    }),
  };
}

function completionChunks(head: { id: string; object: string; created: number; model: string }, body: CompletionBody): ChunkRenderer {
  const includeUsage = body.stream_options?.include_usage === true;
  const chunk = chunkBuilder(head, includeUsage);
  const lengths = new Map<number, number>();
  return {
    event(event, index) {
      if (event.type === 'finish') {
        return chunk.choice(index, `"text":"","logprobs":null,"finish_reason":"${finishReason(event)}","stop_reason":${JSON.stringify(stopReason(event))}`);
      }
      if (event.type !== 'text-delta') return '';
      const offset = lengths.get(index) ?? 0;
      lengths.set(index, offset + event.text.length);
      const logprobs = event.logprobs === undefined ? 'null' : JSON.stringify(logprobsBody(event.logprobs, offset));
      return chunk.choice(index, `"text":${JSON.stringify(event.text)},"logprobs":${logprobs},"finish_reason":null`);
    },
    usage: includeUsage ? chunk.usage : null,
  };
}
