/** An answer as it streams to a terminal or a program. */
import type { ChatEvent, ToolCall, Usage } from '../chat/chat-model.ts';
import type { LocalModel } from '../chat/local.ts';

export interface Answer {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCall[];
  readonly finishReason: string;
  readonly usage: Usage;
  readonly firstTokenSeconds: number;
  /** Tokens after the first, by the time they took; null for a single one. */
  readonly tokensPerSecond: number | null;
}

/** Reads an answer of the model to its end; `show` gets every piece of it as it comes. */
export async function readAnswer(model: LocalModel, events: AsyncIterable<ChatEvent>, show: (event: ChatEvent) => void): Promise<Answer> {
  // By steps, not by events: a tool call is one event, however long it took.
  let first = 0;
  let last = 0;
  model.observer = {
    step: (timing) => {
      last = timing.sinceStart;
      if (timing.first) first = last;
    },
    end: () => {},
  };
  let text = '';
  let reasoning = '';
  const toolCalls: ToolCall[] = [];
  for await (const event of events) {
    show(event);
    if (event.type === 'text-delta') text += event.text;
    else if (event.type === 'reasoning-delta') reasoning += event.text;
    else if (event.type === 'tool-call') toolCalls.push(event.call);
    else if (event.type === 'finish') {
      const { completionTokens } = event.usage;
      const tokensPerSecond = completionTokens > 1 && last > first ? (completionTokens - 1) / (last - first) : null;
      return { text, reasoning, toolCalls, finishReason: event.reason, usage: event.usage, firstTokenSeconds: first, tokensPerSecond };
    }
  }
  throw new Error('The model ended its answer without saying so');
}

export function speedLine({ usage, firstTokenSeconds, tokensPerSecond }: Answer): string {
  const rate = tokensPerSecond === null ? '' : `, ${tokensPerSecond.toFixed(1)} tokens/s`;
  return `${usage.promptTokens} + ${usage.completionTokens} tokens (${usage.cachedTokens} cached), first after ${firstTokenSeconds.toFixed(2)} s${rate}`;
}
