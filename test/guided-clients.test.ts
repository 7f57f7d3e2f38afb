/** Guided decoding and tools, over a real socket, with the clients that people use, on the embedded model. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { ChatOpenAI } from '@langchain/openai';
import { generateObject, stepCountIs, streamText, tool } from 'ai';
import { Ajv2020 } from 'ajv/dist/2020.js';
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createApp, listen, type Listening, load, type LocalModel } from '../src/index.ts';

let model: LocalModel;
let server: Listening;
let client: OpenAI;

beforeAll(async () => {
  model = await load({ directory: 'models/tetrad-nano', id: 'nano', cacheTokens: 16_384, maxBatchSize: 8 });
  server = await listen(createApp({ models: [model] }), { port: 0, host: '127.0.0.1', drainMs: 1000 });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});

afterAll(async () => {
  await server.close();
  await model.close();
});

const messages: { role: 'user'; content: string }[] = [{ role: 'user', content: 'What is the weather in Bern over the next 3 days?' }];
const greedy = { model: 'nano', messages, temperature: 0, max_tokens: 200 };
const Forecast = z.strictObject({ city: z.string().max(40), days: z.int().min(1).max(7), sky: z.enum(['sunny', 'cloudy', 'rain']) });
const weather = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    description: 'Weather forecast of a city',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string', description: 'Name of the city' }, days: { type: 'integer', description: 'Number of days', minimum: 1, maximum: 14 } },
      required: ['city'],
    },
  },
};
const alarm = {
  type: 'function' as const,
  function: {
    name: 'set_alarm',
    description: 'Set an alarm',
    parameters: { type: 'object', properties: { time: { type: 'string', pattern: '^([01]\\d|2[0-3]):[0-5]\\d$' } }, required: ['time'], additionalProperties: false },
  },
};
const tools = [weather, alarm];
/** A schema of objects in each other. */
const nested = (depth: number): unknown => JSON.parse(`${'{"properties": {"a": '.repeat(depth)}{}${'}}'.repeat(depth)}`);
/** A field that the client's types do not know. */
const more = (fields: Record<string, unknown>): object => fields;

async function text(fields: Record<string, unknown>): Promise<string> {
  const { choices } = await client.chat.completions.create({ ...greedy, ...more(fields) });
  expect(choices[0].finish_reason).toBe('stop');
  return choices[0].message.content ?? '';
}

async function refusal(fields: Record<string, unknown>): Promise<InstanceType<typeof OpenAI.BadRequestError>> {
  const error: unknown = await client.chat.completions.create({ ...greedy, ...more(fields) }).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(OpenAI.BadRequestError);
  return error as InstanceType<typeof OpenAI.BadRequestError>;
}

describe('formats', () => {
  test('json_schema, parsed by the client', async () => {
    const completion = await client.chat.completions.parse({ ...greedy, response_format: zodResponseFormat(Forecast, 'forecast') });
    expect(Forecast.safeParse(completion.choices[0].message.parsed).success).toBe(true);
  });

  test('json_schema, streamed, hot: the pieces make a valid whole', async () => {
    const stream = client.chat.completions.stream({ ...greedy, temperature: 1.5, seed: 7, response_format: zodResponseFormat(Forecast, 'forecast') });
    const completion = await stream.finalChatCompletion();
    expect(Forecast.safeParse(completion.choices[0].message.parsed).success).toBe(true);
  });

  test('many hot answers at once, each valid', async () => {
    const { choices } = await client.chat.completions.create({ ...greedy, temperature: 2, seed: 1, n: 8, response_format: zodResponseFormat(Forecast, 'forecast') });
    for (const { message } of choices) expect(Forecast.safeParse(JSON.parse(message.content ?? '')).success).toBe(true);
  });

  test('json_object: what comes is one, whole or cut off', async () => {
    for (const seed of [1, 2, 3, 4]) {
      const { choices } = await client.chat.completions.create({ ...greedy, temperature: 1, seed, response_format: { type: 'json_object' } });
      const { finish_reason: reason, message } = choices[0];
      if (reason === 'stop') expect(JSON.parse(message.content ?? '')).toBeTypeOf('object');
      else expect(message.content).toMatch(/^\{\s*"/u);
    }
  });

  test.each([
    [{ guided_regex: '\\d{4}-\\d{2}-\\d{2}' }, /^\d{4}-\d{2}-\d{2}$/u],
    [{ structured_outputs: { regex: '[a-c]{3}|[x-z]{5}' } }, /^([a-c]{3}|[x-z]{5})$/u],
    [{ guided_choice: ['yes', 'no', 'perhaps not'] }, /^(yes|no|perhaps not)$/u],
    [{ guided_grammar: 'root ::= "SELECT " [a-z]{1,8} (", " [a-z]{1,8}){0,2} " FROM " ("a" | "b") ";"' }, /^SELECT [a-z]{1,8}(, [a-z]{1,8}){0,2} FROM [ab];$/u],
    [{ guided_json: '{"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3}' }, /^\[\s*-?\d+\s*,\s*-?\d+\s*(,\s*-?\d+\s*)?\]$/u],
  ])('%j', async (fields, expected) => {
    expect(await text(fields)).toMatch(expected);
    expect(await text({ ...fields, temperature: 2, seed: 3 })).toMatch(expected);
  });

  test("other servers' way to give json_object a schema", async () => {
    const schema = { type: 'object', properties: { sky: { enum: ['sunny', 'rain'] } }, required: ['sky'] };
    expect(['sunny', 'rain']).toContain((JSON.parse(await text({ response_format: { type: 'json_object', schema } })) as { sky: string }).sky);
  });

  test('completions take formats, too', async () => {
    const { choices } = await client.completions.create({ model: 'nano', prompt: 'The capital of France is', max_tokens: 20, ...more({ guided_choice: ['Paris', 'Rome'] }) });
    expect(['Paris', 'Rome']).toContain(choices[0].text);
  });

  test('what the mask let through is told', async () => {
    const { choices } = await client.chat.completions.create({ ...greedy, logprobs: true, ...more({ legal_mass: true, guided_choice: ['red cabbage soup', 'blue cheese sauce'] }) });
    const scores = choices[0].logprobs?.content as unknown as { logprob: number; legal_mass: number; forced: boolean }[];
    expect(scores.length).toBeGreaterThan(0);
    for (const { logprob, legal_mass: mass } of scores) {
      expect(mass).toBeGreaterThan(0);
      expect(mass).toBeLessThanOrEqual(1);
      expect(Math.exp(logprob)).toBeLessThanOrEqual(mass * (1 + 1e-4));
    }
    expect(scores.some(({ forced }) => forced)).toBe(true);
    expect(scores[0].forced).toBe(false);
  });
});

describe('tools', () => {
  const validate = new Ajv2020().compile(weather.function.parameters);

  test('auto: the call of the example, streamed in pieces that add up', async () => {
    const stream = await client.chat.completions.create({ ...greedy, tools, stream: true });
    let json = '';
    let name = '';
    let pieces = 0;
    let reason: string | null = null;
    for await (const { choices } of stream) {
      const call = choices[0].delta.tool_calls?.[0];
      expect(choices[0].delta.content ?? '').toBe('');
      name += call?.function?.name ?? '';
      json += call?.function?.arguments ?? '';
      if ((call?.function?.arguments ?? '') !== '') pieces++;
      reason = choices[0].finish_reason ?? reason;
    }
    expect(name).toBe('get_weather');
    expect(JSON.parse(json)).toMatchObject({ city: 'Bern' });
    expect(validate(JSON.parse(json))).toBe(true);
    expect(pieces).toBeGreaterThan(1);
    expect(reason).toBe('tool_calls');
  });

  test('auto: abstaining stays possible', async () => {
    const { choices } = await client.chat.completions.create({ ...greedy, messages: [{ role: 'user', content: 'Hello! How are you?' }], tools });
    expect(choices[0].message.tool_calls).toBeUndefined();
    expect(choices[0].message.content).not.toBe('');
  });

  test('required calls something whatever was said, valid and hot', async () => {
    const hello = [{ role: 'user' as const, content: 'Hello! How are you?' }];
    const { choices } = await client.chat.completions.create({ ...greedy, messages: hello, temperature: 2, seed: 5, n: 6, tools: [weather], tool_choice: 'required' });
    for (const { message, finish_reason: reason } of choices) {
      expect(reason).toBe('tool_calls');
      for (const call of message.tool_calls ?? []) expect(validate(JSON.parse(call.type === 'function' ? call.function.arguments : ''))).toBe(true);
      expect(message.tool_calls?.length).toBeGreaterThan(0);
    }
  });

  test('a named tool, once', async () => {
    const choice = { type: 'function' as const, function: { name: 'set_alarm' } };
    const { choices } = await client.chat.completions.create({ ...greedy, tools, tool_choice: choice, parallel_tool_calls: false });
    expect(choices[0].message.tool_calls).toMatchObject([{ function: { name: 'set_alarm', arguments: expect.stringMatching(/^\{"time": "\d\d:\d\d"\}$/u) } }]);
  });

  test('none hides the tools', async () => {
    const { choices } = await client.chat.completions.create({ ...greedy, tools, tool_choice: 'none' });
    expect(choices[0].message.tool_calls).toBeUndefined();
  });

  test("the client's helpers: parsed arguments, and a loop that runs the tool", async () => {
    const parameters = z.object({ city: z.string() });
    const parsed = await client.chat.completions.parse({ ...greedy, tools: [zodFunction({ name: 'get_weather', description: 'Weather forecast of a city', parameters })], tool_choice: 'required' });
    expect(parameters.safeParse(parsed.choices[0].message.tool_calls?.[0].function.parsed_arguments).success).toBe(true);

    const asked: string[] = [];
    const runner = client.chat.completions.runTools(
      {
        ...greedy,
        tools: [
          {
            type: 'function',
            function: {
              ...weather.function,
              parse: (json: string) => parameters.parse(JSON.parse(json)),
              function: ({ city }: { city: string }) => {
                asked.push(city);
                return '{"sky":"sunny","temperature":21}';
              },
            },
          },
        ],
      },
      { maxChatCompletions: 3 },
    );
    expect((await runner.finalContent())?.length).toBeGreaterThan(0);
    expect(asked[0]).toBe('Bern');
  });

  test('log-probabilities of calls', async () => {
    const { choices } = await client.chat.completions.create({ ...greedy, tools, logprobs: true, ...more({ legal_mass: true }) });
    const content = choices[0].logprobs?.content ?? [];
    const call = choices[0].message.tool_calls?.[0];
    const json = call?.type === 'function' ? call.function.arguments : '';
    expect(Buffer.concat(content.map(({ bytes }) => Buffer.from(bytes ?? []))).toString()).toContain(json);
    for (const { logprob } of content) expect(logprob).toBeLessThanOrEqual(0);
  });
});

describe('other clients', () => {
  test('ai: generateObject, and streamText with tools that run', async () => {
    const provider = createOpenAICompatible({ name: 'tetrad', baseURL: `${server.url}/v1`, includeUsage: true, supportsStructuredOutputs: true });
    const { object } = await generateObject({ model: provider('nano'), schema: Forecast, prompt: messages[0].content, temperature: 0, maxOutputTokens: 200 });
    expect(Forecast.safeParse(object).success).toBe(true);

    const asked: string[] = [];
    const result = streamText({
      model: provider('nano'),
      temperature: 0,
      prompt: messages[0].content,
      stopWhen: stepCountIs(2),
      tools: {
        get_weather: tool({
          description: 'Weather forecast of a city',
          inputSchema: z.object({ city: z.string().describe('Name of the city') }),
          execute: ({ city }) => {
            asked.push(city);
            return { sky: 'sunny', temperature: 21 };
          },
        }),
      },
    });
    for await (const part of result.fullStream) expect(part.type).not.toBe('error');
    expect(asked).toEqual(['Bern']);
    expect((await result.text).length).toBeGreaterThan(0);
  });

  test.each(['jsonSchema', 'functionCalling'] as const)('LangChain.js: withStructuredOutput by %s', async (method) => {
    const llm = new ChatOpenAI({ model: 'nano', apiKey: 'none', temperature: 0, maxTokens: 200, maxRetries: 0, configuration: { baseURL: `${server.url}/v1` } });
    const answer = await llm.withStructuredOutput(Forecast, { name: 'forecast', method }).invoke(messages[0].content);
    expect(Forecast.safeParse(answer).success).toBe(true);
  });

  test('LangChain.js: bound tools', async () => {
    const llm = new ChatOpenAI({ model: 'nano', apiKey: 'none', temperature: 0, maxTokens: 200, maxRetries: 0, configuration: { baseURL: `${server.url}/v1` } });
    const answer = await llm.bindTools(tools).invoke(messages[0].content);
    expect(answer.tool_calls).toMatchObject([{ name: 'get_weather', args: { city: 'Bern' } }]);
  });
});

describe('refused', () => {
  const schemaFormat = (schema: object): Record<string, unknown> => ({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } });

  test('a schema that cannot be enforced, by keyword and place', async () => {
    const error = await refusal(schemaFormat({ type: 'object', properties: { a: { type: 'string', pattern: '(?<=x)y' } } }));
    expect(error.param).toBe('response_format.json_schema.schema');
    expect(error.message).toMatch(/pattern/u);
    expect(error.message).toMatch(/#?\/properties\/a/u);
  });

  test("the field that asked is named, vLLM's too", async () => {
    const error = await refusal({ structured_outputs: { json: { type: 'string', pattern: '(?<=x)y' } } });
    expect(error.param).toBe('structured_outputs.json');
    expect(error.message).toMatch(/^400 structured_outputs\.json: pattern/u);
  });

  test('a tool of such a schema; unless it is not strict', async () => {
    const bad = { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: { a: { type: 'string', pattern: '(?<=x)y' } } } } };
    const error = await refusal({ tools: [weather, bad] });
    expect(error.param).toBe('tools[1].function.parameters');
    expect(error.message).toMatch(/"strict": false/u);
    const loose = { ...bad, function: { ...bad.function, strict: false } };
    const { choices } = await client.chat.completions.create({ ...greedy, ...more({ tools: [loose], tool_choice: 'required' }) });
    expect(choices[0].finish_reason).toMatch(/tool_calls|length/u);
  });

  test.each([
    [{ tools, tool_choice: { type: 'function', function: { name: 'fly' } } }, /"fly"/u],
    [{ tool_choice: 'required' }, /tools/u],
    [{ tools: [weather, alarm, weather] }, /two of them are named "get_weather"/u],
    [{ guided_regex: '(' }, /regular expression|regex|pattern/iu],
    [{ guided_grammar: 'root ::= root "a"' }, /recurs/iu],
  ])('%j', async (fields, message) => {
    expect((await refusal(fields)).message).toMatch(message);
  });

  test.each([
    [{ guided_json: 'null' }, 'guided_json', /not a JSON Schema/u],
    [{ response_format: { type: 'json_object', schema: { type: 'objct' } } }, 'response_format.schema', /"objct" is not a type/u],
    [{ structured_outputs: { structural_tag: '{}' } }, 'structured_outputs', /structural_tag .* there are json, regex/u],
    [{ tools, tool_choice: { type: 'function', function: { name: 'fly' } } }, 'tool_choice', /tool_choice: .*"get_weather", "set_alarm"/u],
    [{ guided_json: `${'{"not":'.repeat(10_000)}{}${'}'.repeat(10_000)}` }, 'guided_json', /guided_json: .*too deep/u],
    [{ tools: [{ type: 'function', function: { name: 'f', parameters: nested(800) } }] }, 'tools[0].function.parameters', /deeper than 500/u],
  ])('%#: the field, what is wrong, what there is', async (fields, param, message) => {
    const error = await refusal(fields);
    expect(error.param).toBe(param);
    expect(error.message).toMatch(message);
  });

  test('a grammar that turns out too ambiguous, with the reason', async () => {
    const levels = Array.from({ length: 18 }, (_, i) => `n${i + 1} ::= "" | n${i} n${i}`);
    const error = await refusal({ guided_grammar: ['root ::= n18', 'n0 ::= "" | "a"', ...levels].join('\n') });
    expect(error).toMatchObject({ code: 'generation_failed', message: expect.stringMatching(/too ambiguous/u) });
  });

  test('hostile schemas end refused, and others are served meanwhile', async () => {
    const hostile = [
      schemaFormat({ $defs: { a: { anyOf: [{ $ref: '#/$defs/a' }, { $ref: '#/$defs/a' }] } }, $ref: '#/$defs/a' }),
      { guided_regex: '((a{1,500}){1,500}){1,500}' },
      schemaFormat({ type: 'object', properties: { a: { type: 'string', pattern: '(.*a.{14}){3}' } } }),
    ].map((fields) => refusal(fields));
    const { choices } = await client.chat.completions.create({ ...greedy, tools });
    expect(choices[0].finish_reason).toBe('tool_calls');
    for (const error of await Promise.all(hostile)) expect(error.status).toBe(400);
  }, 60_000);
});
