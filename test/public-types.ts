/** A user's view of the public types: compiled with everything else, never run. */
import {
  type ChatEvent,
  type ChatMessage,
  type ChatModel,
  type ChatRequest,
  ContextLengthError,
  createApp,
  type EngineStats,
  listen,
  type Listening,
  load,
  type LoadOptions,
  type LocalModel,
  RemoteError,
  RemoteModel,
  RequestError,
  serve,
  type ServeOptions,
  type Tokenizer,
  type TokenLogprob,
  type ToolDefinition,
  type Usage,
} from 'tetrad';

const options: LoadOptions = { directory: 'x', precision: 'full', backend: 'cpu', threads: 2, maxBatchSize: 4, cacheTokens: 100, signal: AbortSignal.timeout(5) };
const tools: ToolDefinition[] = [{ name: 'a', parameters: { type: 'object' } }];
const messages: ChatMessage[] = [{ role: 'user', content: 'x' }];

// @ts-expect-error there is no such role
messages.push({ role: 'robot', content: 'x' });
// @ts-expect-error nor such a precision
export const wrong = (): Promise<LocalModel> => load({ directory: 'x', precision: 'int3' });

export async function chat(): Promise<void> {
  await using model = await load({ ...options, onProgress: (fraction) => console.log(fraction.toFixed(2)) });
  const request: ChatRequest = { messages, tools, logprobs: 3, stop: ['x'] };
  for await (const event of model.stream(request)) show(event);
  for await (const event of model.complete({ prompt: [1, 2], echo: true })) show(event);
  const stats: EngineStats = model.stats();
  const tokenizer: Tokenizer = model.tokenizer;
  console.log(stats.cacheUsage, tokenizer.encode('x').length, model.description.maxModelLength);
}

/** Every event has a case. */
function show(event: ChatEvent): void {
  switch (event.type) {
    case 'text-delta': {
      const logprobs: readonly TokenLogprob[] = event.logprobs ?? [];
      return console.log(event.text, logprobs.length);
    }
    case 'reasoning-delta':
      return console.log(event.text);
    case 'tool-call-start':
      return console.log(event.index, event.id, event.name);
    case 'tool-call-delta':
      return console.log(event.index, event.arguments, event.logprobs?.length);
    case 'tool-call':
      return console.log(event.index, event.call.name, event.call.arguments);
    case 'finish': {
      const usage: Usage = event.usage;
      return console.log(event.reason, event.stop, usage.promptTokens);
    }
    default:
      return event satisfies never;
  }
}

export async function serveAnything(): Promise<void> {
  const own: ChatModel = {
    id: 'own',
    async *stream() {
      yield { type: 'finish', reason: 'stop', usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 0 } };
    },
    close: async () => {},
  };
  const models = [own, new RemoteModel({ id: 'far', baseUrl: 'http://127.0.0.1:9/v1' })];
  const settings: ServeOptions = { models, port: 0, apiKey: 'key', corsOrigins: ['*'], limits: { concurrency: 3 }, log: (message: string) => console.log(message) };
  const server: Listening = await serve(settings);
  await server.close();
  const response: Response = await createApp({ models }).request('/health');
  console.log(response.status, await listen(createApp({ models }), { port: 0, host: '::1' }));
}

export function explain(error: unknown): string {
  if (error instanceof ContextLengthError || error instanceof RequestError) return error.parameter ?? error.message;
  return error instanceof RemoteError ? `${error.status}: ${error.body}` : String(error);
}
