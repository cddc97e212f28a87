import type { MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { FinishSsoRequestSchema, FinishSsoResponseSchema } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import type { ProxyLimits } from '../../config/schema.ts';
import { LimitError, LoginError, ProtocolError, TesseraError } from '../../errors.ts';
import { fromConnectError } from '../../rpc/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { limitKey } from './client-address.ts';
import { WebBuffer } from './web-buffer.ts';
import { BINDING_COOKIE, bindingCookie, cookieValue, sessionCookie } from './web-cookies.ts';
import { faultOf } from './web-errors.ts';
import type { Exchange } from './web-exchange.ts';
import { WebSlots } from './web-slots.ts';

type FinishSsoRequest = MessageInitShape<typeof FinishSsoRequestSchema>;
type FinishSsoResponse = MessageShape<typeof FinishSsoResponseSchema>;

/** The proxy's own calls to Auth that callbacks need. Both reject with ConnectError. */
export type SsoCalls = {
  readonly finishSso: (request: FinishSsoRequest) => Promise<FinishSsoResponse>;
  readonly getSamlMetadata: (request: { readonly connector: string }) => Promise<{ readonly xml: string }>;
};

export type WebSsoOptions = {
  readonly calls: SsoCalls;
  readonly limits: () => ProxyLimits;
  readonly originOf: (exchange: Exchange) => string | undefined;
  /** Whether the UI is there to show errors. */
  readonly hasUi: () => boolean;
  readonly onLimited: () => void;
  readonly log: Log;
};

/** Where identity providers send browsers. */
export const CALLBACK_PATH = '/v1/webapi/';

/**
 * The callback addresses of single sign-on: takes what a provider's answer brought, has Auth judge it, and sends the browser on. It carries the answer and knows nothing of it; where the browser goes is
 * checked again here, as an address that was slipped in would take a session's browser elsewhere.
 */
export class WebSso {
  readonly #options: WebSsoOptions;
  readonly #slots = new WebSlots();
  readonly #buffer = new WebBuffer();
  #limiter: RateLimiterMemory;
  #perMinute: number;

  constructor(options: WebSsoOptions) {
    this.#options = options;
    this.#perMinute = options.limits().webCallbacksPerMinute;
    this.#limiter = new RateLimiterMemory({ points: this.#perMinute, duration: 60 });
  }

  /** Takes an exchange whose path begins with CALLBACK_PATH. Never rejects. */
  async handle(exchange: Exchange): Promise<void> {
    const callback = callbackOf(exchange.path);
    if (callback === undefined) {
      answerText(exchange, 404, 'not found');
      return;
    }
    try {
      const origin = this.#options.originOf(exchange);
      if (origin === undefined)
        throw new ProtocolError('WEB_WRONG_HOST', 'this proxy has no such host: use its public address (public_addr)');
      if (exchange.method !== callback.method) throw new ProtocolError('WEB_METHOD', `expected ${callback.method}`);
      await this.#take(exchange.client.ip);
      if (callback.type === 'metadata') await this.#metadata(exchange, callback.connector);
      else await this.#finish(exchange, callback, origin);
    } catch (error) {
      this.#refuse(exchange, error);
    }
  }

  async #finish(exchange: Exchange, callback: Answer, origin: string): Promise<void> {
    const parameters = await this.#parameters(exchange, callback);
    const answer = await this.#ask(exchange, {
      kind: callback.kind,
      connector: callback.connector,
      parameters,
      binding: cookieValue(exchange.header('cookie'), BINDING_COOKIE) ?? '',
      clientAddress: exchange.client.ip,
      origin,
      userAgent: (exchange.header('user-agent') ?? '').replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 256),
    });
    const target = redirectTarget(answer.redirectUrl, origin);
    const session = answer.sessionToken === '' ? undefined : `${answer.sessionToken};${answer.sessionSeconds}`;
    const cookie = session === undefined ? undefined : sessionCookie(session);
    if (target === undefined || (session !== undefined && (cookie === undefined || target.type !== 'page')))
      throw new ProtocolError('WEB_ANSWER_INVALID', "the auth service's answer to a sign-in can not be passed on");
    const cookies = [cookie, bindingCookie('')].filter((one) => one !== undefined);
    exchange.answer(303, { Location: target.url, 'Set-Cookie': cookies });
  }

  /** A provider that is slow makes Auth wait for it: such calls take no more than a part of the places that the proxy's own calls have at Auth, whoever brings answers. */
  async #ask(exchange: Exchange, request: FinishSsoRequest): Promise<FinishSsoResponse> {
    const leave = this.#enter(exchange.client.ip);
    try {
      return await this.#options.calls.finishSso(request);
    } finally {
      leave();
    }
  }

  #enter(ip: string): () => void {
    try {
      return this.#slots.enter(ip, undefined, AT_ONCE);
    } catch {
      this.#options.onLimited();
      throw new LimitError('WEB_TOO_MANY_CALLBACKS', 'too many sign-ins at once (maxCallbacksAtOnce); try again');
    }
  }

  async #parameters(exchange: Exchange, { method }: Answer): Promise<string> {
    if (method === 'GET') return exchange.query;
    const type = (exchange.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase();
    if (type !== 'application/x-www-form-urlencoded')
      throw new ProtocolError('WEB_CONTENT_TYPE', 'expected a form (application/x-www-form-urlencoded)');
    const limits = this.#options.limits();
    const { maxSamlAnswerBytes: maxBytes, handshakeTimeoutMs: timeoutMs } = limits;
    const told = Number(exchange.header('content-length') ?? maxBytes);
    const reserved = Number.isSafeInteger(told) && told >= 0 ? Math.min(told, maxBytes) : maxBytes;
    const room = { ...limits, maxWebRequestBytes: Math.max(limits.maxWebRequestBytes, maxBytes) };
    const giveBack = this.#buffer.reserve(exchange.client.ip, reserved, room);
    try {
      const body = await exchange.readBody({ maxBytes, name: 'max_saml_answer_bytes', timeoutMs });
      return body.toString('latin1');
    } finally {
      giveBack();
    }
  }

  async #metadata(exchange: Exchange, connector: string): Promise<void> {
    const { xml } = await this.#options.calls.getSamlMetadata({ connector });
    exchange.answer(200, { 'Content-Type': 'application/samlmetadata+xml; charset=utf-8' }, xml);
  }

  async #take(ip: string): Promise<void> {
    const { webCallbacksPerMinute } = this.#options.limits();
    if (webCallbacksPerMinute !== this.#perMinute) {
      this.#perMinute = webCallbacksPerMinute;
      this.#limiter = new RateLimiterMemory({ points: webCallbacksPerMinute, duration: 60 });
    }
    try {
      await this.#limiter.consume(limitKey(ip));
    } catch {
      this.#options.onLimited();
      throw new LimitError('WEB_TOO_MANY_CALLBACKS', 'too many sign-ins from this address (web_callbacks_per_minute)');
    }
  }

  /** People see the code on the sign-in page; the details are in the audit log. */
  #refuse(exchange: Exchange, error: unknown): void {
    const known = fromConnectError(error);
    const { log, hasUi } = this.#options;
    const fields = { code: known.code, client: exchange.client.ip };
    if (error instanceof TesseraError || known instanceof LoginError) log.debug(fields, 'web: a callback was refused');
    else log.warn({ ...fields, reason: known.message }, 'web: a callback failed');
    const code = CODE.test(known.code) ? known.code : 'SSO_FAILED';
    const isOurs = known instanceof ProtocolError || known instanceof LimitError;
    if (isOurs || !hasUi() || exchange.path.includes(METADATA))
      answerText(exchange, faultOf(known).status, `sign-in failed: ${code}`);
    else exchange.answer(303, { Location: `/web/login?error=${code}`, 'Set-Cookie': bindingCookie('') ?? '' });
  }
}

type Answer = {
  readonly type: 'answer';
  readonly kind: 'oidc' | 'github' | 'saml';
  readonly method: 'GET' | 'POST';
  readonly connector: string;
};
type Callback = Answer | { readonly type: 'metadata'; readonly method: 'GET'; readonly connector: string };

function callbackOf(path: string): Callback | undefined {
  // An address for each connector keeps providers apart (mix-up, RFC 9700 section 4.4.2); Auth compares it with the request's.
  const code = /^\/v1\/webapi\/(oidc|github)\/callback(?:\/([A-Za-z0-9][A-Za-z0-9._@-]{0,255}))?$/.exec(path);
  if (code !== null)
    return {
      type: 'answer',
      kind: code[1] === 'oidc' ? 'oidc' : 'github',
      method: 'GET',
      connector: code[2] ?? '',
    };
  const match = /^\/v1\/webapi\/saml\/(acs|metadata)(?:\/([A-Za-z0-9][A-Za-z0-9._@-]{0,255}))?$/.exec(path);
  if (match === null) return undefined;
  const connector = match[2] ?? '';
  if (match[1] === 'acs') return { type: 'answer', kind: 'saml', method: 'POST', connector };
  return connector === '' ? undefined : { type: 'metadata', method: 'GET', connector };
}

/**
 * Where a browser may be sent: a page of the UI, or a program on the browser's own machine (tsh). Undefined: anywhere else. Exactly what was checked is sent, so that no two readings of a text
 * differ.
 */
export function redirectTarget(
  text: string,
  origin: string,
): { readonly type: 'page' | 'loopback'; readonly url: string } | undefined {
  // Characters that a header or a browser would read otherwise than URL does.
  if (text.length > MAX_TARGET_CHARACTERS || !/^[\x21-\x5b\x5d-\x7e]+$/.test(text)) return undefined;
  if (text.startsWith('/')) {
    const url = URL.parse(text, origin);
    const shown = url === null ? '' : `${url.pathname}${url.search}${url.hash}`;
    return url?.origin === origin && shown === text && url.pathname.startsWith('/web/')
      ? { type: 'page', url: text }
      : undefined;
  }
  const url = URL.parse(text);
  if (url === null || url.protocol !== 'http:' || url.port === '' || url.username !== '' || url.password !== '')
    return undefined;
  return ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname) ? { type: 'loopback', url: url.href } : undefined;
}

function answerText(exchange: Exchange, status: number, text: string): void {
  exchange.answer(status, { 'Content-Type': 'text/plain; charset=utf-8' }, `${text}\n`);
}

/** maxCallbacksAtOnce, and of one address: below half of the calls that Auth takes over one connection. */
const AT_ONCE = { maxWebCalls: 48, maxWebCallsPerClient: 16, maxWebCallsPerSession: 1 };
const METADATA = '/saml/metadata/';
const CODE = /^[A-Z0-9_]{1,64}$/;
/** A sealed answer for tsh with its certificate is a few KiB. */
const MAX_TARGET_CHARACTERS = 64 * 1024;
