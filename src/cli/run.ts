import { readFileSync } from 'node:fs';
import { text as readAll } from 'node:stream/consumers';
import { Command, Option } from 'commander';
import type { ChatEvent, ResponseFormat, ToolChoice, ToolDefinition } from '../chat/chat-model.ts';
import type { LocalModel } from '../chat/local.ts';
import { readAnswer, speedLine } from './answer.ts';
import { defaultModel, type ModelFlags, modelOptions, openWithProgress, type SamplingFlags, samplingOptions } from './models.ts';
import { reportErrors } from './terminal.ts';

interface Flags extends ModelFlags, SamplingFlags, FormatFlags {
  readonly model?: string;
  readonly tools?: string;
  readonly call?: string;
  readonly raw: boolean;
  readonly json: boolean;
}

export function runCommand(): Command {
  const command = new Command('run')
    .description('answer one prompt')
    .argument('[prompt]', 'the prompt; without it or with "-", standard input')
    .option('--model <dir>', 'checkpoint; the embedded model by default')
    .option('--tools <file>', 'JSON list of tools, as in OpenAI\'s requests')
    .option('--call <name>', 'which tool to call; "required": any of them, "none"')
    .addOption(new Option('--raw', 'continue the text as it is, without the chat template').default(false).conflicts(['tools', 'call', 'system']))
    .option('--json', 'print the whole answer as JSON', false);
  return formatOptions(samplingOptions(modelOptions(command))).action((prompt: string | undefined, flags: Flags) => reportErrors(() => run(prompt, flags)));
}

async function run(argument: string | undefined, flags: Flags): Promise<void> {
  const prompt = argument === undefined || argument === '-' ? await readAll(process.stdin) : argument;
  const tools = flags.tools === undefined ? undefined : readTools(flags.tools);
  const model = await openWithProgress(flags.model ?? defaultModel(), flags);
  try {
    const answer = await readAnswer(model, start(model, prompt, tools, flags), flags.json ? () => {} : show);
    if (flags.json) process.stdout.write(`${JSON.stringify({ model: model.id, ...answer })}\n`);
    else {
      if (answer.text !== '') process.stdout.write('\n');
      process.stderr.write(`${speedLine(answer)}\n`);
    }
  } finally {
    await model.close();
  }
}

function start(model: LocalModel, prompt: string, tools: ToolDefinition[] | undefined, flags: Flags): AsyncIterable<ChatEvent> {
  const { maxTokens, temperature, topP, seed, system } = flags;
  const sampling = { maxTokens, temperature, topP, seed };
  const responseFormat = responseFormatOf(flags);
  if (flags.raw) return model.complete({ prompt, responseFormat, ...sampling });
  const messages = [...(system === undefined ? [] : [{ role: 'system' as const, content: system }]), { role: 'user' as const, content: prompt }];
  return model.stream({ messages, tools, toolChoice: toolChoice(flags.call), responseFormat, ...sampling });
}

function toolChoice(call: string | undefined): ToolChoice | undefined {
  return call === undefined || call === 'required' || call === 'none' ? call : { name: call };
}

interface FormatFlags {
  readonly jsonObject: boolean;
  readonly jsonSchema?: string;
  readonly regex?: string;
  readonly choice?: readonly string[];
  readonly grammar?: string;
}

function formatOptions(command: Command): Command {
  const formats = [
    new Option('--json-object', 'the answer is a JSON object').default(false),
    new Option('--json-schema <file>', 'the answer is JSON that matches this schema'),
    new Option('--regex <pattern>', 'the whole answer matches'),
    new Option('--choice <text...>', 'the answer is one of these'),
    new Option('--grammar <file>', 'the answer is of this EBNF (GBNF)'),
  ];
  const names = formats.map((option) => option.attributeName());
  for (const option of formats) command.addOption(option.conflicts(names.filter((name) => name !== option.attributeName())));
  return command;
}

function responseFormatOf({ jsonObject, jsonSchema, regex, choice, grammar }: FormatFlags): ResponseFormat | undefined {
  if (jsonObject) return { type: 'json-object' };
  if (jsonSchema !== undefined) return { type: 'json-schema', schema: parseFile(jsonSchema) };
  if (regex !== undefined) return { type: 'regex', pattern: regex };
  if (choice !== undefined) return { type: 'choice', choices: choice };
  return grammar === undefined ? undefined : { type: 'grammar', text: readFileSync(grammar, 'utf8') };
}

function show(event: ChatEvent): void {
  if (event.type === 'text-delta') process.stdout.write(event.text);
  else if (event.type === 'tool-call') process.stdout.write(`${JSON.stringify({ name: event.call.name, arguments: event.call.arguments })}\n`);
}

function readTools(file: string): ToolDefinition[] {
  const list = parseFile(file);
  if (!Array.isArray(list)) throw new Error(`${file}: expected a JSON list of tools`);
  return list.map((entry: ({ function?: ToolDefinition } & ToolDefinition) | null, index) => {
    const tool = entry?.function ?? entry;
    if (typeof tool?.name !== 'string') throw new Error(`${file}: tool ${index} has no name`);
    return tool;
  });
}

function parseFile(file: string): unknown {
  const text = readFileSync(file, 'utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
