/** Routes. Web-standard requests and responses: `app.request()` tests them without a socket. */
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { type Context, Hono } from 'hono';
import type { ChatModel } from '../chat/chat-model.ts';
import { LocalModel } from '../chat/local.ts';
import { Admission } from './admission.ts';
import type { AnswerOptions } from './answers.ts';
import { readJson } from './body.ts';
import { chatCompletion } from './chat.ts';
import { textCompletion } from './completions.ts';
import { corsHeaders, preflightHeaders } from './cors.ts';
import { ApiError, toApiError } from './errors.ts';
import { Metrics } from './metrics.ts';
import { chatSchema, completionSchema, detokenizeSchema, parseBody, refuseUnsupported, tokenizeSchema } from './schema.ts';

export interface Limits {
  readonly bodyBytes: number;
  /** Answers in the making at once; more are refused with 429. */
  readonly concurrency: number;
}

export const DEFAULT_LIMITS: Limits = { bodyBytes: 8 * 2 ** 20, concurrency: 256 };

export interface AppOptions {
  readonly models: readonly ChatModel[];
  readonly limits?: Partial<Limits>;
  /** Asked for as `Authorization: Bearer`, everywhere but at /health. */
  readonly apiKey?: string;
  /** Origins whose pages may call from a browser; `*`: all. None by default. */
  readonly corsOrigins?: readonly string[];
  /** Told of failures that are not the client's. */
  readonly log?: (message: string) => void;
}

export type App = Hono<Env>;

interface Env {
  Variables: { requestId: string; headers: Readonly<Record<string, string>> };
}

type Route = (context: Context<Env>) => Response | Promise<Response>;

export function createApp(options: AppOptions): App {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const log = options.log ?? ((message: string) => console.error(message));
  const models = new Map(options.models.map((model) => [model.id, model]));
  const local = new Map(options.models.filter((model) => model instanceof LocalModel).map((model) => [model.id, model]));
  const metrics = new Metrics(new Map([...local].map(([id, model]) => [id, model.engine])));
  for (const [id, model] of local) model.observer = metrics.observer(id);
  const admission = new Admission(limits.concurrency);
  const created = Math.floor(Date.now() / 1000);

  const modelNamed = (id: string): ChatModel => {
    const model = models.get(id);
    if (model !== undefined) return running(model);
    const names = [...models.keys()].map((name) => `"${name}"`).join(', ');
    throw new ApiError(404, `The model "${id}" does not exist here; there is ${names}`, { param: 'model', code: 'model_not_found' });
  };
  const localNamed = (id: string | undefined): LocalModel => {
    const model = id === undefined ? [...local.values()][0] : modelNamed(id);
    if (model instanceof LocalModel) return model;
    throw new ApiError(400, `The model "${id ?? ''}" only serves chat completions`, { param: 'model' });
  };
  const answerOptions = (context: Context<Env>): AnswerOptions => ({
    context,
    admission,
    requestId: context.get('requestId'),
    headers: context.get('headers'),
    toError: (error) => toApiError(error, log),
  });
  const modelBody = (model: ChatModel): object => ({
    id: model.id,
    object: 'model',
    created,
    owned_by: 'tetrad',
    ...(model instanceof LocalModel ? { max_model_len: model.description.maxModelLength } : {}),
  });

  const routes: Record<string, { readonly method: 'GET' | 'POST'; readonly route: Route }> = {
    '/health': {
      method: 'GET',
      route: (context) => {
        for (const model of local.values()) running(model);
        return context.json({ status: 'ok' });
      },
    },
    '/metrics': { method: 'GET', route: async (context) => context.body(await metrics.render(), 200, { 'content-type': metrics.contentType }) },
    '/v1/models': { method: 'GET', route: (context) => context.json({ object: 'list', data: [...models.values()].map(modelBody) }) },
    // Names may contain slashes.
    '/v1/models/:model{.+}': { method: 'GET', route: (context) => context.json(modelBody(modelNamed(context.req.param('model') ?? ''))) },
    '/v1/chat/completions': {
      method: 'POST',
      route: async (context) => {
        const body = parseBody(chatSchema, await readJson(context, limits.bodyBytes));
        refuseUnsupported(body);
        return chatCompletion(modelNamed(body.model), body, answerOptions(context));
      },
    },
    '/v1/completions': {
      method: 'POST',
      route: async (context) => {
        const body = parseBody(completionSchema, await readJson(context, limits.bodyBytes));
        refuseUnsupported(body);
        return textCompletion(localNamed(body.model), body, answerOptions(context));
      },
    },
    '/v1/embeddings': {
      method: 'POST',
      route: () => {
        throw new ApiError(501, 'This server does not compute embeddings: its models generate text', {
          code: 'not_implemented',
          // OpenAI's clients would try again.
          headers: { 'x-should-retry': 'false' },
        });
      },
    },
    '/tokenize': {
      method: 'POST',
      route: async (context) => {
        const body = parseBody(tokenizeSchema, await readJson(context, limits.bodyBytes));
        const model = localNamed(body.model);
        const tokens = tokenizeBody(model, body);
        return context.json({
          count: tokens.length,
          max_model_len: model.description.maxModelLength,
          tokens,
          token_strs: body.return_token_strs === true ? tokens.map((token) => model.tokenizer.decode([token], { skipSpecialTokens: false })) : null,
        });
      },
    },
    '/detokenize': {
      method: 'POST',
      route: async (context) => {
        const body = parseBody(detokenizeSchema, await readJson(context, limits.bodyBytes));
        const { tokenizer } = localNamed(body.model);
        const wrong = body.tokens.find((token) => token >= tokenizer.vocabSize);
        if (wrong !== undefined) throw new ApiError(400, `Token id ${wrong} is outside of the vocabulary (0 to ${tokenizer.vocabSize - 1})`, { param: 'tokens' });
        return context.json({ prompt: tokenizer.decode(body.tokens, { skipSpecialTokens: false }) });
      },
    },
  };

  const app: App = new Hono<Env>();
  app.use(async (context, next) => {
    const given = context.req.header('x-request-id');
    const requestId = given !== undefined && /^[\w.:-]{1,128}$/u.test(given) ? given : randomUUID().replaceAll('-', '');
    const cors = corsHeaders(options.corsOrigins ?? [], context.req.header('origin'));
    const headers = { 'x-request-id': requestId, ...cors };
    context.set('requestId', requestId);
    context.set('headers', headers);
    for (const [name, value] of Object.entries(headers)) context.header(name, value);
    if ('access-control-allow-origin' in cors && isPreflight(context)) {
      return context.body(null, 204, preflightHeaders(context.req.header('access-control-request-headers')));
    }
    if (options.apiKey !== undefined && context.req.path !== '/health') authorize(context, options.apiKey);
    return next();
  });
  for (const [path, { method, route }] of Object.entries(routes)) {
    app.on(method, path, route);
    app.all(path, (context) => {
      throw new ApiError(405, `${context.req.path} takes ${method}, not ${context.req.method}`, { code: 'method_not_allowed', headers: { allow: method } });
    });
  }
  app.notFound((context) => errorResponse(context, new ApiError(404, `There is no ${context.req.path} here`, { code: 'not_found' })));
  app.onError((error, context) => errorResponse(context, toApiError(error, log)));
  return app;
}

function tokenizeBody(model: LocalModel, body: ReturnType<typeof parseBody<typeof tokenizeSchema>>): readonly number[] {
  if ('messages' in body) {
    const { messages, tools, add_generation_prompt: addGenerationPrompt, chat_template_kwargs: templateArguments } = body;
    return model.tokenizer.encode(model.prompt({ messages, tools, addGenerationPrompt, templateArguments }));
  }
  return body.add_special_tokens === false ? model.tokenizer.encode(body.prompt) : model.encodePrompt(body.prompt);
}

function running<T extends ChatModel>(model: T): T {
  if (!(model instanceof LocalModel) || model.engine.failure === null) return model;
  throw new ApiError(503, `The engine of "${model.id}" has stopped`, { code: 'engine_stopped' });
}

const isPreflight = ({ req }: Context): boolean => req.method === 'OPTIONS' && req.header('access-control-request-method') !== undefined;

function authorize(context: Context, apiKey: string): void {
  const given = /^Bearer (.+)$/iu.exec(context.req.header('authorization') ?? '')?.[1];
  if (given === undefined) {
    throw new ApiError(401, 'This server asks for an API key: Authorization: Bearer <key>', { code: 'invalid_api_key', headers: { 'www-authenticate': 'Bearer' } });
  }
  // Digests have one length and tell nothing by the time their comparison takes.
  if (!timingSafeEqual(digest(given), digest(apiKey))) throw new ApiError(401, 'The API key is wrong', { code: 'invalid_api_key' });
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

function errorResponse(context: Context, error: ApiError): Response {
  for (const [name, value] of Object.entries(error.headers)) context.header(name, value);
  return context.json(error.body, error.status as 400);
}
