import { randomUUID } from 'node:crypto';
import type { EngineClient, EngineDescription, EngineStats, TokenLogprobs, TokensEvent } from '../engine/client.ts';
import { RequestError } from '../engine/request-error.ts';
import type { SamplingParams } from '../engine/sampling.ts';
import { Detokenizer } from '../tokenizer/detokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { ChatEvent, ChatModel, ChatRequest, ChatSampling, CompletionRequest, TokenLogprob, Usage } from './chat-model.ts';
import { type OutputFormat, type OutputPart, OutputRouter, outputFormat, tagsOf } from './parse.ts';
import type { ChatTemplate, TemplateInput } from './template.ts';

export interface LocalModelOptions {
  readonly id: string;
  readonly engine: EngineClient;
  readonly tokenizer: Tokenizer;
  /** Without one, only raw prompts are continued. */
  readonly template: ChatTemplate | null;
  /** What the checkpoint's generation_config.json says. */
  readonly defaults?: ChatSampling;
  readonly observer?: GenerationObserver;
}

/** Told of every step and every end; times in seconds. */
export interface GenerationObserver {
  step(timing: { readonly sinceStart: number; readonly sinceLast: number; readonly first: boolean }): void;
  end(result: { readonly reason: 'stop' | 'length' | 'abort'; readonly seconds: number; readonly usage: Usage }): void;
}

/** Prompt and output together do not fit. */
export class ContextLengthError extends RequestError {
  override name = 'ContextLengthError';
}

type Sampled = Omit<ChatSampling, 'stop'> & { readonly stop?: readonly string[]; readonly cacheSalt?: string; readonly signal?: AbortSignal };

/** A checkpoint in this process: strings outside, tokens inside. */
export class LocalModel implements ChatModel, AsyncDisposable {
  readonly id: string;
  readonly engine: EngineClient;
  readonly tokenizer: Tokenizer;
  readonly defaults: ChatSampling;
  observer: GenerationObserver | undefined;
  readonly #template: ChatTemplate | null;
  readonly #format: OutputFormat;
  readonly #tags: ReadonlySet<number>;
  readonly #longestToken: number;

  constructor(options: LocalModelOptions) {
    const { tokenizer } = options;
    this.id = options.id;
    this.engine = options.engine;
    this.tokenizer = tokenizer;
    this.defaults = options.defaults ?? {};
    this.observer = options.observer;
    this.#template = options.template;
    this.#format = outputFormat(options.template?.source ?? '');
    this.#tags = new Set(tagsOf(this.#format).flatMap((tag) => tokenizer.tokenId(tag) ?? []));
    this.#longestToken = longestToken(tokenizer);
  }

  /** Throws RequestError at once where the request can't be served. */
  stream(request: ChatRequest): AsyncIterable<ChatEvent> {
    const prompt = this.prompt(request);
    const router = new OutputRouter(this.#format, {
      tools: request.tools !== undefined && request.tools.length > 0,
      reasoning: prompt.trimEnd().endsWith(this.#format.reasoning.open),
    });
    return this.#generate(this.#fitting(prompt, (text) => this.tokenizer.encode(text)), request, router);
  }

  /** Continues a raw prompt: no template, no parsing. `defaults` stand in for what the request leaves out. */
  complete(request: CompletionRequest, defaults: ChatSampling = this.defaults): AsyncIterable<ChatEvent> {
    const tokens = typeof request.prompt === 'string' ? this.#fitting(request.prompt, (text) => this.encodePrompt(text)) : this.#checked(request.prompt);
    const echo = typeof request.prompt === 'string' ? request.prompt : this.tokenizer.decode(request.prompt, { skipSpecialTokens: true });
    return this.#generate(tokens, request, null, { echo: request.echo === true ? echo : '', defaults });
  }

  /** Whether it takes messages, not only raw prompts. */
  get chats(): boolean {
    return this.#template !== null;
  }

  /** The text that the chat template makes of the messages. */
  prompt(input: TemplateInput): string {
    if (this.#template === null) {
      throw new RequestError(`The model "${this.id}" has no chat template: its checkpoint can only continue raw prompts (completions)`, 'messages');
    }
    return this.#template.render(input);
  }

  /** Tokens of a raw prompt, with the beginning-of-sequence token where the checkpoint wants one. */
  encodePrompt(text: string): number[] {
    const { addBosToken, bosToken } = this.tokenizer;
    return this.tokenizer.encode(addBosToken && bosToken !== null && !text.startsWith(bosToken) ? bosToken + text : text);
  }

  get description(): EngineDescription {
    return this.engine.description;
  }

  stats(): EngineStats {
    return this.engine.stats();
  }

  close(): Promise<void> {
    return this.engine.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checked(tokens: readonly number[]): readonly number[] {
    const { vocabSize } = this.description;
    const wrong = tokens.find((token) => !Number.isInteger(token) || token < 0 || token >= vocabSize);
    if (wrong !== undefined) throw new RequestError(`Token id ${wrong} is outside of the vocabulary (0 to ${vocabSize - 1})`, 'prompt');
    return tokens;
  }

  /** Text that cannot fit, whatever its tokens are, is refused before seconds are spent on finding them. */
  #fitting(text: string, encode: (text: string) => number[]): number[] {
    const { maxModelLength } = this.description;
    const least = Math.ceil(text.length / this.#longestToken);
    if (least < maxModelLength) return encode(text);
    throw new ContextLengthError(`The prompt has at least ${least} tokens, but the model's context holds ${maxModelLength}, one of them for the answer`);
  }

  #generate(
    prompt: readonly number[],
    request: Sampled,
    router: OutputRouter | null,
    { echo = '', defaults = this.defaults }: { echo?: string; defaults?: ChatSampling } = {},
  ): AsyncIterable<ChatEvent> {
    const sampling = this.#sampling(request, prompt.length, defaults);
    const steps = this.engine.generate({ prompt, sampling, cacheSalt: request.cacheSalt }, request.signal);
    return this.#events(steps, prompt.length, sampling, request.stop ?? defaults.stop ?? [], router, echo);
  }

  async *#events(
    steps: AsyncIterable<TokensEvent>,
    promptTokens: number,
    sampling: SamplingParams,
    stop: readonly string[],
    router: OutputRouter | null,
    echo: string,
  ): AsyncGenerator<ChatEvent, void, undefined> {
    const answer = new Answer(this.tokenizer, new Detokenizer(this.tokenizer, { stop, keep: router === null ? undefined : this.#tags }), router);
    const clock = new Clock(this.observer);
    let usage: Usage = { promptTokens, cachedTokens: 0, completionTokens: 0 };
    let reason: 'stop' | 'length' | 'abort' = 'abort';
    let ending: string | number | undefined;
    try {
      if (echo !== '') yield { type: 'text-delta', text: echo };
      for await (const step of steps) {
        clock.step();
        usage = { promptTokens, cachedTokens: step.numCachedTokens, completionTokens: usage.completionTokens + step.tokens.length };
        yield* answer.step(step);
        if (answer.stopped !== null) {
          reason = 'stop';
          ending = answer.stopped;
          break;
        }
        if (step.finishReason !== null) {
          reason = step.finishReason;
          const last = step.tokens.at(-1);
          if (reason === 'stop' && last !== undefined && sampling.stopTokenIds.includes(last)) ending = last;
        }
      }
      yield* answer.finish();
      if (answer.stopped !== null && ending === undefined) {
        reason = 'stop';
        ending = answer.stopped;
      }
    } finally {
      clock.end(reason, usage);
    }
    const toolCalls = reason === 'stop' && answer.toolCalls > 0;
    yield { type: 'finish', reason: toolCalls ? 'tool-calls' : reason, ...(ending === undefined ? {} : { stop: ending }), usage };
  }

  #sampling(request: Sampled, promptTokens: number, defaults: ChatSampling): SamplingParams {
    const { maxModelLength, vocabSize } = this.description;
    const room = maxModelLength - promptTokens;
    if (promptTokens === 0) throw new RequestError('The prompt is empty', 'prompt');
    if (room < 1) {
      throw new ContextLengthError(`The prompt has ${promptTokens} tokens, but the model's context holds ${maxModelLength}, one of them for the answer`);
    }
    if (request.maxTokens !== undefined && request.maxTokens > room) {
      throw new ContextLengthError(
        `The prompt has ${promptTokens} tokens and ${request.maxTokens} more were asked for, but the model's context holds ${maxModelLength}`,
        'maxTokens',
      );
    }
    const seed = request.seed ?? Math.floor(Math.random() * SEEDS);
    return {
      temperature: request.temperature ?? defaults.temperature ?? 1,
      topK: request.topK ?? defaults.topK ?? 0,
      topP: request.topP ?? defaults.topP ?? 1,
      minP: request.minP ?? defaults.minP ?? 0,
      repetitionPenalty: request.repetitionPenalty ?? defaults.repetitionPenalty ?? 1,
      presencePenalty: request.presencePenalty ?? defaults.presencePenalty ?? 0,
      frequencyPenalty: request.frequencyPenalty ?? defaults.frequencyPenalty ?? 0,
      logitBias: logitBias(request.logitBias ?? defaults.logitBias ?? {}, vocabSize),
      seed: seed < 0 ? seed + SEEDS : seed,
      stopTokenIds: request.stopTokenIds ?? defaults.stopTokenIds ?? [],
      ignoreEos: request.ignoreEos ?? defaults.ignoreEos ?? false,
      maxTokens: request.maxTokens ?? Math.min(room, defaults.maxTokens ?? room),
      logprobs: request.logprobs ?? null,
    };
  }
}

/** Seeds are whole numbers of 53 bits. */
const SEEDS = 2 ** 53;

function logitBias(bias: Readonly<Record<string, number>>, vocabSize: number): [number, number][] {
  return Object.entries(bias).map(([key, value]) => {
    const token = Number(key);
    if (!/^\d+$/u.test(key) || token >= vocabSize) {
      throw new RequestError(`"${key}" is not a token id of this model (0 to ${vocabSize - 1})`, 'logitBias');
    }
    return [token, value];
  });
}

/** In bytes, of which a text has at least as many as it has characters. */
function longestToken(tokenizer: Tokenizer): number {
  let longest = 1;
  for (let token = 0; token < tokenizer.vocabSize; token++) longest = Math.max(longest, tokenizer.tokenBytes(token).length);
  return longest;
}

/** Steps of the engine become events: one stretch of text a step, whatever it holds. */
class Answer {
  toolCalls = 0;
  readonly #tokenizer: Tokenizer;
  readonly #detokenizer: Detokenizer;
  readonly #router: OutputRouter | null;
  /** Of tokens whose text is not given out yet, with the place of that text. */
  #logprobs: { readonly start: number; readonly end: number; readonly entry: TokenLogprob }[] = [];

  constructor(tokenizer: Tokenizer, detokenizer: Detokenizer, router: OutputRouter | null) {
    this.#tokenizer = tokenizer;
    this.#detokenizer = detokenizer;
    this.#router = router;
  }

  get stopped(): string | null {
    return this.#detokenizer.stopped;
  }

  step(step: TokensEvent): ChatEvent[] {
    const before = this.#detokenizer.releasedLength;
    // The token that ends the answer is not part of its text.
    const shown = step.finishReason === 'stop' ? step.tokens.length - 1 : step.tokens.length;
    let text = '';
    for (let i = 0; i < shown && this.stopped === null; i++) {
      const start = this.#detokenizer.decodedLength;
      text += this.#detokenizer.push(step.tokens[i]);
      const logprobs = step.logprobs?.[i];
      if (logprobs === undefined) continue;
      this.#logprobs.push({ start, end: this.#detokenizer.decodedLength, entry: this.#tokenLogprob(step.tokens[i], logprobs, step.legalMass[i], step.forced[i]) });
    }
    return this.#events(text, before, false);
  }

  finish(): ChatEvent[] {
    const before = this.#detokenizer.releasedLength;
    return this.#events(this.#detokenizer.finish(), before, true);
  }

  #events(text: string, start: number, last: boolean): ChatEvent[] {
    if (this.#router === null) return text === '' ? [] : [this.#text(text, start + text.length)];
    const parts = text === '' ? [] : this.#router.push(text);
    if (last) parts.push(...this.#router.finish());
    return parts.flatMap((part) => this.#partEvents(part));
  }

  #partEvents(part: OutputPart): ChatEvent[] {
    if (part.type === 'tool-call') {
      const id = `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`;
      const { name, arguments: json } = part;
      const index = this.toolCalls++;
      return [
        { type: 'tool-call-start', index, id, name },
        { type: 'tool-call-delta', index, arguments: json },
        { type: 'tool-call', index, call: { id, name, arguments: json } },
      ];
    }
    if (part.type === 'reasoning') return [{ type: 'reasoning-delta', text: part.text }];
    this.#logprobs = this.#logprobs.filter(({ start, end }) => start >= part.start || end > part.start);
    return [this.#text(part.text, part.end)];
  }

  /** With the log-probabilities of the tokens that begin before `end`. */
  #text(text: string, end: number): ChatEvent {
    const count = this.#logprobs.findIndex(({ start }) => start >= end);
    const entries = this.#logprobs.splice(0, count < 0 ? this.#logprobs.length : count);
    return entries.length === 0 ? { type: 'text-delta', text } : { type: 'text-delta', text, logprobs: entries.map(({ entry }) => entry) };
  }

  #tokenLogprob(token: number, { logprob, top }: TokenLogprobs, legalMass: number, forced: boolean): TokenLogprob {
    return { ...this.#named(token, logprob), legalMass, forced, top: top.map(([id, value]) => this.#named(id, value)) };
  }

  #named(token: number, logprob: number): { token: string; bytes: number[]; logprob: number } {
    const bytes = this.#tokenizer.tokenBytes(token);
    return { token: TEXT.decode(bytes), bytes: [...bytes], logprob };
  }
}

const TEXT = new TextDecoder('utf-8', { ignoreBOM: true });

/** Tells the observer when steps came. */
class Clock {
  readonly #observer: GenerationObserver | undefined;
  readonly #start = performance.now();
  #last = this.#start;
  #steps = 0;

  constructor(observer: GenerationObserver | undefined) {
    this.#observer = observer;
  }

  step(): void {
    const now = performance.now();
    this.#observer?.step({ sinceStart: (now - this.#start) / 1000, sinceLast: (now - this.#last) / 1000, first: this.#steps++ === 0 });
    this.#last = now;
  }

  end(reason: 'stop' | 'length' | 'abort', usage: Usage): void {
    this.#observer?.end({ reason, seconds: (performance.now() - this.#start) / 1000, usage });
  }
}
