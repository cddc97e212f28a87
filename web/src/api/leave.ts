import { PageError } from './page-error.ts';

/** Where a page may send the browser by itself. The server says where; these say what it may say, so that one mistake there does not become a script that runs here. */

/** An identity provider's page, or one of our own: http or https without credentials. */
export function providerUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw refused();
  return url.href;
}

/** The address on this very machine where tsh waits for its answer: http, a loopback name or address, with a port (RFC 8252, section 7.3). */
export function loopbackUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const loopback = url !== undefined && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (!loopback || url.protocol !== 'http:' || url.port === '' || url.username !== '' || url.password !== '')
    throw refused();
  return url.href;
}

function refused(): PageError {
  return new PageError(
    'REDIRECT_REFUSED',
    'The server named a place that this page must not send you to.',
    'Tell your administrator; nothing was sent.',
  );
}
