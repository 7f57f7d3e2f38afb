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
}

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
  readonly cacheSalt?: string;
  readonly signal?: AbortSignal;
}

export interface TokenLogprob {
  readonly token: string;
  readonly bytes: readonly number[];
  readonly logprob: number;
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
