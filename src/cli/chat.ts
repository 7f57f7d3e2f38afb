import { createInterface } from 'node:readline';
import { styleText } from 'node:util';
import { Command } from 'commander';
import type { ChatEvent, ChatMessage } from '../chat/chat-model.ts';
import type { LocalModel } from '../chat/local.ts';
import { RequestError } from '../engine/request-error.ts';
import { readAnswer, speedLine } from './answer.ts';
import { defaultModel, describeModel, type ModelFlags, modelOptions, openWithProgress, type SamplingFlags, samplingOptions } from './models.ts';
import { reportErrors } from './terminal.ts';

interface Flags extends ModelFlags, SamplingFlags {
  readonly model?: string;
}

export function chatCommand(): Command {
  const command = new Command('chat').description('talk to a model in the terminal').option('--model <dir>', 'checkpoint; the embedded model by default');
  return samplingOptions(modelOptions(command)).action((flags: Flags) => reportErrors(() => run(flags)));
}

async function run(flags: Flags): Promise<void> {
  const model = await openWithProgress(flags.model ?? defaultModel(), flags);
  try {
    if (!model.chats) throw new Error(`${model.id} has no chat template: "tetrad run --raw" continues text with it`);
    process.stderr.write(`${dim(describeModel(model, flags.precision))}\n${dim('/reset forgets the conversation, /exit ends it, Ctrl-C stops an answer')}\n`);
    await converse(model, flags);
  } finally {
    await model.close();
  }
}

async function converse(model: LocalModel, { system, maxTokens, temperature, topP, seed }: Flags): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr, terminal: process.stdin.isTTY && process.stderr.isTTY, prompt: '> ' });
  const opening: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
  let history: ChatMessage[] = [...opening];
  let answering: AbortController | null = null;
  terminal.on('SIGINT', () => (answering === null ? terminal.close() : answering.abort()));
  const ask = (): void => void (process.stdin.isTTY && terminal.prompt());
  ask();
  for await (const line of terminal) {
    const content = line.trim();
    if (content === '/exit') break;
    if (content === '/reset') history = [...opening];
    else if (/^\/\w*$/u.test(content)) process.stderr.write(`${content} is no command: there are /reset and /exit\n`);
    else if (content !== '') {
      const messages: ChatMessage[] = [...history, { role: 'user', content }];
      answering = new AbortController();
      const reply = await answer(model, () => model.stream({ messages, maxTokens, temperature, topP, seed, signal: answering?.signal }));
      answering = null;
      if (reply !== null) history = [...messages, reply];
    }
    ask();
  }
  terminal.close();
}

/** The reply, for the history; null where the model refused the conversation. */
async function answer(model: LocalModel, start: () => AsyncIterable<ChatEvent>): Promise<ChatMessage | null> {
  try {
    const reply = await readAnswer(model, start(), show);
    process.stdout.write('\n');
    process.stderr.write(`${dim(speedLine(reply))}\n`);
    return { role: 'assistant', content: reply.text, ...(reply.toolCalls.length > 0 && { toolCalls: reply.toolCalls }) };
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    process.stderr.write(`${model.id}: ${error.message}\n`);
    return null;
  }
}

function show(event: ChatEvent): void {
  if (event.type === 'text-delta') process.stdout.write(event.text);
  else if (event.type === 'reasoning-delta') process.stdout.write(dim(event.text));
  else if (event.type === 'tool-call') process.stdout.write(`${event.call.name}(${event.call.arguments})\n`);
}

const dim = (text: string): string => (process.stderr.isTTY ? styleText('dim', text) : text);
