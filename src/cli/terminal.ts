/** What commands with long work share: progress, and an end at Ctrl-C that cleans up. */
import { SingleBar } from 'cli-progress';

export interface Progress {
  update(label: string, done: number, total: number): void;
  stop(): void;
}

/** On stderr, so that stdout is the command's result: a bar on a terminal, otherwise a line for each tenth. */
export function progress(stream: NodeJS.WriteStream = process.stderr): Progress {
  return stream.isTTY ? barProgress(stream) : lineProgress(stream);
}

const BAR_STEPS = 1000;

function barProgress(stream: NodeJS.WriteStream): Progress {
  const bar = new SingleBar({ format: '{bar} {percentage} % | {eta_formatted} left | {label}', stream, hideCursor: true, barsize: 30, fps: 10, linewrap: false, clearOnComplete: true });
  let started = false;
  return {
    update(label, done, total) {
      if (!started) bar.start(BAR_STEPS, 0, { label });
      started = true;
      bar.update(total === 0 ? BAR_STEPS : Math.floor((BAR_STEPS * done) / total), { label });
    },
    stop() {
      if (started) bar.stop();
    },
  };
}

function lineProgress(stream: NodeJS.WritableStream): Progress {
  let tenth = -1;
  return {
    update(label, done, total) {
      const reached = total === 0 ? 10 : Math.floor((10 * done) / total);
      if (reached < tenth) tenth = -1;
      if (reached <= tenth) return;
      tenth = reached;
      stream.write(`${reached * 10} % ${label}\n`);
    },
    stop() {},
  };
}

/** Runs work that a first Ctrl-C or SIGTERM stops in order; a second one ends the process at once. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = (signal: NodeJS.Signals): void => {
    release();
    controller.abort(new InterruptedError(signal));
  };
  const release = (): void => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return await work(controller.signal);
  } finally {
    release();
  }
}

/** The user stopped the command. */
export class InterruptedError extends Error {
  override name = 'InterruptedError';
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super('stopped');
    this.exitCode = signal === 'SIGINT' ? 130 : 143;
  }
}

/** Runs a command's work; an error becomes one line on stderr (with TETRAD_DEBUG its stack too) and the exit code. */
export async function reportErrors(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    process.stderr.write(`tetrad: ${error instanceof Error ? error.message : String(error)}\n`);
    if (process.env.TETRAD_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    process.exitCode = error instanceof InterruptedError ? error.exitCode : 1;
  }
}

export function formatBytes(bytes: number): string {
  const unit = bytes >= 1e9 ? 1e9 : bytes >= 1e6 ? 1e6 : 1e3;
  return `${(bytes / unit).toFixed(1)} ${unit === 1e9 ? 'GB' : unit === 1e6 ? 'MB' : 'kB'}`;
}
