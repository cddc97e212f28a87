import type { TLSSocket } from 'node:tls';
import type { Address, ProxyConfig } from '../../config/schema.ts';
import { splitHostPort } from '../../resource/schema/fields.ts';
import type { Clock } from '../../telemetry/clock.ts';
import { type ClientIdentity, dialAuth } from '../../rpc/dial.ts';
import type { Instruments } from '../../telemetry/instruments.ts';
import type { Log } from '../../telemetry/log.ts';
import { addressText } from '../address-text.ts';
import type { PublicPicture } from './https.ts';
import { RPC_PATH, WebApi } from './web-api.ts';
import type { Exchange } from './web-exchange.ts';
import type { WebSource } from './web-files.ts';
import { WebLinks } from './web-links.ts';
import { originOf } from './web-origin.ts';
import { CALLBACK_PATH, type SsoCalls, WebSso } from './web-sso.ts';
import { ROOT, WebStatic } from './web-static.ts';

export type WebOptions = {
  /** Asked at each request. */
  readonly config: () => ProxyConfig;
  readonly picture: () => PublicPicture;
  readonly ready: () => boolean;
  readonly authServer: Address;
  /** Of this host, and who Auth must be; asked when a connection for browsers' calls is dialled. */
  readonly identity: () => ClientIdentity;
  readonly hostAuthorities: () => readonly string[];
  readonly sso: SsoCalls;
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Instruments;
};

type Route = 'info' | 'files' | 'api' | 'sso' | 'other';

/** What the web end answers, by path. */
export class Web {
  readonly #options: WebOptions;
  readonly #files: WebStatic;
  readonly #links: WebLinks;
  readonly #api: WebApi;
  readonly #sso: WebSso;

  constructor(options: WebOptions) {
    const { log, clock, instruments } = options;
    const limits = () => options.config().limits;
    const origin = (exchange: Exchange): string | undefined => this.#originOf(exchange);
    const onLimited = (): void => {
      instruments.rateLimited.of({ listener: 'web' }).value += 1;
    };
    this.#options = options;
    this.#files = new WebStatic(log);
    this.#links = new WebLinks({ dial: () => this.#dial(), clock, log });
    this.#api = new WebApi({ links: this.#links, limits, originOf: origin, onLimited, clock, log });
    this.#sso = new WebSso({
      calls: options.sso,
      limits,
      originOf: origin,
      hasUi: () => options.config().web,
      onLimited,
      log,
    });
    instruments.metrics.gauge('tessera_proxy_web_calls', "Browsers' calls under way.", () => this.#api.count);
  }

  /** Browsers' calls under way. */
  get count(): number {
    return this.#api.count;
  }

  /** Reads the UI's files; before the port opens. */
  load(source: WebSource): Promise<void> {
    return this.#files.load(source);
  }

  /** Never rejects. */
  async handle(exchange: Exchange): Promise<void> {
    const route = routeOf(exchange.path);
    exchange.onOver(() => this.#count(route, exchange.status));
    try {
      await this.#dispatch(exchange, route);
    } catch (error) {
      this.#options.log.error({ err: error, route }, 'web: a request failed inside');
      answerJson(exchange, 500, { error: { message: 'the proxy failed' } });
    }
  }

  /** This host's certificate was renewed. */
  renew(): void {
    this.#links.renew();
  }

  /** Live views end; new calls are refused. */
  drain(): void {
    this.#api.drain();
  }

  close(): void {
    this.#links.close();
  }

  async #dispatch(exchange: Exchange, route: Route): Promise<void> {
    const { web } = this.#options.config();
    switch (route) {
      case 'info':
        return this.#inform(exchange);
      case 'sso':
        return this.#sso.handle(exchange);
      case 'api':
        return web ? this.#api.handle(exchange) : notFound(exchange);
      case 'files':
        if (!web) return notFound(exchange);
        if (exchange.method !== 'GET' && exchange.method !== 'HEAD') return notAllowed(exchange);
        if (exchange.path === '/' || exchange.path === '/web') return exchange.answer(302, { Location: ROOT });
        return this.#files.handle(exchange);
      case 'other':
        return notFound(exchange);
    }
  }

  async #dial(): Promise<TLSSocket> {
    const { authServer, identity, hostAuthorities, config, log } = this.#options;
    const { socket } = await dialAuth({
      addresses: [addressText(authServer)],
      via: 'direct',
      identity: identity(),
      trust: { hostAuthorities: hostAuthorities() },
      timeoutMs: config().limits.handshakeTimeoutMs,
      log,
    });
    return socket;
  }

  #inform(exchange: Exchange): void {
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') notAllowed(exchange);
    else if (exchange.path === '/webapi/ping') answerJson(exchange, 200, this.#options.picture());
    else {
      const ready = this.#options.ready();
      answerJson(exchange, ready ? 200 : 503, { status: ready ? 'ok' : 'unavailable' });
    }
  }

  #originOf(exchange: Exchange): string | undefined {
    const advertised = splitHostPort(this.#options.picture().proxy.public_addr);
    const { publicAddrs } = this.#options.config();
    return originOf(
      exchange.host,
      advertised === undefined ? publicAddrs : [...publicAddrs, advertised],
      exchange.local,
    );
  }

  #count(route: Route, status: number): void {
    const outcome =
      status === 0 ? 'cut' : status < 400 ? 'ok' : status === 429 ? 'limited' : status < 500 ? 'refused' : 'failed';
    this.#options.instruments.webRequests.of({ route, outcome }).value += 1;
  }
}

function routeOf(path: string): Route {
  if (path === '/webapi/ping' || path === '/healthz') return 'info';
  if (path.startsWith(RPC_PATH)) return 'api';
  if (path.startsWith(CALLBACK_PATH)) return 'sso';
  return path === '/' || path === '/web' || path.startsWith(ROOT) ? 'files' : 'other';
}

function notFound(exchange: Exchange): void {
  answerJson(exchange, 404, { error: { message: 'not found' } });
}

function notAllowed(exchange: Exchange): void {
  answerJson(exchange, 405, { error: { message: 'method not allowed' } }, { Allow: 'GET, HEAD' });
}

function answerJson(exchange: Exchange, status: number, body: object, headers: Record<string, string> = {}): void {
  exchange.answer(
    status,
    { ...headers, 'Content-Type': 'application/json; charset=utf-8' },
    `${JSON.stringify(body)}\n`,
  );
}
