import { existsSync, mkdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import type { ListFileEntry } from '@huggingface/hub';
import { readJson } from '../model/safetensors.ts';
import { COPIED_FILES, SINGLE_WEIGHT_FILE, WEIGHT_INDEX, shardsOf } from '../quantize/files.ts';
import { DownloadError, download, reasonOf } from './download.ts';
import type { RemoteFile } from './download.ts';
import { formatBytes, interruptible, progress, reportErrors } from './terminal.ts';

export interface PullOptions {
  /** Branch, tag or commit. */
  readonly revision: string;
  /** Directory to fill; null: named after the model, in the working directory. */
  readonly to: string | null;
  readonly endpoint: string;
  /** Access token of the Hub for private and gated models, or null. */
  readonly token: string | null;
  readonly signal: AbortSignal | null;
  readonly retryDelays: readonly number[];
}

export const PULL_DEFAULTS: PullOptions = { revision: 'main', to: null, endpoint: 'https://huggingface.co', token: null, signal: null, retryDelays: [500, 1000, 2000, 4000, 8000] };

export interface PullResult {
  readonly model: string;
  /** The commit that the revision stood for. */
  readonly commit: string;
  readonly directory: string;
  readonly bytes: number;
  readonly files: readonly { readonly name: string; readonly size: number; readonly status: 'downloaded' | 'present' }[];
}

type OnProgress = (name: string, done: number, total: number) => void;

/** Downloads what serving or quantizing the model needs. What is there already stays; what was begun is continued. */
export async function pull(model: string, options: Partial<PullOptions> = {}, onProgress: OnProgress = () => {}): Promise<PullResult> {
  const settings = { ...PULL_DEFAULTS, ...options };
  if (!/^(?!\.)[\w.-]+\/(?!\.)[\w.-]+$/.test(model)) throw new DownloadError(`${model}: expected the name of a model on the Hub, owner/name`);
  const endpoint = settings.endpoint.replace(/\/+$/, '');
  const { commit, entries } = await list(model, endpoint, settings);
  const directory = settings.to ?? model.slice(model.indexOf('/') + 1);
  mkdirSync(directory, { recursive: true });

  const headers: Record<string, string> = settings.token === null ? {} : { authorization: `Bearer ${settings.token}` };
  const files: { name: string; size: number; status: 'downloaded' | 'present' }[] = [];
  let done = 0;
  let total = 0;
  const fetchFile = async (entry: ListFileEntry): Promise<void> => {
    const name = entry.path;
    const target = join(directory, name);
    const file = remoteFile(`${endpoint}/${model}/resolve/${commit}/${encodeURIComponent(name)}`, entry);
    const status = await download(file, target, { headers, signal: settings.signal, retryDelays: settings.retryDelays, onProgress: (bytes) => onProgress(name, done + bytes, total) });
    done += file.size;
    files.push({ name, size: file.size, status });
  };

  const index = entries.get(WEIGHT_INDEX);
  if (index !== undefined) {
    total = index.size;
    await fetchFile(index);
  }
  const rest = neededFiles(model, entries, index === undefined ? null : readJson(join(directory, WEIGHT_INDEX)));
  total = rest.reduce((sum, entry) => sum + sizeOf(entry), done);
  checkSpace(directory, rest);
  for (const entry of rest) await fetchFile(entry);
  return { model, commit, directory, bytes: total, files };
}

/** The files at the top of the repository, at the commit that the revision stands for now. */
async function list(model: string, endpoint: string, { revision, token, signal }: PullOptions): Promise<{ commit: string; entries: Map<string, ListFileEntry> }> {
  const hub = await import('@huggingface/hub');
  const stoppable: typeof fetch = (input, init) => fetch(input, { ...init, signal });
  const access = { hubUrl: endpoint, fetch: stoppable, ...(token === null ? {} : { accessToken: token }) };
  try {
    const { sha } = await hub.modelInfo({ name: model, revision, additionalFields: ['sha'], ...access });
    const entries = new Map<string, ListFileEntry>();
    for await (const entry of hub.listFiles({ repo: { type: 'model', name: model }, revision: sha, ...access })) {
      if (entry.type === 'file' && !entry.path.includes('/')) entries.set(entry.path, entry);
    }
    return { commit: sha, entries };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof hub.HubApiError) throw new DownloadError(refusal(model, revision, endpoint, error.statusCode, token !== null));
    throw new DownloadError(`${endpoint} can't be reached (${reasonOf(error)}); check the network, or name a mirror with HF_ENDPOINT`);
  }
}

function refusal(model: string, revision: string, endpoint: string, status: number, hasToken: boolean): string {
  if (status === 404) return `${endpoint} has no model ${model} with revision ${revision}; check the spelling`;
  if (status === 401 || status === 403) {
    const remedy = hasToken ? 'the token in HF_TOKEN has no access to it; ask for access on its page' : 'set HF_TOKEN to a token that has access';
    return `${model} does not exist, is private or is gated (${endpoint} answered ${status}): ${remedy}`;
  }
  return `${endpoint} answered ${status} for ${model}; try again later`;
}

/** Everything but the index, small files first, so that what is wrong with a model shows early. */
function neededFiles(model: string, entries: ReadonlyMap<string, ListFileEntry>, index: unknown): ListFileEntry[] {
  const take = (name: string): ListFileEntry => {
    const entry = entries.get(name);
    if (entry === undefined) throw new DownloadError(`${model} has no file ${name}; only safetensors checkpoints in Hugging Face's layout can be used`);
    return entry;
  };
  const shards = shardsOf(index) ?? [SINGLE_WEIGHT_FILE];
  const strange = shards.find((name) => !/^[\w.-]+\.safetensors$/.test(name));
  if (strange !== undefined) throw new DownloadError(`${model}: ${WEIGHT_INDEX} names ${JSON.stringify(strange)}, which is no safetensors file beside it`);
  const weights = shards.map(take);
  const optional = COPIED_FILES.map((name) => entries.get(name)).filter((entry) => entry !== undefined);
  return [take('config.json'), ...optional, ...weights];
}

/** The listing's size of an LFS file is that of the content in some versions of the Hub and of the pointer in others. */
const sizeOf = (entry: ListFileEntry): number => entry.lfs?.size ?? entry.size;

function remoteFile(url: string, entry: ListFileEntry): RemoteFile {
  if (entry.lfs !== undefined) return { url, size: entry.lfs.size, hash: { kind: 'sha256', hex: entry.lfs.oid } };
  return { url, size: entry.size, hash: entry.oid === undefined ? null : { kind: 'git-sha1', hex: entry.oid } };
}

function checkSpace(directory: string, entries: readonly ListFileEntry[]): void {
  const needed = entries.reduce((sum, entry) => sum + sizeOf(entry) - (existsSync(join(directory, entry.path)) ? statSync(join(directory, entry.path)).size : 0), 0);
  const { bavail, bsize } = statfsSync(directory);
  if (needed > bavail * bsize) throw new DownloadError(`${directory}: ${formatBytes(needed)} are needed, ${formatBytes(bavail * bsize)} are free`);
}

interface Flags {
  readonly revision: string;
  readonly to?: string;
  readonly json: boolean;
}

export function pullCommand(): Command {
  return new Command('pull')
    .description('download a model from the Hugging Face Hub')
    .argument('<owner/name>', 'the model')
    .option('--revision <name>', 'branch, tag or commit', PULL_DEFAULTS.revision)
    .option('--to <dir>', 'directory to fill (default: the name of the model)')
    .option('--json', 'print the result as JSON', false)
    .addHelpText('after', '\nEnvironment: HF_TOKEN for private and gated models, HF_ENDPOINT for a mirror.\nAn interrupted download continues where it was when the command is run again.')
    .action((model: string, flags: Flags) => reportErrors(() => run(model, flags)));
}

async function run(model: string, flags: Flags): Promise<void> {
  const bar = progress();
  const result = await interruptible(async (signal) => {
    const options = { revision: flags.revision, to: flags.to ?? null, endpoint: process.env.HF_ENDPOINT ?? PULL_DEFAULTS.endpoint, token: process.env.HF_TOKEN ?? null, signal };
    try {
      return await pull(model, options, (name, done, total) => bar.update(name, done, total));
    } finally {
      bar.stop();
    }
  });
  process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : `${result.directory}: ${result.files.length} files, ${formatBytes(result.bytes)}, commit ${result.commit.slice(0, 12)}\n`);
}
