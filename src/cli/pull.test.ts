import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readConfig } from '../model/config.ts';
import { pull, pullCommand } from './pull.ts';
import type { PullOptions } from './pull.ts';

const COMMIT = 'c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00';
const LLAMA = 'test/fixtures/hf/llama3';

const gitHash = (content: Buffer): string => createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

/** The endpoints of the Hub that a download uses, with its redirect to a CDN, its paged listing and faults to order. */
class FakeHub {
  readonly files = new Map<string, Buffer>();
  readonly lfs = new Set<string>();
  readonly ranges: string[] = [];
  readonly downloads: string[] = [];
  readonly authorizations = new Set<string | undefined>();
  /** Cuts the connection after so many bytes of a body, for each number once. */
  cuts: number[] = [];
  ignoreRange = false;
  /** Content that the CDN serves instead. */
  readonly corrupted = new Map<string, Buffer>();
  status: number | null = null;
  readonly #server: Server = createServer((request, response) => this.#answer(request, response));

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.endpoint);
    const json = (status: number, body: unknown, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
    };
    if (url.pathname.startsWith('/cdn/')) return this.#send(decodeURIComponent(url.pathname.slice(5)), request, response);
    this.authorizations.add(request.headers.authorization);
    if (this.status !== null) return json(this.status, { error: 'refused' });
    if (url.pathname === '/api/models/owner/tiny/revision/main') return json(200, { _id: '1', id: 'owner/tiny', sha: COMMIT, lastModified: '2026-01-01T00:00:00Z' });
    if (url.pathname === `/api/models/owner/tiny/tree/${COMMIT}`) return this.#list(url, json);
    const resolved = new RegExp(`^/owner/tiny/resolve/${COMMIT}/(.+)$`).exec(url.pathname)?.[1];
    if (resolved !== undefined) return void response.writeHead(302, { location: `${this.endpoint}/cdn/${resolved}` }).end();
    json(404, { error: 'Repository not found' });
  }

  #list(url: URL, json: (status: number, body: unknown, headers?: Record<string, string>) => void): void {
    const all = [{ type: 'directory', path: 'onnx', size: 0, oid: 'd' }, ...[...this.files].map(([path, content]) => this.#entry(path, content))];
    const start = Number(url.searchParams.get('cursor') ?? 0);
    const next = new URL(url);
    next.searchParams.set('cursor', String(start + 2));
    json(200, all.slice(start, start + 2), start + 2 < all.length ? { link: `<${next.href}>; rel="next"` } : {});
  }

  #entry(path: string, content: Buffer): unknown {
    const entry = { type: 'file', path, size: content.length, oid: gitHash(content) };
    return this.lfs.has(path) ? { ...entry, oid: 'pointer', lfs: { oid: sha256(content), size: content.length, pointerSize: 130 } } : entry;
  }

  #send(path: string, request: IncomingMessage, response: ServerResponse): void {
    const content = this.corrupted.get(path) ?? this.files.get(path)!;
    const range = this.ignoreRange ? undefined : request.headers.range;
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    this.downloads.push(path);
    if (range !== undefined) this.ranges.push(range);
    const body = content.subarray(start);
    const partial = range === undefined ? {} : { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` };
    response.writeHead(range === undefined ? 200 : 206, { 'content-length': body.length, ...partial });
    const cut = body.length > 1000 ? this.cuts.shift() : undefined;
    if (cut === undefined) return void response.end(body);
    response.write(body.subarray(0, cut), () => setTimeout(() => response.destroy(), 20));
  }
}

let hub: FakeHub;
let root: string;
let to: string;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'tetrad-pull-'));
  to = join(root, 'model');
  hub = new FakeHub();
  hub.files.set('config.json', readFileSync(join(LLAMA, 'config.json')));
  hub.files.set('generation_config.json', readFileSync(join(LLAMA, 'generation_config.json')));
  hub.files.set('README.md', Buffer.from('# tiny'));
  hub.files.set('pytorch_model.bin', Buffer.alloc(5000));
  hub.files.set('consolidated.safetensors', Buffer.alloc(5000));
  hub.files.set('model.safetensors', readFileSync(join(LLAMA, 'model.safetensors')));
  hub.lfs.add('model.safetensors');
  await hub.start();
});
afterEach(async () => {
  await hub.stop();
  rmSync(root, { recursive: true });
});

const get = (options: Partial<PullOptions> = {}, onProgress?: Parameters<typeof pull>[2]) => pull('owner/tiny', { endpoint: hub.endpoint, to, retryDelays: [1, 1], ...options }, onProgress);
const received = (): string[] => readdirSync(to).sort();

describe('pull', () => {
  it('fetches what is needed and nothing else', async () => {
    const seen: [string, number, number][] = [];
    const result = await get({}, (...progress) => seen.push(progress));
    expect(result).toMatchObject({ model: 'owner/tiny', commit: COMMIT, directory: to });
    expect(received()).toEqual(['config.json', 'generation_config.json', 'model.safetensors']);
    for (const name of received()) expect(readFileSync(join(to, name)).equals(hub.files.get(name)!)).toBe(true);
    expect(seen.at(-1)).toEqual(['model.safetensors', result.bytes, result.bytes]);
    expect(readConfig(to).hiddenSize).toBe(128);
  });

  it('fetches the shards that the index names', async () => {
    const content = hub.files.get('model.safetensors')!;
    hub.files.delete('model.safetensors');
    for (const shard of ['model-1.safetensors', 'model-2.safetensors']) hub.files.set(shard, content);
    hub.files.set('model.safetensors.index.json', Buffer.from(JSON.stringify({ weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors', c: 'model-1.safetensors' } })));
    await get();
    expect(received()).toEqual(['config.json', 'generation_config.json', 'model-1.safetensors', 'model-2.safetensors', 'model.safetensors.index.json']);
  });

  it('refuses an index that points elsewhere or to nothing', async () => {
    const index = (name: string): void => void hub.files.set('model.safetensors.index.json', Buffer.from(JSON.stringify({ weight_map: { a: name } })));
    index('../../outside.safetensors');
    await expect(get()).rejects.toThrow('which is no safetensors file beside it');
    index('model-1.safetensors');
    await expect(get()).rejects.toThrow('owner/tiny has no file model-1.safetensors');
    expect(readdirSync(root)).toEqual(['model']);
  });

  it('does not fetch again what is there, and fetches what was changed', async () => {
    await get();
    const before = hub.downloads.length;
    expect((await get()).files.every(({ status }) => status === 'present')).toBe(true);
    expect(hub.downloads).toHaveLength(before);
    writeFileSync(join(to, 'config.json'), Buffer.alloc(hub.files.get('config.json')!.length));
    expect((await get()).files.filter(({ status }) => status === 'downloaded').map(({ name }) => name)).toEqual(['config.json']);
  });

  it('continues by itself when the connection breaks', async () => {
    hub.cuts = [300_000, 10, 400_000];
    await get();
    expect(readFileSync(join(to, 'model.safetensors')).equals(hub.files.get('model.safetensors')!)).toBe(true);
    expect(hub.ranges).toEqual(['bytes=300000-', 'bytes=300010-', 'bytes=700010-']);
    expect(received()).toEqual(['config.json', 'generation_config.json', 'model.safetensors']);
  });

  it('continues in a later run', async () => {
    hub.cuts = [500_000];
    await expect(get({ retryDelays: [] })).rejects.toThrow(/stopped after 500000 of 1151832 bytes .*run the command again to continue/);
    expect(existsSync(join(to, 'model.safetensors'))).toBe(false);
    expect(received().filter((name) => name.endsWith('.partial'))).toHaveLength(1);
    await get();
    expect(hub.ranges).toEqual(['bytes=500000-']);
    expect(readFileSync(join(to, 'model.safetensors')).equals(hub.files.get('model.safetensors')!)).toBe(true);
  });

  it('continues after it was stopped', async () => {
    const controller = new AbortController();
    const stopped = get({ signal: controller.signal }, (name, done) => name === 'model.safetensors' && done > 100_000 && controller.abort(new Error('stopped')));
    await expect(stopped).rejects.toThrow('stopped');
    await get();
    expect(hub.ranges).toHaveLength(1);
    expect(readFileSync(join(to, 'model.safetensors')).equals(hub.files.get('model.safetensors')!)).toBe(true);
  });

  it('starts over where the server knows no ranges', async () => {
    hub.ignoreRange = true;
    hub.cuts = [300_000];
    await get();
    expect(readFileSync(join(to, 'model.safetensors')).equals(hub.files.get('model.safetensors')!)).toBe(true);
  });

  it('does not continue the file of another revision', async () => {
    hub.cuts = [500_000];
    await expect(get({ retryDelays: [] })).rejects.toThrow('stopped');
    hub.files.set('model.safetensors', Buffer.from(hub.files.get('model.safetensors')!).fill(1, 1000));
    await get();
    expect(hub.ranges).toEqual([]);
    expect(readFileSync(join(to, 'model.safetensors')).equals(hub.files.get('model.safetensors')!)).toBe(true);
  });

  it.each(['model.safetensors', 'config.json'])('notices that %s is not what the Hub describes', async (name) => {
    const wrong = Buffer.from(hub.files.get(name)!);
    wrong[100] ^= 1;
    hub.corrupted.set(name, wrong);
    await expect(get()).rejects.toThrow(new RegExp(`${name}: what came does not match the (sha256|git-sha1)`));
    expect(received()).not.toContain(name);
    expect(received().some((file) => file.endsWith('.partial'))).toBe(false);
    hub.corrupted.set(name, Buffer.concat([hub.files.get(name)!, Buffer.from('more')]));
    await expect(get()).rejects.toThrow('the server sends more than the');
  });

  it.each([
    [404, /has no model owner\/tiny with revision main; check the spelling/],
    [401, /does not exist, is private or is gated .*set HF_TOKEN to a token/],
    [403, /does not exist, is private or is gated/],
    [500, /answered 500 for owner\/tiny; try again later/],
  ])('explains status %d', async (status, message) => {
    hub.status = status;
    await expect(get()).rejects.toThrow(message);
    expect(existsSync(to)).toBe(false);
  });

  it('explains that the network is away', async () => {
    const { endpoint } = hub;
    await hub.stop();
    await expect(pull('owner/tiny', { endpoint, to })).rejects.toThrow(`${endpoint} can't be reached (ECONNREFUSED); check the network, or name a mirror with HF_ENDPOINT`);
  });

  it('sends the token to the Hub', async () => {
    await get({ token: 'hf_secret' });
    expect([...hub.authorizations]).toEqual(['Bearer hf_secret']);
  });

  it('refuses what is no name of a model', async () => {
    for (const name of ['tiny', 'a/b/c', '../x', 'owner/..', 'https://hub/a/b', 'owner/ti ny']) await expect(pull(name, { endpoint: hub.endpoint })).rejects.toThrow('owner/name');
  });
});

describe('tetrad pull', () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
    process.exitCode = undefined;
  });

  async function command(...args: string[]): Promise<{ stdout: string; stderr: string; exitCode: typeof process.exitCode }> {
    const out = { stdout: '', stderr: '' };
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out.stdout += String(text)), true));
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((out.stderr += String(text)), true));
    await pullCommand().parseAsync(args, { from: 'user' });
    return { ...out, exitCode: process.exitCode };
  }

  it('prints what it did, as JSON where asked', async () => {
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    const { stdout, exitCode } = await command('owner/tiny', '--to', to, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ model: 'owner/tiny', commit: COMMIT, directory: to });
    expect(exitCode).toBeUndefined();
  });

  it('ends with 1 and one line when it fails', async () => {
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    hub.status = 404;
    const { stdout, stderr, exitCode } = await command('owner/tiny', '--to', to);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^tetrad: .* has no model owner\/tiny with revision main; check the spelling\n$/);
    expect(exitCode).toBe(1);
  });
});
