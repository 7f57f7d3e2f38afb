import type { ChatEvent, ChatFinishReason, ChatMessage, ChatModel, ChatRequest, ResponseFormat, TokenLogprob, ToolCall, ToolChoice, Usage } from './chat-model.ts';
import { isObject, parseJson } from './json.ts';

export interface RemoteModelOptions {
  /** The name under which it is served here. */
  readonly id: string;
  /** Up to and including /v1. */
  readonly baseUrl: string;
  /** The endpoint's name for the model; `id` by default. */
  readonly model?: string;
  readonly apiKey?: string;
  /** Longest silence: until the response begins, and between its pieces. */
  readonly timeoutMs?: number;
  /** The endpoint is a Tetrad server: log-probabilities come with the share that the grammar let through. */
  readonly legalMass?: boolean;
  readonly fetch?: typeof fetch;
}

/** The endpoint answered with an error, in a way that cannot be read, or not at all. */
export class RemoteError extends Error {
  override name = 'RemoteError';
  /** HTTP status; null where there was no answer. */
  readonly status: number | null;
  readonly body: string;
  constructor(message: string, status: number | null = null, body = '') {
    super(message);
    this.status = status;
    this.body = body;
  }
}

/** Any endpoint that speaks OpenAI's chat completions. */
export class RemoteModel implements ChatModel {
  readonly id: string;
  readonly #options: RemoteModelOptions;

  constructor(options: RemoteModelOptions) {
    this.id = options.id;
    this.#options = options;
  }

  async *stream(request: ChatRequest): AsyncGenerator<ChatEvent, void, undefined> {
    const { baseUrl, model = this.id, apiKey, timeoutMs = 120_000, legalMass = false, fetch: send = fetch } = this.#options;
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), timeoutMs);
    const signals = request.signal === undefined ? [silence.signal] : [silence.signal, request.signal];
    try {
      const response = await send(`${baseUrl.replace(/\/$/u, '')}/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }) },
        body: JSON.stringify({ ...remoteRequest(model, request), ...(legalMass && request.logprobs !== undefined ? { legal_mass: true } : {}) }),
        signal: AbortSignal.any(signals),
      });
      if (!response.ok || response.body === null) {
        const body = (await response.text()).slice(0, 4096);
        throw new RemoteError(`${baseUrl} answered ${response.status}: ${body}`, response.status, body);
      }
      const answer = new RemoteAnswer();
      for await (const data of serverSentEvents(response.body)) {
        timer.refresh();
        if (data === '[DONE]') break;
        yield* answer.chunk(parseChunk(data));
      }
      yield* answer.finish();
    } catch (error) {
      if (request.signal?.aborted) yield { type: 'finish', reason: 'abort', usage: NO_USAGE };
      else if (silence.signal.aborted) throw new RemoteError(`${baseUrl} was silent for ${timeoutMs} ms`);
      else if (error instanceof RemoteError) throw error;
      else throw new RemoteError(`${baseUrl} cannot be reached: ${causeOf(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {}
}

const NO_USAGE: Usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function remoteRequest(model: string, request: ChatRequest): Record<string, unknown> {
  return {
    model,
    messages: request.messages.map(remoteMessage),
    tools: request.tools?.length ? request.tools.map((tool) => ({ type: 'function', function: tool })) : undefined,
    tool_choice: request.tools?.length ? remoteToolChoice(request.toolChoice) : undefined,
    parallel_tool_calls: request.tools?.length ? request.parallelToolCalls : undefined,
    ...remoteFormat(request.responseFormat),
    chat_template_kwargs: request.templateArguments,
    temperature: request.temperature,
    top_k: request.topK,
    top_p: request.topP,
    min_p: request.minP,
    repetition_penalty: request.repetitionPenalty,
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
    logit_bias: request.logitBias,
    seed: request.seed,
    stop: request.stop?.length ? request.stop : undefined,
    stop_token_ids: request.stopTokenIds?.length ? request.stopTokenIds : undefined,
    ignore_eos: request.ignoreEos,
    max_tokens: request.maxTokens,
    logprobs: request.logprobs === undefined ? undefined : true,
    top_logprobs: request.logprobs,
    cache_salt: request.cacheSalt,
    stream: true,
    stream_options: { include_usage: true },
  };
}

function remoteToolChoice(choice: ToolChoice | undefined): unknown {
  return typeof choice === 'object' ? { type: 'function', function: choice } : choice;
}

/** What OpenAI has no field for goes under vLLM's. */
function remoteFormat(format: ResponseFormat | undefined): Record<string, unknown> {
  switch (format?.type) {
    case undefined:
      return {};
    case 'json-object':
      return { response_format: { type: 'json_object' } };
    case 'json-schema':
      return { response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: format.schema } } };
    case 'regex':
      return { structured_outputs: { regex: format.pattern } };
    case 'choice':
      return { structured_outputs: { choice: format.choices } };
    case 'grammar':
      return { structured_outputs: { grammar: format.text } };
  }
}

function remoteMessage(message: ChatMessage): Record<string, unknown> {
  switch (message.role) {
    case 'system':
    case 'user':
      return message;
    case 'tool':
      return { role: 'tool', content: message.content, tool_call_id: message.toolCallId };
    case 'assistant': {
      const calls = message.toolCalls?.map((call) => ({ id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } }));
      return { role: 'assistant', content: message.content, tool_calls: calls?.length ? calls : undefined };
    }
  }
}

interface RemoteLogprob {
  readonly token: string;
  readonly bytes?: readonly number[] | null;
  readonly logprob: number;
  /** Tetrad's own. */
  readonly legal_mass?: number | null;
  readonly forced?: boolean;
}

/** What is read of a chunk; every part may be missing. */
interface RemoteChunk {
  readonly error?: { readonly message?: string };
  readonly choices?: readonly {
    readonly delta?: {
      readonly content?: string | null;
      readonly reasoning_content?: string | null;
      readonly reasoning?: string | null;
      readonly tool_calls?: readonly { readonly index: number; readonly id?: string; readonly function?: { readonly name?: string; readonly arguments?: string } }[] | null;
    };
    readonly logprobs?: { readonly content?: readonly (RemoteLogprob & { readonly top_logprobs?: readonly RemoteLogprob[] })[] | null } | null;
    readonly finish_reason?: string | null;
    /** vLLM's: the stop string or token that ended it. */
    readonly stop_reason?: string | number | null;
  }[];
  readonly usage?: {
    readonly prompt_tokens?: number;
    readonly completion_tokens?: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number } | null;
  } | null;
}

const FINISH_REASONS: Record<string, ChatFinishReason> = { length: 'length', tool_calls: 'tool-calls', abort: 'abort' };

type RemoteCallPart = NonNullable<NonNullable<NonNullable<RemoteChunk['choices']>[number]['delta']>['tool_calls']>[number];

/** Chunks become events. */
class RemoteAnswer {
  #usage = NO_USAGE;
  #reason: ChatFinishReason | null = null;
  #stop: string | number | null = null;
  /** By the endpoint's own index; ours count in the order of their beginnings. */
  readonly #calls = new Map<number, { readonly index: number; readonly call: ToolCall }>();

  *chunk(chunk: RemoteChunk): Generator<ChatEvent> {
    if (chunk.error !== undefined) throw new RemoteError(`The endpoint failed while answering: ${chunk.error.message ?? JSON.stringify(chunk.error)}`);
    if (chunk.usage) {
      this.#usage = {
        promptTokens: chunk.usage.prompt_tokens ?? 0,
        cachedTokens: chunk.usage.prompt_tokens_details?.cached_tokens ?? 0,
        completionTokens: chunk.usage.completion_tokens ?? 0,
      };
    }
    const choice = chunk.choices?.[0];
    const delta = choice?.delta;
    const reasoning = delta?.reasoning_content ?? delta?.reasoning;
    if (reasoning) yield { type: 'reasoning-delta', text: reasoning };
    const logprobs = choice?.logprobs?.content?.map((entry): TokenLogprob => ({
      ...named(entry),
      legalMass: entry.legal_mass ?? null,
      forced: entry.forced ?? false,
      top: (entry.top_logprobs ?? []).map(named),
    }));
    const calls = delta?.tool_calls ?? [];
    const scored = logprobs?.length ? { logprobs } : {};
    if (delta?.content || (calls.length === 0 && logprobs?.length)) yield { type: 'text-delta', text: delta?.content ?? '', ...scored };
    // Log-probabilities beside several calls belong to no one of them.
    for (const part of calls) yield* this.#callPart(part, calls.length === 1 && !delta?.content ? scored : {});
    if (!choice?.finish_reason) return;
    this.#reason = FINISH_REASONS[choice.finish_reason] ?? 'stop';
    this.#stop = choice.stop_reason ?? null;
  }

  /** The first part of a call has its id and name whole. */
  *#callPart(part: RemoteCallPart, scored: { readonly logprobs?: readonly TokenLogprob[] }): Generator<ChatEvent> {
    const known = this.#calls.get(part.index);
    const json = part.function?.arguments ?? '';
    const { index, call } = known ?? { index: this.#calls.size, call: { id: part.id ?? '', name: part.function?.name ?? '', arguments: '' } };
    this.#calls.set(part.index, { index, call: { ...call, arguments: call.arguments + json } });
    if (known === undefined) yield { type: 'tool-call-start', index, id: call.id, name: call.name };
    if (json !== '' || scored.logprobs !== undefined) yield { type: 'tool-call-delta', index, arguments: json, ...scored };
  }

  *finish(): Generator<ChatEvent> {
    if (this.#reason === null) throw new RemoteError('The endpoint broke off its answer');
    // A call that was cut off is not given out as a whole. Some endpoints write no arguments at all where there are none.
    const isCut = this.#reason === 'length' || this.#reason === 'abort';
    for (const { index, call } of this.#calls.values()) if (isObject(parseJson(call.arguments)) || (call.arguments === '' && !isCut)) yield { type: 'tool-call', index, call };
    yield { type: 'finish', reason: this.#reason, ...(this.#stop === null ? {} : { stop: this.#stop }), usage: this.#usage };
  }
}

const named = (entry: RemoteLogprob): { token: string; bytes: readonly number[]; logprob: number } => ({
  token: entry.token,
  bytes: entry.bytes ?? [...new TextEncoder().encode(entry.token)],
  logprob: entry.logprob,
});

function parseChunk(data: string): RemoteChunk {
  try {
    return JSON.parse(data) as RemoteChunk;
  } catch {
    throw new RemoteError(`The endpoint sent an event that is not JSON: ${data.slice(0, 200)}`);
  }
}

/** The data of each event of a stream. */
export async function* serverSentEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  let data: string[] = [];
  for await (const bytes of body as unknown as AsyncIterable<Uint8Array>) {
    rest += decoder.decode(bytes, { stream: true });
    const lines = rest.split(/\r?\n/u);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
      else if (line === '' && data.length > 0) {
        yield data.join('\n');
        data = [];
      }
    }
  }
  if (data.length > 0) yield data.join('\n');
}
