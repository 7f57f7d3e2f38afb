import { expect, test } from 'vitest';
import { BusyError, GenerationError, RequestError } from '../engine/request-error.ts';
import { toApiError } from './errors.ts';

const fail = (message: string): never => {
  throw new Error(`logged: ${message}`);
};

test.each([
  [new BusyError('later'), 503, 'busy', null],
  [new GenerationError('too ambiguous'), 400, 'generation_failed', null],
  [new RequestError('maxTokens is 0', 'maxTokens'), 400, null, 'max_tokens'],
  [new RequestError('tools[1].parameters: no', 'tools[1].parameters'), 400, null, 'tools[1].function.parameters'],
])('%s → %i', (error, status, code, param) => {
  expect(toApiError(error, fail)).toMatchObject({ status, code, param });
});

test('parameters have their names on the wire in the message, too', () => {
  expect(toApiError(new RequestError('maxTokens is 0', 'maxTokens'), fail).message).toBe('max_tokens is 0');
});

test('what is nobody\'s business goes to the log', () => {
  const logged: string[] = [];
  const error = toApiError(new TypeError('secret'), (message) => logged.push(message));
  expect(error).toMatchObject({ status: 500, code: 'internal_error', message: expect.not.stringContaining('secret') });
  expect(logged[0]).toMatch(/secret/u);
});
