/** Where to go after signing in. Everything that is not plainly one of our own pages is ignored, so that a link can not send a person elsewhere once they have signed in. */

const HOME = '/web/';
const MOST_CHARACTERS = 2048;

/** `next` when it is a path below /web/ that a browser can not read as another host or climb out of, and not a page for signing in; else /web/. */
export function safeNext(next: unknown): string {
  if (typeof next !== 'string' || next.length > MOST_CHARACTERS || !next.startsWith(HOME)) return HOME;
  // Control characters and backslashes: browsers drop or turn them before they read the address.
  if (/[\u0000-\u0020\\\u007f]/.test(next)) return HOME;
  const url = parse(next);
  if (url === undefined || url.origin !== ORIGIN || !url.pathname.startsWith(HOME)) return HOME;
  if (/^\/web\/(login|invite)(\/|$)/.test(url.pathname) || url.pathname.includes('//')) return HOME;
  return `${url.pathname}${url.search}${url.hash}`;
}

/** The address of the sign-in page that brings the person back to `path`. */
export function signInPath(path: string): string {
  const next = safeNext(path);
  return next === HOME ? '/web/login' : `/web/login?next=${encodeURIComponent(next)}`;
}

const ORIGIN = 'https://tessera.invalid';

function parse(path: string): URL | undefined {
  return URL.canParse(path, ORIGIN) ? new URL(path, ORIGIN) : undefined;
}
