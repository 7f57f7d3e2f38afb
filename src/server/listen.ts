/** A listening server around an app, and its orderly end. */
import type { AddressInfo, Socket } from 'node:net';
import type { IncomingMessage, Server } from 'node:http';
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
  const connections = trackConnections(server);
  await new Promise<void>((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => reject(listenError(error, options));
    server.once('error', fail);
    server.listen(options.port, options.host, () => {
      server.off('error', fail);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    port,
    close: () => (closing ??= drain(server, connections, options.drainMs ?? DEFAULT_DRAIN_MS)),
  };
}

const LISTEN_ERRORS: Record<string, string> = {
  EADDRINUSE: 'another program listens there: choose another port, or 0 for any that is free',
  EACCES: 'the system reserves this port: choose one from 1024 on',
  EADDRNOTAVAIL: 'this machine does not have that address',
  ENOTFOUND: 'there is no such host',
};

function listenError(error: NodeJS.ErrnoException, { host, port }: ListenOptions): Error {
  return new Error(`Cannot listen at ${host}, port ${port}: ${LISTEN_ERRORS[error.code ?? ''] ?? error.message}`, { cause: error });
}

/** For requests that come in over connections kept alive. */
function refused(): Response {
  const error = new ApiError(503, 'The server is shutting down', { code: 'shutting_down' });
  return Response.json(error.body, { status: error.status, headers: { connection: 'close' } });
}

/** Open connections, each with its request in flight. Node's own closeIdleConnections leaves out those that never had one. */
type Connections = ReadonlyMap<Socket, IncomingMessage | null>;

function trackConnections(server: Server): Connections {
  const connections = new Map<Socket, IncomingMessage | null>();
  server.on('connection', (socket: Socket) => {
    connections.set(socket, null);
    socket.once('close', () => connections.delete(socket));
  });
  server.on('request', (request: IncomingMessage, response) => {
    const { socket } = request;
    connections.set(socket, request);
    response.once('close', () => {
      if (!server.listening) socket.destroySoon();
      else if (!socket.destroyed) connections.set(socket, null);
    });
  });
  return connections;
}

/** A request that is still coming in has not begun: it may go to another server. */
function drain(server: Server, connections: Connections, limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const limit = setTimeout(() => server.closeAllConnections(), limitMs);
    server.close(() => {
      clearTimeout(limit);
      resolve();
    });
    for (const [socket, request] of connections) if (request?.complete !== true) socket.destroy();
  });
}
