/** A listening server around an app, and its orderly end. */
import type { AddressInfo, Socket } from 'node:net';
import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { type App, type AppOptions, createApp } from './app.ts';
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

export type ServeOptions = AppOptions & Partial<ListenOptions>;

/** Serves models over HTTP: createApp and listen in one. Closing the server leaves the models open. */
export function serve(options: ServeOptions): Promise<Listening> {
  const { port = 8000, host = '127.0.0.1', drainMs, ...app } = options;
  return listen(createApp(app), { port, host, drainMs });
}

const DEFAULT_DRAIN_MS = 30_000;

export async function listen(app: App, options: ListenOptions): Promise<Listening> {
  let closing: Promise<void> | null = null;
  const server = createAdaptorServer({
    fetch: (request, env) => (closing === null ? app.fetch(request, env) : refused()),
    overrideGlobalObjects: false,
  }) as Server;
  const idle = trackIdle(server);
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
    close: () => (closing ??= drain(server, idle, options.drainMs ?? DEFAULT_DRAIN_MS)),
  };
}

/** For requests that come in over connections kept alive. */
function refused(): Response {
  const error = new ApiError(503, 'The server is shutting down', { code: 'shutting_down' });
  return Response.json(error.body, { status: error.status, headers: { connection: 'close' } });
}

/** Connections without a request in flight; Node's own closeIdleConnections leaves out those that never had one. */
function trackIdle(server: Server): ReadonlySet<Socket> {
  const idle = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    idle.add(socket);
    socket.once('close', () => idle.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    idle.delete(socket);
    response.once('close', () => {
      if (!server.listening) socket.destroySoon();
      else if (!socket.destroyed) idle.add(socket);
    });
  });
  return idle;
}

function drain(server: Server, idle: ReadonlySet<Socket>, limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const limit = setTimeout(() => server.closeAllConnections(), limitMs);
    server.close(() => {
      clearTimeout(limit);
      resolve();
    });
    for (const socket of idle) socket.destroy();
  });
}
