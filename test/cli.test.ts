/** The commands as a shell sees them: output, exit codes, orderly ends. They run from dist/, as users run them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, test } from 'vitest';
import { samplingDefaults } from '../src/chat/load.ts';
import { defaultModel } from '../src/cli/models.ts';
import { temporaryCheckpoint } from './support/checkpoint.ts';

const checkpoint = temporaryCheckpoint();
const cache = mkdtempSync(join(tmpdir(), 'tetrad-cache-'));
afterAll(() => {
  checkpoint[Symbol.dispose]();
  rmSync(cache, { recursive: true, force: true });
});

const environment = { ...process.env, TETRAD_CACHE: cache, TETRAD_API_KEY: '' };

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, args, { env: environment, stdio: 'pipe' });
}

async function finish(child: ChildProcess, input = ''): Promise<Result> {
  child.stdin?.end(input);
  const closed = once(child, 'close') as Promise<[number | null]>;
  const [out, err, [code]] = await Promise.all([text(child.stdout as NodeJS.ReadableStream), text(child.stderr as NodeJS.ReadableStream), closed]);
  return { code, out, err };
}

const tetrad = (...args: string[]): ChildProcess => start(['dist/src/cli/main.js', ...args]);
const model = ['--model', checkpoint.directory, '--backend', 'reference', '--cache-tokens', '512'];
const short = ['--max-tokens', '6', '--temperature', '0'];

describe('exit codes', () => {
  test('help is 0, for every command', async () => {
    const { code, out } = await finish(tetrad('--help'));
    expect(code).toBe(0);
    const commands = [...out.matchAll(/^ {2}([a-z]+) {2}/gmu)].map((match) => match[1]).filter((name) => name !== 'help');
    expect(commands).toContain('serve');
    for (const command of commands) expect(await finish(tetrad(command, '--help'))).toMatchObject({ code: 0, out: expect.stringContaining(`Usage: tetrad ${command}`) });
  });

  test('wrong use is 2, failure is 1, each with one line', async () => {
    expect(await finish(tetrad('run', '--bogus'))).toEqual({ code: 2, out: '', err: "tetrad: unknown option '--bogus'\n" });
    expect(await finish(tetrad('nonsense'))).toEqual({ code: 2, out: '', err: "tetrad: unknown command 'nonsense'\n" });
    for (const flag of [['--port', 'x'], ['--port', '70000'], ['--port', '']]) expect((await finish(tetrad('serve', ...flag))).code).toBe(2);
    expect((await finish(tetrad('run', 'x', '--top-p', '0'))).code).toBe(2);
    for (const flag of [['--tools', 'f'], ['--call', 'f'], ['--system', 'f']]) expect(await finish(tetrad('run', 'x', '--raw', ...flag))).toMatchObject({ code: 2, err: expect.stringContaining("'--raw' cannot be used with") });
    expect(await finish(tetrad('serve', ...model, '--served-model-name', 'a', 'b'))).toMatchObject({ code: 1, err: expect.stringMatching(/2 names .* for 1 models/u) });
    const failed = await finish(tetrad('run', 'x', '--model', '/nowhere'));
    expect(failed).toMatchObject({ code: 1, out: '' });
    expect(failed.err).toMatch(/^tetrad: \/nowhere is not a checkpoint.*\n$/u);
  });
});

describe('run', () => {
  test('tools that cannot be read are named', async () => {
    const file = join(cache, 'tools.json');
    for (const [text, message] of [['{', 'is not JSON'], ['{}', 'expected a JSON list'], ['[null]', 'tool 0 has no name']]) {
      writeFileSync(file, text);
      const { code, err } = await finish(tetrad('run', 'x', '--tools', file, ...model));
      expect(code).toBe(1);
      expect(err).toContain(message);
      expect(err).toContain(file);
    }
  });


  test('text from an argument or from standard input', async () => {
    const first = await finish(tetrad('run', 'Hello', ...model, ...short));
    expect(first.code).toBe(0);
    expect(first.out.length).toBeGreaterThan(1);
    const second = await finish(tetrad('run', ...model, ...short), 'Hello');
    expect(second.out).toBe(first.out);
    expect(second.err).toMatch(/tokens\/s/u);
  });

  test('JSON', async () => {
    const { out } = await finish(tetrad('run', 'Hello', ...model, ...short, '--json', '--precision', 'full', '--raw'));
    expect(JSON.parse(out)).toMatchObject({ text: expect.any(String), toolCalls: [], finishReason: 'length', usage: { promptTokens: 4, completionTokens: 6 } });
  });
});

test('chat remembers, forgets and ends', async () => {
  const { code, err } = await finish(tetrad('chat', ...model, ...short), 'one\ntwo\n/reset\n/bogus\none\n/exit\nnever\n');
  expect(code).toBe(0);
  const prompts = [...err.matchAll(/^(\d+) \+ 6 tokens/gmu)].map((match) => Number(match[1]));
  expect(prompts).toHaveLength(3);
  expect(err).toContain('/bogus is no command: there are /reset and /exit');
  expect(prompts[1]).toBeGreaterThan(prompts[0]);
  expect(prompts[2]).toBe(prompts[0]);
});

test('chat needs a chat template', async () => {
  using plain = temporaryCheckpoint();
  writeFileSync(join(plain.directory, 'tokenizer_config.json'), '{}');
  const { code, err } = await finish(tetrad('chat', '--model', plain.directory, '--backend', 'reference', '--precision', 'full', '--cache-tokens', '512'), 'hi\n');
  expect(code).toBe(1);
  expect(err).toMatch(/has no chat template: "tetrad run --raw"/u);
});

test.runIf(existsSync('/dev/full'))('a full disk is one line and exit code 1', async () => {
  const command = [process.execPath, 'dist/src/cli/main.js', '--help'].join(' ');
  const { code, err } = await finish(spawn('/bin/sh', ['-c', `${command} > /dev/full`], { env: environment, stdio: 'pipe' }));
  expect(code).toBe(1);
  expect(err).toMatch(/^tetrad: the output cannot be written: .*\n$/u);
});

test('serve announces itself, answers, drains on SIGTERM', async () => {
  const child = tetrad('serve', ...model, '--port', '0', '--served-model-name', 'tiny', '--json');
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  const { url, models } = JSON.parse(line.toString()) as { url: string; models: { id: string }[] };
  expect(models).toMatchObject([{ id: 'tiny', backend: 'reference', maxModelLength: 256 }]);
  const body = JSON.stringify({ model: 'tiny', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 60, ignore_eos: true, stream: true });
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body });
  const result = finish(child);
  child.kill('SIGTERM');
  expect(await response.text()).toContain('data: [DONE]');
  expect(await result).toMatchObject({ code: 0 });
});

test('a process ends by itself once its model is closed', async () => {
  const script = `
    import { load } from 'tetrad';
    const model = await load({ directory: ${JSON.stringify(checkpoint.directory)}, precision: 'full', backend: 'reference', cacheTokens: 512 });
    for await (const event of model.stream({ messages: [{ role: 'user', content: 'Hi' }], maxTokens: 4 })) if (event.type === 'finish') console.log(event.reason);
    await model.close();`;
  expect(await finish(start(['--input-type=module', '--eval', script]))).toMatchObject({ code: 0, out: expect.stringMatching(/^(length|stop)\n$/u), err: '' });
});

test('the default model is the embedded one, or else the largest', () => {
  const models = mkdtempSync(join(tmpdir(), 'tetrad-models-'));
  const add = (name: string, size: number): string => {
    const directory = join(models, name);
    mkdirSync(directory);
    for (const file of ['config.json', 'tokenizer.json']) writeFileSync(join(directory, file), '{}');
    writeFileSync(join(directory, 'model.safetensors'), Buffer.alloc(size));
    return directory;
  };
  try {
    expect(() => defaultModel(models)).toThrow(/--model/u);
    add('small', 10);
    const large = add('large', 20);
    expect(defaultModel(models)).toBe(large);
    const embedded = add('tetrad-nano', 1);
    expect(defaultModel(models)).toBe(embedded);
  } finally {
    rmSync(models, { recursive: true });
  }
});

test('generation_config.json gives the defaults', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tetrad-defaults-'));
  const write = (config: object): void => writeFileSync(join(directory, 'generation_config.json'), JSON.stringify(config));
  try {
    expect(samplingDefaults(directory)).toEqual({});
    write({ do_sample: true, temperature: 0.6, top_k: 20, top_p: 0.95, min_p: null, repetition_penalty: 1.1, eos_token_id: [1, 2] });
    expect(samplingDefaults(directory)).toEqual({ temperature: 0.6, topK: 20, topP: 0.95, repetitionPenalty: 1.1 });
    write({ do_sample: false, temperature: 0.6 });
    expect(samplingDefaults(directory)).toMatchObject({ temperature: 0 });
    write({ temperature: 'hot' });
    expect(() => samplingDefaults(directory)).toThrow(/temperature is "hot"/u);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
