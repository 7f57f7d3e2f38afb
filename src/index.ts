/** Tetrad's public surface. */
export { load, type LoadOptions } from './load.ts';
export { LocalModel, ContextLengthError } from './chat/local.ts';
export { RemoteError, RemoteModel, type RemoteModelOptions } from './chat/remote.ts';
export type {
  ChatEvent,
  ChatFinishReason,
  ChatMessage,
  ChatModel,
  ChatRequest,
  ChatSampling,
  CompletionRequest,
  ResponseFormat,
  TokenLogprob,
  ToolCall,
  ToolChoice,
  ToolDefinition,
  Usage,
} from './chat/chat-model.ts';
export type { EngineDescription, EngineStats } from './engine/client.ts';
export { BusyError, GenerationError, RequestError } from './engine/request-error.ts';
export { type App, type AppOptions, createApp, type Limits } from './server/app.ts';
export { listen, type Listening, type ListenOptions, serve, type ServeOptions } from './server/listen.ts';
export type { Tokenizer } from './tokenizer/tokenizer.ts';
