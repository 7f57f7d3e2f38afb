/** Request bodies: bounded while they come in, UTF-8, JSON. */
import type { Context } from 'hono';
import { ApiError } from './errors.ts';

export async function readJson(context: Context, maxBytes: number): Promise<unknown> {
  const text = utf8(await readBytes(context, maxBytes));
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiError(400, `The request's body is not JSON: ${error instanceof Error ? error.message : String(error)}`, { code: 'invalid_json' });
  }
}

async function readBytes({ req }: Context, maxBytes: number): Promise<Uint8Array> {
  const declared = req.header('content-length');
  if (Number(declared) > maxBytes) throw tooLarge(maxBytes);
  try {
    // A declared length is kept by the HTTP parser; without one the pieces are counted.
    return declared === undefined ? await readPieces(req.raw.body, maxBytes) : new Uint8Array(await req.arrayBuffer());
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(400, `The request's body broke off: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function readPieces(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of (body ?? []) as AsyncIterable<Uint8Array>) {
    size += piece.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

const tooLarge = (maxBytes: number): ApiError => new ApiError(413, `The request's body exceeds ${maxBytes} bytes`, { code: 'request_too_large' });

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ApiError(400, "The request's body is not UTF-8 text", { code: 'invalid_json' });
  }
}
