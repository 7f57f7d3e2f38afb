/** Pages of other origins: browsers let them read an answer only where it names them. */

type Headers = Readonly<Record<string, string>>;

/** `*` allows every origin. */
export function corsHeaders(allowed: readonly string[], origin: string | undefined): Headers {
  if (allowed.length === 0) return {};
  const exposed = { 'access-control-expose-headers': 'x-request-id, retry-after' };
  if (allowed.includes('*')) return { 'access-control-allow-origin': '*', ...exposed };
  if (origin === undefined || !allowed.includes(origin)) return { vary: 'Origin' };
  return { 'access-control-allow-origin': origin, vary: 'Origin', ...exposed };
}

/** What a page may send, told before it does: clients add headers of their own, so those asked for are granted. */
export function preflightHeaders(asked: string | undefined): Headers {
  return {
    'access-control-allow-methods': 'GET, POST',
    'access-control-allow-headers': asked ?? 'authorization, content-type',
    'access-control-max-age': '600',
  };
}
