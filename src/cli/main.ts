/** `tetrad <command>`. Exit codes: 0 done, 1 failed, 2 called in a wrong way. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';

interface CommandEntry {
  readonly name: string;
  readonly description: string;
  readonly load: () => Promise<Command>;
}

/** Only the command that runs is loaded. */
const COMMANDS: readonly CommandEntry[] = [
  { name: 'serve', description: 'serve models over an OpenAI-compatible API', load: async () => (await import('./serve.ts')).serveCommand() },
  { name: 'chat', description: 'talk to a model in the terminal', load: async () => (await import('./chat.ts')).chatCommand() },
  { name: 'run', description: 'answer one prompt', load: async () => (await import('./run.ts')).runCommand() },
  { name: 'quantize', description: 'turn a full-precision Hugging Face checkpoint into a 4-bit one', load: async () => (await import('./quantize.ts')).quantizeCommand() },
  { name: 'evaluate', description: 'measure what a model computes', load: async () => (await import('./evaluate.ts')).evaluateCommand() },
  { name: 'pull', description: 'download a checkpoint from the Hugging Face Hub', load: async () => (await import('./pull.ts')).pullCommand() },
  { name: 'bench', description: 'measure speed', load: async () => (await import('./bench.ts')).benchCommand() },
];

function packageVersion(): string {
  const url = new URL(import.meta.url.endsWith('.ts') ? '../../package.json' : '../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version;
}

export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('tetrad').description('Serves small language models in 4 bits').version(packageVersion());
  const wanted = argv[0] === 'help' ? argv[1] : argv[0];
  for (const { name, description, load } of COMMANDS) {
    program.addCommand(name === wanted ? await load() : new Command(name).description(description));
  }
  throwInsteadOfExit(program);
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  }
}

function throwInsteadOfExit(command: Command): void {
  command.exitOverride().configureOutput({ outputError: (text, write) => write(text.replace(/^error: /u, 'tetrad: ')) });
  for (const child of command.commands) throwInsteadOfExit(child);
}

// A reader that has seen enough, such as head, is no failure; a full disk is.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`tetrad: the output cannot be written: ${error.message}\n`);
  process.exit(1);
});
await main(process.argv.slice(2));
