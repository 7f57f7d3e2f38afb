/** Perplexity of the wanted answers of a call set: how surprised a model is by each of their tokens, prompt given. */
import { chatTemplate } from '../chat/template.ts';
import { loadModel } from '../model/load.ts';
import type { LoadOptions } from '../model/load.ts';
import type { Model } from '../model/transformer.ts';
import { loadTokenizer } from '../tokenizer/tokenizer.ts';
import { chatMessages } from './calls.ts';
import type { CallItem, CallSet } from './calls.ts';
import { sequenceLogits } from './logits.ts';

export interface PerplexityReport {
  readonly items: number;
  /** Answer tokens, the end mark included. */
  readonly tokens: number;
  readonly perplexity: number;
}

/** `text`: where the tokenizer and template are; `weights`: where the weights are. Items without calls, and those too long, are left out. */
export async function evaluatePerplexity(text: string, weights: string, set: CallSet, options: Partial<LoadOptions>, onProgress?: (done: number, total: number) => void): Promise<PerplexityReport> {
  const tokenizer = loadTokenizer(text);
  const template = chatTemplate(tokenizer);
  if (template === null) throw new Error(`${text} has no chat template`);
  const items = set.items.filter(({ calls }) => calls.length > 0);
  const model = await loadModel(weights, { ...options, cacheTokens: options.cacheTokens ?? 4096 });
  let [used, tokens, loss] = [0, 0, 0];
  try {
    for (const [index, item] of items.entries()) {
      const [prompt, whole] = texts(item, set, (input) => template.render(input));
      const start = tokenizer.encode(prompt).length;
      const ids = tokenizer.encode(whole);
      if (ids.length > model.maxPositions) continue;
      used++;
      tokens += ids.length - start;
      loss += answerLoss(model, ids, start);
      onProgress?.(index + 1, items.length);
    }
  } finally {
    model.close();
  }
  return { items: used, tokens, perplexity: Math.exp(loss / tokens) };
}

type Render = (input: Parameters<NonNullable<ReturnType<typeof chatTemplate>>['render']>[0]) => string;

/** The prompt, and the prompt with the answer behind it, up to the end mark. */
function texts(item: CallItem, set: CallSet, render: Render): [string, string] {
  const tools = item.tools.map((name) => set.tools[name].function);
  const messages = chatMessages(item);
  const toolCalls = item.calls.map(({ name, arguments: values }, i) => ({ id: `answer-${i}`, name, arguments: JSON.stringify(values) }));
  const whole = render({ messages: [...messages, { role: 'assistant', content: '', toolCalls }], tools, addGenerationPrompt: false });
  return [render({ messages, tools }), whole.trimEnd()];
}

/** Summed negative log probability of the tokens from `start` on, in nats. */
function answerLoss(model: Model, ids: readonly number[], start: number): number {
  const V = model.config.vocabSize;
  const logits = sequenceLogits(model, Int32Array.from(ids));
  let loss = 0;
  for (let i = start; i < ids.length; i++) {
    const row = logits.subarray((i - 1) * V, i * V);
    const most = row.reduce((a, b) => Math.max(a, b));
    loss += most + Math.log(row.reduce((sum, x) => sum + Math.exp(x - most), 0)) - row[ids[i]];
  }
  return loss;
}
