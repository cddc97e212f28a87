import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/**
 * Where the browser brings an answer back to: one address of this machine with a secret path, for one answer (RFC 8252 section 7.3). What comes is sealed besides, so neither the browser's history nor
 * another account on this machine can use it.
 */
export interface Callback<T> extends Disposable {
  /** `http://127.0.0.1:<port>/<secret>` */
  readonly url: string;
  /** What `read` made of the first answer; rejects with what it threw. */
  readonly answer: Promise<T>;
}

/** Listens on 127.0.0.1 alone. `read` looks at the query of what comes to the secret path, and throws when it is no good answer; the page that the person sees says which. */
export async function openCallback<T>(read: (query: URLSearchParams) => T): Promise<Callback<T>> {
  const path = `/${randomBytes(24).toString('base64url')}`;
  const answered = Promise.withResolvers<T>();
  // Whoever waits looks at it later.
  answered.promise.catch(() => {});
  let over = false;
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      const query = queryOf(request, path, (server.address() as AddressInfo).port);
      if (query === undefined) return reply(response, 404, GONE);
      if (over) return reply(response, 410, GONE);
      over = true;
      try {
        const value = read(query);
        reply(response, 200, DONE, () => answered.resolve(value));
      } catch (error) {
        reply(response, 400, FAILED, () => answered.reject(error));
      }
    },
  );
  keepNewest(server);
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject);
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    answer: answered.promise,
    [Symbol.dispose]: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Programs of anybody on this machine, and pages in the browser, can connect and say nothing: the oldest gives way, so they keep nobody out. */
function keepNewest(server: Server): void {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    const [oldest] = open;
    if (open.size > MAX_CONNECTIONS) oldest?.destroy();
  });
}

/** Only a request for exactly this address: a page elsewhere that makes its own name point here (DNS rebinding) sends its own Host. */
function queryOf(request: IncomingMessage, path: string, port: number): URLSearchParams | undefined {
  const [asked, query = ''] = (request.url ?? '').split('?');
  if (request.method !== 'GET' || request.headers.host !== `127.0.0.1:${port}` || asked !== path) return undefined;
  return new URLSearchParams(query);
}

type Words = { readonly title: string; readonly text: string };
const DONE: Words = { title: 'Done', text: 'Go back to the terminal. This tab can be closed.' };
const FAILED: Words = { title: 'That did not work', text: 'The terminal says why. This tab can be closed.' };
const GONE: Words = { title: 'Nothing waits here', text: 'Begin again in the terminal. This tab can be closed.' };

function reply(response: ServerResponse, status: number, words: Words, sent: () => void = () => {}): void {
  response.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': `default-src 'none'; style-src '${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    Connection: 'close',
  });
  response.end(page(words), sent);
}

function page({ title, text }: Words): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title} · tsh</title><style>${STYLE}</style></head>
<body><main><h1>${title}</h1><p>${text}</p></main></body>
</html>
`;
}

const STYLE =
  ':root{color-scheme:light dark}body{margin:0;min-height:100vh;display:grid;place-items:center;font:1.1rem/1.5 system-ui,sans-serif}main{padding:2rem;text-align:center}h1{font-size:1.6rem;margin:0 0 .5rem}p{margin:0}';
const STYLE_HASH = `sha256-${createHash('sha256').update(STYLE).digest('base64')}`;
/** maxCallbackHeaderBytes: a sealed certificate is in the address. */
const MAX_HEADER_BYTES = 128 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 16;
