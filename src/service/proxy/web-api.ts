import { AuthService } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import type { ProxyLimits } from '../../config/schema.ts';
import { BugError, LoginError, ProtocolError, TesseraError, UnsupportedError } from '../../errors.ts';
import { AUTH_SERVER_NAME } from '../../pki/names.ts';
import { PERMISSIONS, type Permission } from '../../rpc/permissions.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import { WebBuffer } from './web-buffer.ts';
import { cookieValue, SESSION_COOKIE } from './web-cookies.ts';
import { answerError, endStreamError } from './web-errors.ts';
import type { Exchange } from './web-exchange.ts';
import { type LinkedCall, unreachable, type WebLinks } from './web-links.ts';
import { relayAnswer } from './web-relay.ts';
import { WebSlots } from './web-slots.ts';

export type WebApiOptions = {
  readonly links: Pick<WebLinks, 'request'>;
  readonly limits: () => ProxyLimits;
  /** The origin that the browser addressed; undefined: none of ours. */
  readonly originOf: (exchange: Exchange) => string | undefined;
  /** A call was refused because there are too many. */
  readonly onLimited: () => void;
  readonly clock: Clock;
  readonly log: Log;
};

/** Where browsers' calls come in; the method's name follows. */
export const RPC_PATH = `/webapi/rpc/${AuthService.typeName}/`;

/**
 * Relays calls of the web UI to Auth, byte for byte, with what Auth must know of the browser in headers that only a proxy may send (decision 0013). The proxy decides nothing about the person: it
 * refuses what no page of ours sends (CSRF, other hosts), methods that are not for browsers, and what is too much.
 */
export class WebApi {
  readonly #options: WebApiOptions;
  readonly #slots = new WebSlots();
  readonly #streams = new Set<(error: TesseraError) => void>();
  readonly #buffer = new WebBuffer();
  #draining = false;

  constructor(options: WebApiOptions) {
    this.#options = options;
  }

  /** Calls under way. */
  get count(): number {
    return this.#slots.total;
  }

  /** Live views end and new calls are refused, in words that browsers take for "try again". */
  drain(): void {
    this.#draining = true;
    for (const end of this.#streams) end(unreachable('this proxy is shutting down'));
  }

  /** Takes an exchange whose path begins with RPC_PATH. Resolves when the call is over; never rejects. */
  async handle(exchange: Exchange): Promise<void> {
    try {
      const method = this.#admit(exchange);
      await this.#relay(exchange, method);
    } catch (error) {
      const known = error instanceof TesseraError ? error : undefined;
      if (known === undefined) this.#options.log.error({ err: error }, 'web: a call failed inside');
      else this.#options.log.debug({ code: known.code, client: exchange.client.ip }, 'web: a call was refused');
      if (known?.code === 'WEB_TOO_MANY_CALLS') this.#options.onLimited();
      refuse(exchange, known ?? new BugError('the call failed inside the proxy; its log has the details'));
    }
  }

  /** What no page of ours sends is refused before anything is read. */
  #admit(exchange: Exchange): WebMethod {
    const origin = this.#options.originOf(exchange);
    if (origin === undefined)
      throw new ProtocolError('WEB_WRONG_HOST', 'this proxy has no such host: use its public address (public_addr)');
    if (exchange.method !== 'POST') throw new ProtocolError('WEB_METHOD', 'expected POST');
    checkSender(exchange, origin);
    const method = METHODS.get(exchange.path.slice(RPC_PATH.length));
    if (method === undefined || exchange.query !== '')
      throw new UnsupportedError('WEB_UNKNOWN_METHOD', 'no such method for browsers');
    const type = CONTENT_TYPES.get(exchange.header('content-type') ?? '');
    if (type === undefined)
      throw new ProtocolError('WEB_CONTENT_TYPE', `expected content type ${[...CONTENT_TYPES.keys()].join(', ')}`);
    if (
      type !== (method.stream ? 'stream' : 'unary') ||
      (exchange.header('content-encoding') ?? 'identity') !== 'identity'
    )
      throw new ProtocolError('WEB_CONTENT_TYPE', 'the content type does not fit the method');
    if (this.#draining) throw unreachable('this proxy is shutting down');
    return { ...method, origin };
  }

  async #relay(exchange: Exchange, method: WebMethod): Promise<void> {
    const limits = this.#options.limits();
    const token = cookieValue(exchange.header('cookie'), SESSION_COOKIE);
    if (token === undefined && !method.anonymous) throw new LoginError('NOT_SIGNED_IN', 'not signed in');
    const leave = this.#slots.enter(exchange.client.ip, token, limits);
    let call: LinkedCall | undefined;
    try {
      const body = await this.#readBody(exchange, token !== undefined, limits);
      if (exchange.over) return;
      call = await this.#options.links.request(callHeaders(exchange, method, token, body.length), body);
      // The place is the call's: a browser that leaves does not make room before Auth is done with it.
      call.stream.once('close', leave);
    } finally {
      if (call === undefined) leave();
    }
    await this.#follow(exchange, method, call, limits);
  }

  async #follow(exchange: Exchange, method: WebMethod, call: LinkedCall, limits: ProxyLimits): Promise<void> {
    const relayed = relayAnswer(exchange, call, {
      stream: method.stream,
      maxAnswerBytes: limits.maxWebAnswerBytes,
      timeoutMs: limits.webCallTimeoutMs,
      clock: this.#options.clock,
    });
    if (method.stream) this.#streams.add(relayed.end);
    try {
      await relayed.done;
    } finally {
      this.#streams.delete(relayed.end);
    }
  }

  /** Whole, so that a slow sender holds nothing of Auth. Who tells no length, as every browser does, sends no more than who has no session: the room is reserved before the bytes come. */
  async #readBody(exchange: Exchange, hasSession: boolean, limits: ProxyLimits): Promise<Buffer> {
    const told = exchange.header('content-length');
    const [name, maxBytes] =
      hasSession && told !== undefined
        ? ['max_web_request_bytes', limits.maxWebRequestBytes]
        : ['max_web_anonymous_request_bytes', limits.maxWebAnonymousRequestBytes];
    const length = Number(told ?? maxBytes);
    const reserved = Math.min(Number.isSafeInteger(length) && length >= 0 ? length : maxBytes, maxBytes);
    const giveBack = this.#buffer.reserve(exchange.client.ip, reserved, limits);
    try {
      return await exchange.readBody({ maxBytes, name, timeoutMs: limits.handshakeTimeoutMs });
    } finally {
      giveBack();
    }
  }
}

type KnownMethod = { readonly name: string; readonly stream: boolean; readonly anonymous: boolean };
type WebMethod = KnownMethod & { readonly origin: string };

/** Methods by their name in the path: what is for people or for everybody, but for what is kept from browsers. */
const METHODS: ReadonlyMap<string, KnownMethod> = new Map(
  AuthService.methods.flatMap(({ name, localName, methodKind }) => {
    const permission: Permission = PERMISSIONS[localName as keyof typeof PERMISSIONS];
    if (permission.kind === 'service' || ('web' in permission && permission.web === 'never')) return [];
    const stream = methodKind === 'server_streaming';
    return [[name, { name, stream, anonymous: permission.kind === 'anonymous' }] as const];
  }),
);

const CONTENT_TYPES: ReadonlyMap<string, 'unary' | 'stream'> = new Map([
  ['application/json', 'unary'],
  ['application/proto', 'unary'],
  ['application/connect+json', 'stream'],
  ['application/connect+proto', 'stream'],
]);

/**
 * A page of another site can make a browser send a request with our cookies. It can not set this header or these content types without asking (CORS, which nobody answers), and the browser says where a
 * request comes from.
 */
function checkSender(exchange: Exchange, origin: string): void {
  const said = exchange.header('origin');
  const site = exchange.header('sec-fetch-site');
  if (exchange.header('x-tessera-web') !== '1')
    throw new LoginError('WEB_CROSS_SITE', 'expected the header x-tessera-web: 1');
  if (said !== undefined && said !== origin)
    throw new LoginError('WEB_CROSS_SITE', 'the request comes from a page of another origin');
  if (site !== undefined && site !== 'same-origin')
    throw new LoginError('WEB_CROSS_SITE', 'the request comes from another site');
}

/** Only these: nothing that a browser sends under the names that Auth believes, or under any other, goes on. */
function callHeaders(
  exchange: Exchange,
  method: WebMethod,
  token: string | undefined,
  length: number,
): Record<string, string | number> {
  const timeout = exchange.header('connect-timeout-ms');
  return {
    ':method': 'POST',
    ':scheme': 'https',
    ':authority': AUTH_SERVER_NAME,
    ':path': `/${AuthService.typeName}/${method.name}`,
    'content-type': exchange.header('content-type') ?? '',
    'content-length': length,
    'connect-protocol-version': '1',
    ...(timeout !== undefined && /^\d{1,9}$/.test(timeout) ? { 'connect-timeout-ms': timeout } : {}),
    'tessera-web': '1',
    ...(token === undefined ? {} : { 'tessera-web-session': token }),
    'tessera-client-address': exchange.client.ip,
    'tessera-web-origin': method.origin,
    ...(exchange.header('x-tessera-background') === '1' ? { 'tessera-web-background': '1' } : {}),
    'tessera-user-agent': (exchange.header('user-agent') ?? '').replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 256),
  };
}

/** A stream's failures stand in its last envelope; who is no page of ours gets a plain status. */
function refuse(exchange: Exchange, error: TesseraError): void {
  const type = exchange.header('content-type') ?? '';
  if (CONTENT_TYPES.get(type) === 'stream' && !PLAIN.has(error.code))
    exchange.answer(200, { 'Content-Type': type, 'Tessera-Code': error.code }, endStreamError(error));
  else answerError(exchange, error);
}

const PLAIN: ReadonlySet<string> = new Set([
  'WEB_WRONG_HOST',
  'WEB_METHOD',
  'WEB_CROSS_SITE',
  'WEB_UNKNOWN_METHOD',
  'WEB_CONTENT_TYPE',
]);
