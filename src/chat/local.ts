import { randomUUID } from 'node:crypto';
import type { EngineClient, EngineDescription, EngineStats, GenerateRequest, TokenLogprobs, TokensEvent } from '../engine/client.ts';
import { BusyError, RequestError } from '../engine/request-error.ts';
import { checkRequest } from '../engine/request.ts';
import type { SamplingParams } from '../engine/sampling.ts';
import type { GrammarSource } from '../grammar/compile.ts';
import { GrammarCompiler } from '../grammar/compiler.ts';
import { CompilerBusyError, GrammarError } from '../grammar/error.ts';
import type { Grammar } from '../grammar/grammar.ts';
import { Detokenizer, partialMatch } from '../tokenizer/detokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { answerGrammar, type AnswerStart, callableTools, formatGrammar } from './answer-grammar.ts';
import type { ChatEvent, ChatModel, ChatRequest, ChatSampling, CompletionRequest, TokenLogprob, Usage } from './chat-model.ts';
import { familyOf, tagsOf } from './families.ts';
import type { Family } from './families.ts';
import { type OutputPart, OutputParser } from './parse.ts';
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
  readonly compiler?: Compiler;
}

/** Makes grammars without holding up this thread. */
export interface Compiler {
  compile(source: GrammarSource, signal?: AbortSignal): Promise<Grammar>;
  close(): Promise<void>;
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

type Sampled = ChatSampling & Pick<ChatRequest, 'responseFormat' | 'cacheSalt' | 'signal'>;

/** What to make of the tokens of an answer. */
interface Answering {
  readonly grammar: GrammarSource | null;
  readonly parser: OutputParser | null;
  /** Text in front of the answer. */
  readonly echo?: string;
  readonly defaults?: ChatSampling;
}

/** A checkpoint in this process: strings outside, tokens inside. */
export class LocalModel implements ChatModel, AsyncDisposable {
  readonly id: string;
  readonly engine: EngineClient;
  readonly tokenizer: Tokenizer;
  readonly defaults: ChatSampling;
  observer: GenerationObserver | undefined;
  readonly #template: ChatTemplate | null;
  readonly #family: Family;
  readonly #compiler: Compiler;
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
    this.#family = options.template?.family ?? familyOf('');
    this.#compiler = options.compiler ?? new GrammarCompiler();
    this.#tags = new Set(tagsOf(this.#family).flatMap((tag) => tokenizer.tokenId(tag) ?? []));
    this.#longestToken = longestToken(tokenizer);
  }

  /** Throws RequestError at once where the request can't be served; what its grammar is refused for comes with the first event. */
  stream(request: ChatRequest): AsyncIterable<ChatEvent> {
    const tools = callableTools(request);
    const prompt = this.prompt({ ...request, tools: request.toolChoice === 'none' ? [] : request.tools });
    const start = this.#startOf(prompt);
    const grammar = request.guided === false ? null : answerGrammar(this.#family, request, start, (tag) => this.#isSpecial(tag));
    const begun = start.reasoning === 'begun' ? this.#family.reasoning.open : start.begun;
    const parser = new OutputParser(this.#family, { tools: tools.map(({ name }) => name), begun });
    return this.#generate(this.#fitting(prompt, (text) => this.tokenizer.encode(text)), request, { grammar, parser });
  }

  /** Continues a raw prompt: no template, no parsing. `defaults` stand in for what the request leaves out. */
  complete(request: CompletionRequest, defaults: ChatSampling = this.defaults): AsyncIterable<ChatEvent> {
    const tokens = typeof request.prompt === 'string' ? this.#fitting(request.prompt, (text) => this.encodePrompt(text)) : this.#checked(request.prompt);
    const echo = typeof request.prompt === 'string' ? request.prompt : this.tokenizer.decode(request.prompt, { skipSpecialTokens: true });
    const grammar = request.responseFormat === undefined ? null : formatGrammar(request.responseFormat);
    return this.#generate(tokens, request, { grammar, parser: null, echo: request.echo === true ? echo : '', defaults });
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

  async close(): Promise<void> {
    await Promise.all([this.engine.close(), this.#compiler.close()]);
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

  /** Whether the model can write it as a token of its own, and go on. */
  #isSpecial(tag: string): boolean {
    const { vocabSize, eosTokenIds } = this.description;
    const id = this.tokenizer.tokenId(tag);
    return id !== undefined && this.tokenizer.isSpecial(id) && id < vocabSize && !eosTokenIds.includes(id);
  }

  /** What the end of the prompt makes of the beginning of the answer. */
  #startOf(prompt: string): AnswerStart {
    const { reasoning, textOpen } = this.#family;
    const end = prompt.trimEnd();
    const begun = prompt.slice(prompt.length - partialMatch(prompt, [textOpen]));
    if (end.endsWith(reasoning.open)) return { reasoning: 'begun', begun: '' };
    return { reasoning: this.#template?.reasons === true && !end.endsWith(reasoning.close) ? 'optional' : 'none', begun };
  }

  #generate(prompt: readonly number[], request: Sampled, { grammar, defaults = this.defaults, ...rest }: Answering): AsyncIterable<ChatEvent> {
    const sampling = this.#sampling(request, prompt.length, defaults);
    const generate = { prompt, sampling, cacheSalt: request.cacheSalt };
    const { grammarRefusal } = this.description;
    checkRequest(generate, this.description);
    const asked = request.responseFormat === undefined ? 'tools' : 'responseFormat';
    if (grammar !== null && grammarRefusal !== null) throw new RequestError(grammarRefusal, asked);
    const stop = request.stop ?? defaults.stop ?? [];
    const steps = grammar === null ? this.engine.generate(generate, request.signal) : this.#constrained(generate, grammar, asked, request.signal);
    return this.#events(steps, prompt.length, sampling, stop, rest);
  }

  /** The grammar is compiled from now on; the engine hears of the request when it is there. What was `asked` for is to blame where no part is. */
  #constrained(request: GenerateRequest, source: GrammarSource, asked: string, signal: AbortSignal | undefined): AsyncIterable<TokensEvent> {
    const compiled = this.#compiler.compile(source, signal);
    compiled.catch(() => {}); // whoever reads the events is told
    const generate = async function* (this: LocalModel): AsyncGenerator<TokensEvent, void, undefined> {
      let grammar: Grammar;
      try {
        grammar = await compiled;
      } catch (error) {
        if (signal?.aborted === true) return;
        if (error instanceof CompilerBusyError) throw new BusyError(error.message);
        throw error instanceof GrammarError ? refused(error, asked) : error;
      }
      yield* this.engine.generate({ ...request, grammar }, signal);
    };
    return generate.call(this);
  }

  async *#events(
    steps: AsyncIterable<TokensEvent>,
    promptTokens: number,
    sampling: SamplingParams,
    stop: readonly string[],
    { parser, echo = '' }: Pick<Answering, 'parser' | 'echo'>,
  ): AsyncGenerator<ChatEvent, void, undefined> {
    const answer = new Answer(this.tokenizer, new Detokenizer(this.tokenizer, { stop, keep: parser === null ? undefined : this.#tags }), parser);
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

/** The part that is to blame is a field of the request. */
function refused({ message, part }: GrammarError, asked: string): RequestError {
  const [parameter] = part.split(' ');
  if (parameter === 'responseFormat') return new RequestError(message, parameter);
  if (!parameter.startsWith('tools')) return new RequestError(`${asked}: ${message}`, asked);
  return new RequestError(`${message}; "strict": false on the tool leaves its arguments unchecked`, parameter);
}

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
  /** Complete calls. */
  toolCalls = 0;
  readonly #tokenizer: Tokenizer;
  readonly #detokenizer: Detokenizer;
  readonly #parser: OutputParser | null;
  /** Of the call that is being read. */
  #callId = '';
  #callIndex = -1;
  /** Of tokens whose text is not given out yet, with the place of that text. */
  #logprobs: { readonly start: number; readonly end: number; readonly entry: TokenLogprob }[] = [];

  constructor(tokenizer: Tokenizer, detokenizer: Detokenizer, parser: OutputParser | null) {
    this.#tokenizer = tokenizer;
    this.#detokenizer = detokenizer;
    this.#parser = parser;
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
    if (this.#parser === null) return text === '' ? [] : [{ type: 'text-delta', text, ...this.#logprobsOf(start, start + text.length) }];
    const parts = text === '' ? [] : this.#parser.push(text);
    if (last) parts.push(...this.#parser.finish());
    return parts.map((part) => this.#event(part));
  }

  #event(part: OutputPart): ChatEvent {
    switch (part.type) {
      case 'text':
        return { type: 'text-delta', text: part.text, ...this.#logprobsOf(part.start, part.end) };
      case 'reasoning':
        return { type: 'reasoning-delta', text: part.text };
      case 'call-start':
        this.#callId = `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`;
        return { type: 'tool-call-start', index: ++this.#callIndex, id: this.#callId, name: part.name };
      case 'call-delta':
        return { type: 'tool-call-delta', index: this.#callIndex, arguments: part.arguments, ...this.#logprobsOf(part.start, part.end) };
      case 'call':
        this.toolCalls++;
        return { type: 'tool-call', index: this.#callIndex, call: { id: this.#callId, name: part.name, arguments: part.arguments } };
    }
  }

  /** Of the tokens that begin within a stretch of the raw text; those before it belong to no event. */
  #logprobsOf(start: number, end: number): { logprobs?: TokenLogprob[] } {
    this.#logprobs = this.#logprobs.filter((token) => token.start >= start || token.end > start);
    const count = this.#logprobs.findIndex((token) => token.start >= end);
    const entries = this.#logprobs.splice(0, count < 0 ? this.#logprobs.length : count);
    return entries.length === 0 ? {} : { logprobs: entries.map(({ entry }) => entry) };
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
