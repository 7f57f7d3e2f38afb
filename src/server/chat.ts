import type { ChatEvent, ChatModel, ChatRequest, TokenLogprob, ToolCall } from '../chat/chat-model.ts';
import { type ChunkRenderer, type Collected, chunkBuilder, collectAnswers, finishReason, nthSeed, type AnswerOptions, stopReason, streamAnswers } from './answers.ts';
import { answersIn, askedFormat } from './response-format.ts';
import { type ChatBody, samplingOf } from './schema.ts';

/** POST /v1/chat/completions */
export function chatCompletion(model: ChatModel, body: ChatBody, options: AnswerOptions): Promise<Response> {
  const asked = askedFormat(body);
  const request: ChatRequest = {
    ...samplingOf(body),
    messages: body.messages,
    tools: body.tools,
    toolChoice: body.tool_choice,
    parallelToolCalls: body.parallel_tool_calls,
    responseFormat: asked?.format,
    maxTokens: body.max_completion_tokens ?? body.max_tokens,
    logprobs: body.logprobs === true ? (body.top_logprobs ?? 0) : undefined,
    templateArguments: body.chat_template_kwargs,
    cacheSalt: body.cache_salt,
  };
  const count = body.n ?? 1;
  const start = (index: number, signal: AbortSignal): AsyncIterable<ChatEvent> =>
    answersIn(asked, model.stream({ ...request, seed: nthSeed(request.seed, index), signal }));
  const set = { count, answersPerPrompt: count, start };
  const head = { id: `chatcmpl-${options.requestId}`, object: 'chat.completion', created: Math.floor(Date.now() / 1000), model: model.id };
  if (body.stream === true) return streamAnswers(set, options, chatChunks({ ...head, object: 'chat.completion.chunk' }, body));
  return collectAnswers(set, options, (answers, usage) => ({
    ...head,
    choices: answers.map((answer, index) => chatChoice(answer, index, body)),
    usage,
  }));
}

function chatChoice(answer: Collected, index: number, body: ChatBody): object {
  const { text, reasoning, toolCalls, finish } = answer;
  return {
    index,
    message: {
      role: 'assistant',
      content: text === '' && toolCalls.length > 0 ? null : text,
      refusal: null,
      ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
      ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls.map(callBody) }),
    },
    logprobs: body.logprobs === true ? logprobsBody(answer.logprobs, body) : null,
    finish_reason: finishReason(finish),
    stop_reason: stopReason(finish),
  };
}

const callBody = (call: ToolCall): object => ({ id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } });

/** Of the tokens of text and calls alike, as with vLLM. */
function logprobsBody(entries: readonly TokenLogprob[], { legal_mass: withMass }: ChatBody): object {
  const content = entries.map(({ token, bytes, logprob, legalMass, forced, top }) => ({
    token,
    logprob,
    bytes,
    top_logprobs: top,
    ...(withMass === true ? { legal_mass: legalMass, forced } : {}),
  }));
  return { content, refusal: null };
}

function chatChunks(head: { id: string; object: string; created: number; model: string }, body: ChatBody): ChunkRenderer {
  const includeUsage = body.stream_options?.include_usage === true;
  const chunk = chunkBuilder(head, includeUsage);
  const begun = new Set<number>();
  const delta = (index: number, json: string, logprobs?: readonly TokenLogprob[]): string => {
    const scores = logprobs === undefined ? 'null' : JSON.stringify(logprobsBody(logprobs, body));
    return chunk.choice(index, `"delta":${json},"logprobs":${scores},"finish_reason":null`);
  };
  const render = (event: ChatEvent, index: number): string => {
    switch (event.type) {
      case 'text-delta':
        return delta(index, `{"content":${JSON.stringify(event.text)}}`, event.logprobs);
      case 'reasoning-delta':
        return delta(index, `{"reasoning_content":${JSON.stringify(event.text)}}`);
      case 'tool-call-start':
        return delta(index, JSON.stringify({ tool_calls: [{ index: event.index, ...callBody({ id: event.id, name: event.name, arguments: '' }) }] }));
      case 'tool-call-delta':
        return delta(index, JSON.stringify({ tool_calls: [{ index: event.index, function: { arguments: event.arguments } }] }), event.logprobs);
      case 'tool-call':
        return ''; // whose parts have been sent
      case 'finish':
        return chunk.choice(
          index,
          `"delta":{},"logprobs":null,"finish_reason":"${finishReason(event)}","stop_reason":${JSON.stringify(stopReason(event))}`,
        );
    }
  };
  return {
    event(event, index) {
      if (begun.has(index)) return render(event, index);
      begun.add(index);
      return delta(index, '{"role":"assistant","content":""}') + render(event, index);
    },
    usage: includeUsage ? chunk.usage : null,
  };
}
