/** Request bodies: unknown JSON becomes typed values, or an error that names the field. Fields not listed are ignored. */
import { z } from 'zod';
import type { ChatMessage, ChatSampling, ToolCall, ToolChoice, ToolDefinition } from '../chat/chat-model.ts';
import { ApiError } from './errors.ts';
import { formatFields } from './response-format.ts';

const MAX_CHOICES = 128;
const MAX_STOPS = 16;
const MAX_LOGPROBS = 20;

/** Clients write null for what they leave out. */
const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);

const stop = z
  .union([z.string().min(1), z.array(z.string().min(1)).max(MAX_STOPS)], { error: `expected a string or up to ${MAX_STOPS} strings, none of them empty` })
  .transform((value) => (typeof value === 'string' ? [value] : value));

const common = {
  model: z.string(),
  n: optional(z.int().min(1).max(MAX_CHOICES)),
  stream: optional(z.boolean()),
  stream_options: optional(z.object({ include_usage: optional(z.boolean()) })),
  temperature: optional(z.number().min(0).max(2)),
  top_p: optional(z.number().gt(0).max(1)),
  top_k: optional(z.int().min(-1)),
  min_p: optional(z.number().min(0).max(1)),
  repetition_penalty: optional(z.number().gt(0).max(2)),
  presence_penalty: optional(z.number().min(-2).max(2)),
  frequency_penalty: optional(z.number().min(-2).max(2)),
  logit_bias: optional(z.record(z.string(), z.number().min(-100).max(100))),
  seed: optional(z.int()),
  max_tokens: optional(z.int().min(1)),
  stop: optional(stop),
  stop_token_ids: optional(z.array(z.int().min(0))),
  ignore_eos: optional(z.boolean()),
  min_tokens: optional(z.int().min(0)),
  cache_salt: optional(z.string().min(1)),
  ...formatFields,
};

const textPart = z.object(
  { type: z.literal('text', { error: (issue) => `content of type ${JSON.stringify(issue.input)} is not supported: this server takes text only` }), text: z.string() },
);

const content = z
  .union([z.string(), z.array(z.unknown())], { error: 'expected a string or an array of text parts' })
  .transform((value, context) => {
    if (typeof value === 'string') return value;
    return value
      .map((part, index) => {
        const parsed = textPart.safeParse(part);
        if (parsed.success) return parsed.data.text;
        for (const issue of parsed.error.issues) context.addIssue({ code: 'custom', message: issue.message, path: [index, ...issue.path] });
        return '';
      })
      .join('\n');
  });

const toolCall = z
  .object({ id: z.string(), type: optional(z.literal('function')), function: z.object({ name: z.string().min(1), arguments: z.string() }) })
  .transform((call): ToolCall => ({ id: call.id, name: call.function.name, arguments: call.function.arguments }));

const message = z.discriminatedUnion(
  'role',
  [
    z.object({ role: z.enum(['system', 'developer']), content }).transform(({ content }): ChatMessage => ({ role: 'system', content })),
    z.object({ role: z.literal('user'), content }).transform(({ content }): ChatMessage => ({ role: 'user', content })),
    z
      .object({
        role: z.literal('assistant'),
        content: optional(content),
        tool_calls: optional(z.array(toolCall)),
        reasoning_content: optional(z.string()),
        reasoning: optional(z.string()),
      })
      .transform((value): ChatMessage => {
        const reasoning = value.reasoning_content ?? value.reasoning;
        return {
          role: 'assistant',
          content: value.content ?? null,
          ...(value.tool_calls === undefined ? {} : { toolCalls: value.tool_calls }),
          ...(reasoning === undefined ? {} : { reasoning }),
        };
      }),
    z
      .object({ role: z.literal('tool'), content, tool_call_id: z.string(), name: optional(z.string()) })
      .transform(({ content, tool_call_id, name }): ChatMessage => ({ role: 'tool', content, toolCallId: tool_call_id, ...(name === undefined ? {} : { name }) })),
  ],
  { error: 'expected an object whose role is system, developer, user, assistant or tool' },
);

const messages = z.array(message).min(1);

const tool = z
  .object({
    type: z.literal('function'),
    function: z.object({
      name: z.string().min(1).max(256),
      description: optional(z.string()),
      parameters: optional(z.record(z.string(), z.unknown())),
      strict: optional(z.boolean()),
    }),
  })
  .transform((value): ToolDefinition => value.function);

const namedTool = z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) }).transform((value): ToolChoice => ({ name: value.function.name }));

const toolChoice = z.union([z.enum(['none', 'auto', 'required']), namedTool], { error: 'expected "none", "auto", "required" or a named function' });

const templateArguments = optional(z.record(z.string(), z.unknown()));

export const chatSchema = z.object({
  ...common,
  messages,
  max_completion_tokens: optional(z.int().min(1)),
  logprobs: optional(z.boolean()),
  top_logprobs: optional(z.int().min(0).max(MAX_LOGPROBS)),
  /** With logprobs: also the share of probability that the grammar let through, and whether it left one way only. */
  legal_mass: optional(z.boolean()),
  tools: optional(z.array(tool)),
  tool_choice: optional(toolChoice),
  parallel_tool_calls: optional(z.boolean()),
  chat_template_kwargs: templateArguments,
  functions: z.unknown().optional(),
  function_call: z.unknown().optional(),
});

const tokens = z.array(z.int().min(0)).min(1);

export const completionSchema = z.object({
  ...common,
  prompt: z.union([z.string(), tokens, z.array(z.string()).min(1), z.array(tokens).min(1)], {
    error: 'expected a string, an array of strings, an array of token ids or an array of such arrays',
  }),
  echo: optional(z.boolean()),
  logprobs: optional(z.int().min(0).max(MAX_LOGPROBS)),
  suffix: optional(z.string()),
  best_of: optional(z.int().min(1)),
});

export const tokenizeSchema = z.union(
  [
    z.object({ model: optional(z.string()), prompt: z.string(), add_special_tokens: optional(z.boolean()), return_token_strs: optional(z.boolean()) }),
    z.object({
      model: optional(z.string()),
      messages,
      tools: optional(z.array(tool)),
      add_generation_prompt: optional(z.boolean()),
      chat_template_kwargs: templateArguments,
      return_token_strs: optional(z.boolean()),
    }),
  ],
  { error: 'expected an object with a prompt (string) or messages' },
);

export const detokenizeSchema = z.object({ model: optional(z.string()), tokens: z.array(z.int().min(0)) });

export type ChatBody = z.output<typeof chatSchema>;
export type CompletionBody = z.output<typeof completionSchema>;

/** The first thing that is wrong with the body becomes the error. */
export function parseBody<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const param = pathText(issue.path);
  const message = `${issue.message}${seen(issue, body)}`;
  throw new ApiError(400, param === '' ? message : `${param}: ${message}`, { param: param === '' ? null : param });
}

/** The value, where the message says only what it should be. */
function seen({ message, path }: z.core.$ZodIssue, body: unknown): string {
  const value = path.reduce<unknown>((part, key) => (part as Record<PropertyKey, unknown> | null | undefined)?.[key], body);
  if (message.includes('received') || value === undefined || typeof value === 'object') return '';
  const text = JSON.stringify(value);
  return ` (seen: ${text.length > 60 ? `${text.slice(0, 60)}…` : text})`;
}

function pathText(path: readonly PropertyKey[]): string {
  return path.map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`)).join('');
}

/** What is understood but can't be done is refused rather than ignored. */
export function refuseUnsupported(body: ChatBody | CompletionBody): void {
  const refuse = (param: string, reason: string): never => {
    throw new ApiError(400, `${param}: ${reason}`, { param, code: 'unsupported_parameter' });
  };
  if (body.min_tokens !== undefined && body.min_tokens > 0) refuse('min_tokens', 'not supported');
  if ('messages' in body) {
    for (const field of ['functions', 'function_call'] as const) if (body[field] !== undefined && body[field] !== null) refuse(field, 'not supported: use tools and tool_choice');
    for (const field of ['top_logprobs', 'legal_mass'] as const) if (body[field] !== undefined && body.logprobs !== true) refuse(field, 'needs logprobs: true');
  } else {
    if (body.suffix !== undefined && body.suffix !== '') refuse('suffix', 'not supported');
    if (body.echo === true && body.logprobs !== undefined) refuse('echo', 'log-probabilities of the prompt are not available: leave out echo or logprobs');
    if (body.best_of !== undefined && body.best_of !== (body.n ?? 1)) refuse('best_of', 'not supported: use n');
  }
}

export function samplingOf(body: ChatBody | CompletionBody): ChatSampling {
  return {
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k === -1 ? 0 : body.top_k,
    minP: body.min_p,
    repetitionPenalty: body.repetition_penalty,
    presencePenalty: body.presence_penalty,
    frequencyPenalty: body.frequency_penalty,
    logitBias: body.logit_bias,
    seed: body.seed,
    stop: body.stop,
    stopTokenIds: body.stop_token_ids,
    ignoreEos: body.ignore_eos,
    maxTokens: body.max_tokens,
  };
}
