/** The request is refused as it stands. `parameter` names what is wrong, where one thing is. */
export class RequestError extends Error {
  override name = 'RequestError';
  readonly parameter: string | null;
  constructor(message: string, parameter: string | null = null) {
    super(message);
    this.parameter = parameter;
  }
}

/** The request was refused by nobody, but can't go on. */
export class GenerationError extends Error {
  override name = 'GenerationError';
}
