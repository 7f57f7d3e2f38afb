import { ContextLengthError } from '../chat/local.ts';
import { RemoteError } from '../chat/remote.ts';
import { BusyError, GenerationError, RequestError } from '../engine/request-error.ts';

export interface ErrorBody {
  readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string | null };
}

const TYPES: Record<number, string> = {
  401: 'authentication_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  500: 'server_error',
  501: 'not_implemented_error',
  502: 'server_error',
  503: 'service_unavailable_error',
};

/** An answer other than 200, in OpenAI's shape. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly status: number;
  readonly param: string | null;
  readonly code: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, details: { param?: string | null; code?: string; headers?: Record<string, string> } = {}) {
    super(message);
    this.status = status;
    this.param = details.param ?? null;
    this.code = details.code ?? null;
    this.headers = details.headers ?? {};
  }

  get body(): ErrorBody {
    return { error: { message: this.message, type: TYPES[this.status] ?? 'invalid_request_error', param: this.param, code: this.code } };
  }
}

/** What the client is told of an error; what is nobody's business but ours stays in the log. */
export function toApiError(error: unknown, log: (message: string) => void): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof RequestError) return requestError(error);
  if (error instanceof GenerationError) return new ApiError(400, `The answer can't go on: ${error.message}`, { code: 'generation_failed' });
  if (error instanceof BusyError) return new ApiError(503, error.message, { code: 'busy', headers: { 'retry-after': '5' } });
  if (error instanceof RemoteError) {
    const passed = error.status === 400 || error.status === 404 || error.status === 429;
    return new ApiError(passed ? (error.status ?? 502) : 502, error.message, { code: 'upstream_error' });
  }
  log(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return new ApiError(500, 'The server failed to answer this request; its log has the reason', { code: 'internal_error' });
}

/** Parameters have the names that the client gave them. */
function requestError(error: RequestError): ApiError {
  const code = error instanceof ContextLengthError ? 'context_length_exceeded' : undefined;
  const { message, parameter } = error;
  if (parameter === null) return new ApiError(400, message, { code });
  const param = wireName(parameter);
  const isNamed = message.startsWith(`${parameter} `) || message.startsWith(`${parameter}:`);
  return new ApiError(400, isNamed ? param + message.slice(parameter.length) : message, { param, code });
}

/** `maxTokens` is max_tokens on the wire, and a tool's schema lies one level deeper there. */
function wireName(name: string): string {
  return name.replace(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`).replace(/^(tools\[\d+\])\./u, '$1.function.');
}
