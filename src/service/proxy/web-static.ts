import type { Log } from '../../telemetry/log.ts';
import type { Exchange } from './web-exchange.ts';
import { WebFile, type WebSource } from './web-files.ts';

/**
 * The web UI's files below /web/, from memory. A request's path is looked up as it came, in a map: it is never decoded, joined or made a path of the file system, so there is nothing to trick.
 */
export class WebStatic {
  readonly #files = new Map<string, WebFile>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Reads everything, once, before the port opens. A source that can not be read leaves the UI out, and the log says why. */
  async load(source: WebSource): Promise<void> {
    try {
      for (const [name, bytes] of await source()) this.#files.set(`${ROOT}${name}`, new WebFile(name, bytes));
      if (!this.#files.has(INDEX)) this.#log.warn({}, 'the web UI is not built: run "npm run build"');
    } catch (error) {
      this.#log.error({ err: error }, 'the web UI can not be read');
    }
  }

  /** Takes GET and HEAD of a path below /web/. */
  async handle(exchange: Exchange): Promise<void> {
    const found = this.#files.get(exchange.path);
    if (found !== undefined) await answerFile(exchange, found, exchange.path === INDEX);
    else if (isPage(exchange.path)) await this.#answerPage(exchange);
    else exchange.answer(404, { 'Content-Type': 'text/plain; charset=utf-8' }, 'not found\n');
  }

  async #answerPage(exchange: Exchange): Promise<void> {
    const index = this.#files.get(INDEX);
    if (index === undefined) exchange.answer(503, { 'Content-Type': 'text/html; charset=utf-8' }, NOT_BUILT);
    else await answerFile(exchange, index, true);
  }
}

async function answerFile(exchange: Exchange, file: WebFile, isIndex: boolean): Promise<void> {
  const encoding = file.encodingFor(exchange.header('accept-encoding'));
  const etag = file.etag(encoding);
  const headers = {
    'Content-Type': file.type,
    Vary: 'Accept-Encoding',
    // The page names the assets of one version: it is never kept, they always.
    ...(isIndex ? {} : { ETag: etag, 'Cache-Control': file.immutable ? IMMUTABLE : 'no-cache' }),
    ...(encoding === 'identity' ? {} : { 'Content-Encoding': encoding }),
  };
  const known = (exchange.header('if-none-match') ?? '').split(',').map((one) => one.trim().replace(/^W\//, ''));
  if (!isIndex && known.includes(etag)) exchange.answer(304, headers);
  else exchange.answer(200, headers, await file.encoded(encoding));
}

/** Of the UI's router, `/web/databases/orders`: no empty or dot segment, no encoded separator, no name of a file. */
function isPage(path: string): boolean {
  if (path.length > MAX_PATH_CHARACTERS || !PAGE.test(path) || ENCODED_TRICK.test(path)) return false;
  const segments = path.slice(ROOT.length).split('/');
  if (segments.some((one, index) => (one === '' && index < segments.length - 1) || /^\.+$/.test(one))) return false;
  return segments[0] !== 'assets' && !FILE_NAME.test(path);
}

/** Where the UI is. */
export const ROOT = '/web/';
const INDEX = `${ROOT}index.html`;
const IMMUTABLE = 'public, max-age=31536000, immutable';
const MAX_PATH_CHARACTERS = 1024;
const PAGE = /^\/web\/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*$/;
const ENCODED_TRICK = /%(?:[01][0-9a-f]|2e|2f|5c|7f)/i;
/** Databases and people have dots in their names; these endings are files that are not there. */
const FILE_NAME =
  /\.(?:html?|m?js|css|map|json|webmanifest|txt|svg|png|ico|webp|jpe?g|gif|woff2?|ttf|wasm|php|env|xml)$/i;
const NOT_BUILT = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tessera</title></head>
<body><h1>The web UI is not built</h1>
<p>This proxy runs from a source tree without it. Its administrator runs <code>npm run build</code> there and starts the proxy again.</p>
<p>Databases and <code>tsh</code> work without it.</p></body></html>
`;
