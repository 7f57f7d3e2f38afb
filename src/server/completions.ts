import type { ChatEvent, CompletionRequest, TokenLogprob } from '../chat/chat-model.ts';
import type { LocalModel } from '../chat/local.ts';
import { type ChunkRenderer, chunkBuilder, collectAnswers, finishReason, nthSeed, type AnswerOptions, stopReason, streamAnswers } from './answers.ts';
import { answersIn, askedFormat } from './response-format.ts';
import { type CompletionBody, samplingOf } from './schema.ts';

/** As with OpenAI, where the request names none; less where the context ends before. */
const DEFAULT_MAX_TOKENS = 16;

/** POST /v1/completions */
export function textCompletion(model: LocalModel, body: CompletionBody, options: AnswerOptions): Promise<Response> {
  const prompts = promptsOf(body.prompt);
  const choices = body.n ?? 1;
  const defaults = { ...model.defaults, maxTokens: DEFAULT_MAX_TOKENS };
  const asked = askedFormat(body);
  const request: Omit<CompletionRequest, 'prompt'> = {
    ...samplingOf(body),
    echo: body.echo,
    logprobs: body.logprobs,
    responseFormat: asked?.format,
    cacheSalt: body.cache_salt,
  };
  const start = (index: number, signal: AbortSignal): AsyncIterable<ChatEvent> => {
    const seed = nthSeed(request.seed, index % choices);
    return answersIn(asked, model.complete({ ...request, prompt: prompts[Math.floor(index / choices)], seed, signal }, defaults));
  };
  const set = { count: prompts.length * choices, answersPerPrompt: choices, start };
  const head = { id: `cmpl-${options.requestId}`, object: 'text_completion', created: Math.floor(Date.now() / 1000), model: model.id };
  if (body.stream === true) return streamAnswers(set, options, completionChunks(head, body));
  return collectAnswers(set, options, (answers, usage) => ({
    ...head,
    choices: answers.map(({ text, logprobs, finish }, index) => ({
      index,
      text,
      logprobs: body.logprobs === undefined ? null : new LogprobsRenderer().render(logprobs),
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

/** Log-probabilities of an answer, whole or in pieces. Offsets are places in its text, where a character may be of several tokens. */
class LogprobsRenderer {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #offset = 0;

  render(entries: readonly TokenLogprob[]): object {
    return {
      tokens: entries.map(tokenName),
      token_logprobs: entries.map(({ logprob }) => logprob),
      top_logprobs: entries.map(({ top }) => Object.fromEntries(top.map((entry) => [tokenName(entry), entry.logprob]))),
      text_offset: entries.map(({ bytes }) => {
        const start = this.#offset;
        this.#offset += this.#decoder.decode(Uint8Array.from(bytes), { stream: true }).length;
        return start;
      }),
    };
  }
}

/** OpenAI's spelling of what is not text by itself, so that such tokens differ from each other: `bytes:\xf0\x9f`. */
function tokenName({ token, bytes }: Pick<TokenLogprob, 'token' | 'bytes'>): string {
  if (!token.includes('\uFFFD') || Buffer.from(token).equals(Uint8Array.from(bytes))) return token;
  return `bytes:${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
}

function completionChunks(head: { id: string; object: string; created: number; model: string }, body: CompletionBody): ChunkRenderer {
  const includeUsage = body.stream_options?.include_usage === true;
  const chunk = chunkBuilder(head, includeUsage);
  const renderers = new Map<number, LogprobsRenderer>();
  const rendererOf = (index: number): LogprobsRenderer => {
    const renderer = renderers.get(index) ?? new LogprobsRenderer();
    renderers.set(index, renderer);
    return renderer;
  };
  return {
    event(event, index) {
      if (event.type === 'finish') {
        return chunk.choice(index, `"text":"","logprobs":null,"finish_reason":"${finishReason(event)}","stop_reason":${JSON.stringify(stopReason(event))}`);
      }
      if (event.type !== 'text-delta') return '';
      const logprobs = event.logprobs === undefined ? 'null' : JSON.stringify(rendererOf(index).render(event.logprobs));
      return chunk.choice(index, `"text":${JSON.stringify(event.text)},"logprobs":${logprobs},"finish_reason":null`);
    },
    usage: includeUsage ? chunk.usage : null,
  };
}
