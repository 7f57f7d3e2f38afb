/** One file from the Hub: into a partial file that a later run continues, verified before it takes its name. */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, existsSync, openSync, renameSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RemoteFile {
  readonly url: string;
  readonly size: number;
  /** As the Hub gives it: sha256 of the content (LFS), or git's hash of the blob. */
  readonly hash: { readonly kind: 'sha256' | 'git-sha1'; readonly hex: string } | null;
}

export interface DownloadOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | null;
  /** Waits after failures without progress, one try each, in milliseconds. */
  readonly retryDelays: readonly number[];
  /** Bytes that are there, of this file. */
  readonly onProgress: (bytes: number) => void;
}

/** The download can't go on; the message says why and what to do. */
export class DownloadError extends Error {
  override name = 'DownloadError';
}

/** The connection broke; another try continues. */
class BrokenTransfer extends Error {}

export async function download(file: RemoteFile, target: string, options: DownloadOptions): Promise<'downloaded' | 'present'> {
  if (sizeOf(target) === file.size && (await matches(target, file))) {
    options.onProgress(file.size);
    return 'present';
  }
  const partial = partialName(target, file);
  await complete(file, partial, options);
  if (!(await matches(partial, file))) {
    rmSync(partial);
    throw new DownloadError(`${basename(target)}: what came does not match the ${file.hash?.kind} ${file.hash?.hex} that the Hub gives; it was removed, run the command again`);
  }
  renameSync(partial, target);
  return 'downloaded';
}

/** Names the content, so that the rest of another revision is never appended. */
const partialName = (target: string, { hash }: RemoteFile): string => join(dirname(target), `.${basename(target)}.${(hash?.hex ?? 'unknown').slice(0, 16)}.partial`);

/** Fetches until the partial file is whole. A try that brought bytes starts the count of retries anew. */
async function complete(file: RemoteFile, partial: string, options: DownloadOptions): Promise<void> {
  if (sizeOf(partial) > file.size) rmSync(partial);
  let failures = 0;
  while (sizeOf(partial) < file.size || !existsSync(partial)) {
    const before = sizeOf(partial);
    try {
      await transfer(file, partial, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof BrokenTransfer)) throw error;
      if (sizeOf(partial) > before) failures = 0;
      if (failures === options.retryDelays.length) {
        throw new DownloadError(`${basename(file.url)}: stopped after ${sizeOf(partial)} of ${file.size} bytes (${error.message}); run the command again to continue`);
      }
      await sleep(options.retryDelays[failures++], undefined, { signal: options.signal ?? undefined });
    }
  }
}

async function transfer(file: RemoteFile, partial: string, { headers, signal, onProgress }: DownloadOptions): Promise<void> {
  const start = sizeOf(partial);
  const response = await request(file, start, headers, signal);
  // A server that ignores Range sends all of it again.
  let position = response.status === 206 ? start : 0;
  if (existsSync(partial)) truncateSync(partial, position);
  const descriptor = openSync(partial, 'a');
  try {
    for await (const chunk of response.body ?? []) {
      if (position + chunk.length > file.size) throw new DownloadError(`${basename(file.url)}: the server sends more than the ${file.size} bytes it announced`);
      for (let done = 0; done < chunk.length; ) done += writeSync(descriptor, chunk, done);
      position += chunk.length;
      onProgress(position);
    }
  } catch (error) {
    if (error instanceof DownloadError || isDiskError(error)) throw error;
    throw new BrokenTransfer(reasonOf(error));
  } finally {
    closeSync(descriptor);
  }
  if (position < file.size) throw new BrokenTransfer('the connection ended early');
}

async function request(file: RemoteFile, start: number, headers: Readonly<Record<string, string>>, signal: AbortSignal | null): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(file.url, { headers: { ...headers, 'accept-encoding': 'identity', ...(start > 0 ? { range: `bytes=${start}-` } : {}) }, signal });
  } catch (error) {
    throw new BrokenTransfer(reasonOf(error));
  }
  const { status } = response;
  if (response.ok && rangeStart(response) === (status === 206 ? start : 0)) return response;
  await response.body?.cancel();
  if (response.ok) throw new DownloadError(`${file.url}: the server sent another range than bytes ${start}- (${response.headers.get('content-range') ?? 'none'})`);
  if (status === 408 || status === 429 || status >= 500) throw new BrokenTransfer(`the server answered ${status}`);
  throw new DownloadError(`${file.url}: the server answered ${status}`);
}

const rangeStart = (response: Response): number => Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? 0);

/** Size and hash agree with the Hub's. */
async function matches(path: string, { size, hash }: RemoteFile): Promise<boolean> {
  if (sizeOf(path) !== size) return false;
  if (hash === null) return true;
  const digest = createHash(hash.kind === 'sha256' ? 'sha256' : 'sha1');
  if (hash.kind === 'git-sha1') digest.update(`blob ${size}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) digest.update(chunk as Buffer);
  return digest.digest('hex') === hash.hex;
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

const isDiskError = (error: unknown): boolean => ['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS', 'EIO'].includes((error as NodeJS.ErrnoException).code ?? '');

/** fetch hides the reason in `cause`. */
export function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause;
  if (inner instanceof Error) return (inner as NodeJS.ErrnoException).code ?? inner.message;
  return error instanceof Error ? error.message : String(error);
}
