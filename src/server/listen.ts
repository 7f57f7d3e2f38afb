/** A listening server around an app, and its orderly end. */
import { type AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import type { App } from './app.ts';
import { ApiError } from './errors.ts';

export interface ListenOptions {
  /** 0: any free port. */
  readonly port: number;
  readonly host: string;
  /** How long requests may go on once the server closes. */
  readonly drainMs?: number;
}

export interface Listening {
  readonly url: string;
  readonly port: number;
  /** Stops accepting, lets what runs come to its end within the time limit, cuts off the rest. */
  close(): Promise<void>;
}

const DEFAULT_DRAIN_MS = 30_000;

export async function listen(app: App, options: ListenOptions): Promise<Listening> {
  let closing: Promise<void> | null = null;
  const server = createAdaptorServer({
    fetch: (request, env) => (closing === null ? app.fetch(request, env) : refused()),
    overrideGlobalObjects: false,
  }) as Server;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    port,
    close: () => (closing ??= drain(server, options.drainMs ?? DEFAULT_DRAIN_MS)),
  };
}

/** For requests that come in over connections kept alive. */
function refused(): Response {
  const error = new ApiError(503, 'The server is shutting down', { code: 'shutting_down' });
  return Response.json(error.body, { status: error.status, headers: { connection: 'close' } });
}

function drain(server: Server, limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const idle = setInterval(() => server.closeIdleConnections(), 50);
    const limit = setTimeout(() => server.closeAllConnections(), limitMs);
    server.close(() => {
      clearInterval(idle);
      clearTimeout(limit);
      resolve();
    });
    server.closeIdleConnections();
  });
}
