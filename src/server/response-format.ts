/** OpenAI's response_format, and vLLM's fields for the same and more: what the text of an answer must be. */
import { z } from 'zod';
import type { ChatEvent, ResponseFormat } from '../chat/chat-model.ts';
import { RequestError } from '../engine/request-error.ts';
import { ApiError } from './errors.ts';

/** Clients write null for what they leave out. */
const given = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);

/** A schema may come as JSON text, as vLLM takes it. */
const schema = z
  .union([z.record(z.string(), z.unknown()), z.boolean(), z.string()], { error: 'expected a JSON Schema: an object, true, false, or JSON text of one' })
  .transform((value, context): unknown => {
    if (typeof value !== 'string') return value;
    const refuse = (message: string): never => {
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    };
    let parsed: unknown;
    try {
      parsed = JSON.parse(value);
    } catch (error) {
      return refuse(`the text is not JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
    // Outside, null would mean that no format was asked for.
    return parsed === null ? refuse('the text is not a JSON Schema') : parsed;
  });
const pattern = z.string();
const choices = z.array(z.string()).min(1, 'expected at least one choice');
const grammar = z.string();

const responseFormat = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json_object'), schema: given(schema) }),
    z.object({ type: z.literal('json_schema'), json_schema: z.object({ name: given(z.string()), strict: given(z.boolean()), schema }) }),
  ],
  { error: 'expected an object whose type is text, json_object or json_schema' },
);

const structuredOutputs = z.strictObject(
  {
    json: given(schema),
    regex: given(pattern),
    choice: given(choices),
    grammar: given(grammar),
    json_object: given(z.boolean()),
  },
  { error: (issue) => (issue.code === 'unrecognized_keys' ? `${issue.keys?.join(', ')} is not supported; there are json, regex, choice, grammar and json_object` : undefined) },
);

export const formatFields = {
  response_format: given(responseFormat),
  guided_json: given(schema),
  guided_regex: given(pattern),
  guided_choice: given(choices),
  guided_grammar: given(grammar),
  structured_outputs: given(structuredOutputs),
};

type FormatBody = { readonly [Field in keyof typeof formatFields]: z.output<(typeof formatFields)[Field]> };

/** A format and the field of the body that asked for it. */
export interface AskedFormat {
  readonly format: ResponseFormat;
  readonly field: string;
}

/** Throws ApiError where the body asks for more than one. */
export function askedFormat(body: FormatBody): AskedFormat | null {
  const asked = [...formatsOf(body)];
  if (asked.length > 1) {
    const fields = asked.map(({ field }) => field).join(', ');
    throw new ApiError(400, `The answer can have one format, but several were asked for: ${fields}`, { param: asked[1].field });
  }
  return asked[0] ?? null;
}

function* formatsOf(body: FormatBody): Generator<AskedFormat> {
  const { response_format: format, structured_outputs: outputs } = body;
  if (format?.type === 'json_object' && format.schema === undefined) yield { format: { type: 'json-object' }, field: 'response_format' };
  if (format?.type === 'json_object' && format.schema !== undefined) yield { format: { type: 'json-schema', schema: format.schema }, field: 'response_format.schema' };
  if (format?.type === 'json_schema') yield { format: { type: 'json-schema', schema: format.json_schema.schema }, field: 'response_format.json_schema.schema' };
  yield* guided({ json: body.guided_json, regex: body.guided_regex, choice: body.guided_choice, grammar: body.guided_grammar }, 'guided_');
  if (outputs === undefined) return;
  yield* guided(outputs, 'structured_outputs.');
  if (outputs.json_object === true) yield { format: { type: 'json-object' }, field: 'structured_outputs.json_object' };
}

/** Where the format turns out to be impossible, the error names the field that asked for it. */
export function answersIn(asked: AskedFormat | null, events: AsyncIterable<ChatEvent>): AsyncIterable<ChatEvent> {
  return asked === null ? events : renamed(events, asked.field);
}

async function* renamed(events: AsyncIterable<ChatEvent>, field: string): AsyncGenerator<ChatEvent> {
  try {
    yield* events;
  } catch (error) {
    if (error instanceof RequestError && error.parameter === 'responseFormat') throw new RequestError(error.message.replace(/^responseFormat\b/u, field), field);
    throw error;
  }
}

interface Guides {
  readonly json?: unknown;
  readonly regex?: string;
  readonly choice?: readonly string[];
  readonly grammar?: string;
}

function* guided({ json, regex, choice, grammar }: Guides, prefix: string): Generator<AskedFormat> {
  if (json !== undefined) yield { format: { type: 'json-schema', schema: json }, field: `${prefix}json` };
  if (regex !== undefined) yield { format: { type: 'regex', pattern: regex }, field: `${prefix}regex` };
  if (choice !== undefined) yield { format: { type: 'choice', choices: choice }, field: `${prefix}choice` };
  if (grammar !== undefined) yield { format: { type: 'grammar', text: grammar }, field: `${prefix}grammar` };
}
