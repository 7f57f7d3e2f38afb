/** The request is refused as it stands. `parameter` names what is wrong, where one thing is. */
export class RequestError extends Error {
  override name = 'RequestError';
  readonly parameter: string | null;
  constructor(message: string, parameter: string | null = null) {
    super(message);
    this.parameter = parameter;
  }
}

/** There is too much to do just now; later the request may be taken. */
export class BusyError extends Error {
  override name = 'BusyError';
}

/** The request was refused by nobody, but can't go on. */
export class GenerationError extends Error {
  override name = 'GenerationError';
}
