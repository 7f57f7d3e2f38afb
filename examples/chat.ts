/** Streams an answer in this process: node dist/examples/chat.js [model-dir] [prompt] */
import { load } from 'tetrad';

const [directory = 'models/tetrad-nano', prompt = 'What can you do?'] = process.argv.slice(2);

const model = await load(directory);
try {
  for await (const event of model.stream({ messages: [{ role: 'user', content: prompt }], maxTokens: 200 })) {
    if (event.type === 'text-delta') process.stdout.write(event.text);
    if (event.type === 'finish') console.log(`\n[${event.reason}, ${event.usage.completionTokens} tokens]`);
  }
} finally {
  await model.close();
}
