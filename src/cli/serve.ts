import { Command } from 'commander';
import type { LocalModel } from '../chat/local.ts';
import { createApp, DEFAULT_LIMITS } from '../server/app.ts';
import { listen, type Listening } from '../server/listen.ts';
import { defaultModel, describeModel, integerFrom, type ModelFlags, modelOptions, openWithProgress } from './models.ts';
import { reportErrors } from './terminal.ts';

interface Flags extends ModelFlags {
  readonly model?: readonly string[];
  readonly servedModelName?: readonly string[];
  readonly port: number;
  readonly host: string;
  readonly apiKey?: string;
  readonly corsOrigin?: readonly string[];
  readonly maxConcurrency: number;
  readonly maxBodyBytes: number;
  readonly drainSeconds: number;
  readonly json: boolean;
}

export function serveCommand(): Command {
  const command = new Command('serve')
    .description('serve models over an OpenAI-compatible API')
    .option('--model <dir...>', 'checkpoints; the embedded model by default')
    .option('--served-model-name <name...>', 'names to serve them under, in the same order; their directories\' by default');
  return modelOptions(command)
    .option('--port <n>', 'port; 0: any that is free', integerFrom(0, 65535), 8000)
    .option('--host <address>', 'address to listen at', '127.0.0.1')
    .option('--api-key <key>', 'ask for this key; $TETRAD_API_KEY does the same')
    .option('--cors-origin <origin...>', 'origins whose pages may call from a browser, such as http://localhost:3000; "*": all')
    .option('--max-concurrency <n>', 'answers in the making at once; more are refused with 429', integerFrom(1), DEFAULT_LIMITS.concurrency)
    .option('--max-body-bytes <n>', 'longest request body', integerFrom(1), DEFAULT_LIMITS.bodyBytes)
    .option('--drain-seconds <n>', 'how long requests may go on after Ctrl-C or SIGTERM', integerFrom(0), 30)
    .option('--json', 'print what is served as one line of JSON', false)
    .action((flags: Flags) => reportErrors(() => serve(flags)));
}

async function serve(given: Flags): Promise<void> {
  const flags = { ...given, apiKey: given.apiKey || process.env.TETRAD_API_KEY || undefined };
  const directories = flags.model ?? [defaultModel()];
  const names = flags.servedModelName ?? [];
  if (names.length > directories.length) throw new Error(`There are ${names.length} names (--served-model-name) for ${directories.length} models (--model)`);
  const models: LocalModel[] = [];
  try {
    for (const [index, directory] of directories.entries()) models.push(await openWithProgress(directory, flags, names[index]));
    const ids = models.map((model) => model.id);
    const twice = ids.find((id, index) => ids.indexOf(id) !== index);
    if (twice !== undefined) throw new Error(`Two models would be served as "${twice}": give them names with --served-model-name`);
    const limits = { concurrency: flags.maxConcurrency, bodyBytes: flags.maxBodyBytes };
    const app = createApp({ models, apiKey: flags.apiKey, corsOrigins: flags.corsOrigin, limits });
    const server = await listen(app, { port: flags.port, host: flags.host, drainMs: flags.drainSeconds * 1000 });
    announce(server, models, flags);
    await stopped(server);
  } finally {
    await Promise.all(models.map((model) => model.close()));
  }
}

function announce({ url }: Listening, models: readonly LocalModel[], flags: Flags): void {
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ url, models: models.map((model) => ({ id: model.id, ...model.description })) })}\n`);
    return;
  }
  const key = flags.apiKey === undefined ? '' : " -H 'authorization: Bearer <key>'";
  const lines = [
    ...models.map((model) => describeModel(model, flags.precision)),
    `Serving at ${url}, OpenAI's API under ${url}/v1. Try:`,
    '',
    `curl ${url}/v1/chat/completions${key} -H 'content-type: application/json' -d '${JSON.stringify(exampleRequest(models[0].id))}'`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

const exampleRequest = (model: string): object => ({
  model,
  messages: [{ role: 'user', content: 'What is the weather in Bern?' }],
  tools: [
    {
      type: 'function',
      function: {
        name: 'get_weather',
        description: 'Current weather in a city',
        parameters: { type: 'object', properties: { city: { type: 'string', description: 'Name of the city' } }, required: ['city'] },
      },
    },
  ],
});

/** Resolves when a signal came and the server has drained; a second signal ends the process at once. */
function stopped(server: Listening): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (stopping) process.exit(signal === 'SIGINT' ? 130 : 143);
      stopping = true;
      process.stderr.write('tetrad: finishing what runs; once more to stop at once\n');
      server.close().then(resolve, reject);
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}
