/** A tool call and back, in this process: node dist/examples/tools.js [model-dir] [prompt] */
import { type ChatMessage, load, type ToolCall, type ToolDefinition } from 'tetrad';

const [directory = 'models/tetrad-nano', prompt = 'What is the weather in Bern?'] = process.argv.slice(2);

const tools: ToolDefinition[] = [
  {
    name: 'get_weather',
    description: 'Current weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string', description: 'Name of the city' } }, required: ['city'] },
  },
];

function execute(call: ToolCall): string {
  try {
    const { city } = JSON.parse(call.arguments) as { city?: unknown };
    if (call.name === 'get_weather' && typeof city === 'string') return JSON.stringify({ city, temperature_celsius: 21, conditions: 'light rain' });
    return JSON.stringify({ error: `no tool takes this: ${call.name}(${call.arguments})` });
  } catch (error) {
    return JSON.stringify({ error: String(error) });
  }
}

const model = await load(directory);
try {
  const messages: ChatMessage[] = [{ role: 'user', content: prompt }];
  for (let turn = 0; turn < 4; turn++) {
    let content = '';
    const toolCalls: ToolCall[] = [];
    for await (const event of model.stream({ messages, tools, temperature: 0, maxTokens: 200 })) {
      if (event.type === 'text-delta') content += event.text;
      if (event.type === 'tool-call') toolCalls.push(event.call);
    }
    messages.push({ role: 'assistant', content, toolCalls });
    if (toolCalls.length === 0) break;
    for (const call of toolCalls) messages.push({ role: 'tool', toolCallId: call.id, content: execute(call) });
  }
  console.log(JSON.stringify(messages, null, 2));
} finally {
  await model.close();
}
