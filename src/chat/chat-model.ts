/** The contract of everything that talks: local engine, remote endpoint, cascade. Servers serve it, agents drive it. */

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text, as the model wrote it. */
  readonly arguments: string;
}

export type ChatMessage =
  | { readonly role: 'system' | 'user'; readonly content: string }
  | { readonly role: 'assistant'; readonly content: string | null; readonly toolCalls?: readonly ToolCall[]; readonly reasoning?: string }
  | { readonly role: 'tool'; readonly content: string; readonly toolCallId: string; readonly name?: string };

export interface ToolDefinition {
  readonly name: string;
  readonly description?: string;
  /** JSON Schema of the arguments. */
  readonly parameters?: Record<string, unknown>;
  /** False: arguments need only be a JSON object. Otherwise they match the schema, and a schema that can't be enforced is refused. */
  readonly strict?: boolean;
}

/** Whether tools are called: as the model likes, never, at least once, or this one. */
export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string };

/** What the text of an answer must be. */
export type ResponseFormat =
  | { readonly type: 'json-object' }
  | { readonly type: 'json-schema'; readonly schema: unknown }
  /** The whole text matches. */
  | { readonly type: 'regex'; readonly pattern: string }
  | { readonly type: 'choice'; readonly choices: readonly string[] }
  /** EBNF as GBNF writes it. */
  | { readonly type: 'grammar'; readonly text: string };

/** Sampling in the caller's terms; what is left out takes the checkpoint's generation_config, then neutral values. */
export interface ChatSampling {
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly logitBias?: Readonly<Record<string, number>>;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly stopTokenIds?: readonly number[];
  readonly ignoreEos?: boolean;
  readonly maxTokens?: number;
  /** Alternatives to report with each token, 0..20. */
  readonly logprobs?: number;
}

export interface ChatRequest extends ChatSampling {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly ToolDefinition[];
  /** `auto` where there are tools. */
  readonly toolChoice?: ToolChoice;
  /** Several calls in one answer; true by default. */
  readonly parallelToolCalls?: boolean;
  /** Of the text; calls of tools stay possible beside it unless toolChoice rules them out. */
  readonly responseFormat?: ResponseFormat;
  /** False: nothing holds the answer to the schemas of the tools, for measuring what that does; true by default. */
  readonly guided?: boolean;
  /** More variables for the chat template, e.g. Qwen3's enable_thinking. */
  readonly templateArguments?: Readonly<Record<string, unknown>>;
  readonly cacheSalt?: string;
  readonly signal?: AbortSignal;
}

/** A raw prompt: no template is applied. */
export interface CompletionRequest extends ChatSampling {
  readonly prompt: string | readonly number[];
  /** Give the prompt back in front of the completion. */
  readonly echo?: boolean;
  readonly responseFormat?: ResponseFormat;
  readonly cacheSalt?: string;
  readonly signal?: AbortSignal;
}

export interface TokenLogprob {
  readonly token: string;
  readonly bytes: readonly number[];
  /** Before the grammar's mask. */
  readonly logprob: number;
  /** Share of the model's own probability that the grammar let through, 1 without a grammar; null where it is not known. */
  readonly legalMass: number | null;
  /** The grammar left no other way on. */
  readonly forced: boolean;
  readonly top: readonly { readonly token: string; readonly bytes: readonly number[]; readonly logprob: number }[];
}

export interface Usage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

export type ChatFinishReason = 'stop' | 'length' | 'tool-calls' | 'abort';

/** Parts of the answer in order; `finish` is the last. */
export type ChatEvent =
  | { readonly type: 'text-delta'; readonly text: string; readonly logprobs?: readonly TokenLogprob[] }
  | { readonly type: 'reasoning-delta'; readonly text: string }
  /** A call begins; its arguments come in deltas, and the call as a whole once it is complete. */
  | { readonly type: 'tool-call-start'; readonly index: number; readonly id: string; readonly name: string }
  | { readonly type: 'tool-call-delta'; readonly index: number; readonly arguments: string; readonly logprobs?: readonly TokenLogprob[] }
  | { readonly type: 'tool-call'; readonly index: number; readonly call: ToolCall }
  | {
      readonly type: 'finish';
      readonly reason: ChatFinishReason;
      /** The stop string or stop token id of the request that ended it. */
      readonly stop?: string | number;
      readonly usage: Usage;
    };

export interface ChatModel {
  /** The name under which it is served. */
  readonly id: string;
  stream(request: ChatRequest): AsyncIterable<ChatEvent>;
  close(): Promise<void>;
}
