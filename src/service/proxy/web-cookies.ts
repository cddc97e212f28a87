/** The web UI's cookies. `__Host-` makes the browser itself refuse one that another host, a path or plain HTTP set (RFC 6265bis, section 4.1.3.2). */

/** Of a web session: Auth's token. */
export const SESSION_COOKIE = '__Host-tessera_session';
/** Binds a sign-in at a provider to the browser that began it; no authority of its own. */
export const BINDING_COOKIE = '__Host-tessera_sso';
/** Of the binding: a sign-in at a provider takes no longer. */
const BINDING_SECONDS = 600;
/** Browsers keep none longer (RFC 6265bis, section 5.5). */
const MAX_COOKIE_SECONDS = 400 * 86_400;

/** The value of a cookie in a `Cookie` header; undefined: not there, there with different values, or nothing that Auth ever gave out. */
export function cookieValue(header: string | undefined, name: string): string | undefined {
  let found: string | undefined;
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at === -1 || pair.slice(0, at).trim() !== name) continue;
    const value = pair.slice(at + 1).trim();
    if (!SECRET.test(value) || (found !== undefined && found !== value)) return undefined;
    found = value;
  }
  return found;
}

/** `Set-Cookie` from Auth's `tessera-set-session`, `<token>;<seconds>` or empty to clear; undefined: it is neither. */
export function sessionCookie(told: string): string | undefined {
  if (told === '') return clearedSession;
  const [token = '', seconds = '', ...rest] = told.split(';');
  if (rest.length > 0 || !SECRET.test(token) || !/^[1-9]\d{0,9}$/.test(seconds)) return undefined;
  return `${SESSION_COOKIE}=${token}; Path=/; Max-Age=${Math.min(Number(seconds), MAX_COOKIE_SECONDS)}; Secure; HttpOnly; SameSite=Strict`;
}

/** `Set-Cookie` from Auth's `tessera-set-binding`. `SameSite=None` because a SAML provider answers by a form from its own site. */
export function bindingCookie(secret: string): string | undefined {
  if (secret === '') return clearedBinding;
  if (!SECRET.test(secret)) return undefined;
  return `${BINDING_COOKIE}=${secret}; Path=/; Max-Age=${BINDING_SECONDS}; Secure; HttpOnly; SameSite=None`;
}

const clearedSession = `${SESSION_COOKIE}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict`;
const clearedBinding = `${BINDING_COOKIE}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=None`;
/** What a secret of Auth's can look like: nothing of it has a meaning in a header. */
const SECRET = /^[A-Za-z0-9_-]{16,256}$/;
