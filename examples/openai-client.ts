/** The openai client against a server in this process: node dist/examples/openai-client.js [model-dir] [prompt] */
import OpenAI from 'openai';
import { load, serve } from 'tetrad';

const [directory = 'models/tetrad-nano', prompt = 'What can you do?'] = process.argv.slice(2);

const model = await load(directory);
const server = await serve({ models: [model], port: 0, apiKey: 'secret' });
try {
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'secret' });
  const stream = await client.chat.completions.create({
    model: model.id,
    messages: [{ role: 'user', content: prompt }],
    max_tokens: 200,
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    process.stdout.write(chunk.choices[0]?.delta.content ?? '');
    if (chunk.usage) console.log(`\n[${chunk.usage.total_tokens} tokens]`);
  }
} finally {
  await server.close();
  await model.close();
}
