/**
 * Server-sent events. What is written within one turn of the event loop leaves in one piece, and writers wait while
 * the client reads slowly. The response begins with the first write, so that an error before it has its own status.
 */
import type { ServerResponse } from 'node:http';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context } from 'hono';
import type { ApiError } from './errors.ts';

export interface EventSink {
  /** Returns what to wait for before the next write, where the client lags behind. */
  write(text: string): Promise<void> | null;
}

export interface EventStreamOptions {
  readonly headers: Readonly<Record<string, string>>;
  /** The client has gone. */
  readonly onCancel: () => void;
  readonly toError: (error: unknown) => ApiError;
}

const HEADERS = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' };

export function eventStream(context: Context, run: (sink: EventSink) => Promise<void>, options: EventStreamOptions): Promise<Response> {
  const { outgoing } = (context.env ?? {}) as { outgoing?: ServerResponse };
  const headers = { ...HEADERS, ...options.headers };
  return new Promise((resolve, reject) => {
    const output = outgoing === undefined ? webOutput(headers, resolve, options.onCancel) : rawOutput(outgoing, headers, resolve);
    const sink = new CoalescingSink(output);
    run(sink).then(
      () => sink.end(),
      (error: unknown) => {
        if (!sink.used) return reject(error);
        void sink.write(`data: ${JSON.stringify(options.toError(error).body)}\n\n`);
        sink.end();
      },
    );
  });
}

interface Output {
  open(): void;
  write(text: string): Promise<void> | null;
  end(): void;
}

class CoalescingSink implements EventSink {
  used = false;
  readonly #output: Output;
  #pending = '';
  #ended = false;
  #lag: Promise<void> | null = null;

  constructor(output: Output) {
    this.#output = output;
  }

  write(text: string): Promise<void> | null {
    if (this.#ended) return null;
    if (!this.used) {
      this.used = true;
      this.#output.open();
    }
    if (this.#pending === '') setImmediate(() => this.#flush());
    this.#pending += text;
    return this.#lag;
  }

  end(): void {
    this.#flush();
    this.#ended = true;
    this.#output.end();
  }

  #flush(): void {
    if (this.#pending === '') return;
    const lag = this.#output.write(this.#pending);
    this.#pending = '';
    this.#lag = lag;
    void lag?.then(() => {
      if (this.#lag === lag) this.#lag = null;
    });
  }
}

/** Straight to the socket: a chunk costs half of what it costs through a web stream. */
function rawOutput(outgoing: ServerResponse, headers: Record<string, string>, opened: (response: Response) => void): Output {
  return {
    open() {
      outgoing.writeHead(200, headers);
      outgoing.flushHeaders();
      opened(RESPONSE_ALREADY_SENT);
    },
    write(text) {
      if (outgoing.destroyed || outgoing.write(text)) return null;
      return new Promise((resolve) => {
        const done = (): void => {
          outgoing.off('drain', done).off('close', done);
          resolve();
        };
        outgoing.on('drain', done).on('close', done);
      });
    },
    end() {
      outgoing.end();
    },
  };
}

function webOutput(headers: Record<string, string>, opened: (response: Response) => void, onCancel: () => void): Output {
  const encoder = new TextEncoder();
  const pulls: (() => void)[] = [];
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  const wake = (): void => pulls.splice(0).forEach((resolve) => resolve());
  return {
    open() {
      const body = new ReadableStream<Uint8Array>({
        start(own) {
          controller = own;
        },
        pull: wake,
        cancel() {
          controller = null;
          wake();
          onCancel();
        },
      });
      opened(new Response(body, { headers }));
    },
    write(text) {
      if (controller === null) return null;
      controller.enqueue(encoder.encode(text));
      return (controller.desiredSize ?? 0) > 0 ? null : new Promise((resolve) => pulls.push(resolve));
    },
    end() {
      controller?.close();
    },
  };
}
