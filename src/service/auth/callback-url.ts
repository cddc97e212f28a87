import { ConfigError } from '../../errors.ts';

/** Where a browser may carry tsh's answer: this very machine (RFC 8252 section 7.3). */

/** The address as it will be used. Throws ConfigError for every other: an answer must not be led elsewhere, sealed as it is. */
export function checkedCallback(text: string): string {
  const url = text.length > MAX_LENGTH ? null : URL.parse(text);
  const plain =
    url !== null &&
    url.username === '' &&
    url.password === '' &&
    url.search === '' &&
    url.hash === '' &&
    url.href === text;
  if (!plain || url.pathname.length < 2) throw refused();
  if (url.protocol === 'http:' && LOOPBACK.has(url.hostname) && url.port !== '') return url.href;
  throw refused();
}

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);
const MAX_LENGTH = 1024;

function refused(): ConfigError {
  return new ConfigError(['callback_url: expected http://127.0.0.1:<port>/<path> (or [::1], localhost)']);
}
