import type { Socket } from 'node:net';
import type { Address, ProxyConfig } from '../../config/schema.ts';
import { lockInForce } from '../../access/locks.ts';
import type { TrustedAuthorities } from '../../pki/trust.ts';
import { holderOf, verifyHostCertificate, verifyUserCertificate } from '../../pki/verify.ts';
import type { AuditWriter } from '../../audit/writer.ts';
import type { Lock } from '../../resource/resource.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Instruments } from '../../telemetry/instruments.ts';
import type { Log } from '../../telemetry/log.ts';
import { Hub } from '../../tunnel/hub.ts';
import { DEFAULT_MUX_LIMITS, INITIAL_WINDOW_BYTES } from '../../tunnel/limits.ts';
import type { HostCredentials } from '../identity.ts';
import { RefusalTrail } from '../refusal-trail.ts';
import { databaseAlpnNames } from './alpn.ts';
import { AuthJoin } from './auth-join.ts';
import { CancelRelay } from './cancel.ts';
import { ClientDoor } from './client-door.ts';
import { FrontDoor } from './front-door.ts';
import { trustedSourcesOf, withFixed } from './gateway-settings.ts';
import { type HostKey, hostKeyOf } from './host-key.ts';
import { Https, type PublicPicture } from './https.ts';
import { KillRelay } from './kills.ts';
import { Listener } from './listener.ts';
import { LiveSessions } from './live-sessions.ts';
import { mysqlPort } from './mysql-port.ts';
import { publicPort } from './public-port.ts';
import { ProxyRefusals } from './refusals.ts';
import { type ShownCertificate, TlsDoor } from './tls-door.ts';
import { countersFor } from './tunnel-counters.ts';
import { enterTunnel } from './tunnel-door.ts';
import type { Doors, Visit } from './visit.ts';
import { Web } from './web.ts';
import type { WebSource } from './web-files.ts';
import type { SsoCalls } from './web-sso.ts';

/** What the gateway needs of the cluster and the process. Each function is asked at each use: answers may change. */
export type GatewayDeps = {
  readonly config: ProxyConfig;
  readonly authServer: Address;
  readonly credentials: HostCredentials;
  /** What browsers and `tsh` see; empty: the host certificate. */
  readonly httpsCertificates: readonly ShownCertificate[];
  readonly trust: (type: 'user' | 'host') => TrustedAuthorities;
  readonly locks: () => Iterable<Lock>;
  readonly isKnownDatabase: (name: string) => boolean;
  readonly picture: () => PublicPicture;
  readonly ready: () => boolean;
  /** The proxy's own calls to Auth for what identity providers answer. */
  readonly sso: SsoCalls;
  /** The files of the web UI; read once, when the port opens. */
  readonly webFiles: WebSource;
  /** Takes the events of who is refused here; may be full or fail, which lets nobody in and keeps nobody out. */
  readonly audit: Pick<AuditWriter, 'emit'>;
  readonly clock: Clock;
  /** 0 to below 1. */
  readonly random: () => number;
  readonly log: Log;
  readonly instruments: Instruments;
};

/** Where it listens. `mysql`: the port of clients of MySQL that begin in clear. */
export type Listening = Address & { readonly mysql?: Address };

/** The proxy's data plane: the public port with its doors, and the hub behind them. */
export class Gateway {
  readonly hub: Hub;
  readonly sessions: LiveSessions;
  readonly #deps: GatewayDeps;
  readonly #publicListener: Listener;
  readonly #mysqlListener: Listener | undefined;
  readonly #frontDoor: FrontDoor;
  readonly #cancel: CancelRelay;
  readonly #kills: KillRelay;
  readonly #trail: RefusalTrail;
  readonly #refusals: ProxyRefusals;
  readonly #clients: ClientDoor;
  readonly #web: Web;
  readonly #https: Https;
  readonly #databaseTls: TlsDoor;
  readonly #tunnelTls: TlsDoor;
  readonly #httpsTls: TlsDoor;
  readonly #authJoin: AuthJoin;
  #config: ProxyConfig;
  #hostKey: HostKey;
  #credentials: HostCredentials;
  #shown: ShownCertificate;
  #httpsCertificates: readonly ShownCertificate[];

  constructor(deps: GatewayDeps) {
    const { clock, log, instruments, config } = deps;
    this.#deps = deps;
    this.#config = config;
    this.#hostKey = hostKeyOf(deps.credentials);
    this.#credentials = deps.credentials;
    this.#shown = deps.credentials;
    this.#httpsCertificates = deps.httpsCertificates;
    this.hub = this.#makeHub();
    this.#trail = this.#makeTrail();
    this.#refusals = this.#makeRefusals();
    this.sessions = new LiveSessions({
      clock,
      log,
      instruments,
      lockGraceMs: () => this.#config.limits.lockGraceMs,
    });
    this.#cancel = this.#makeCancelRelay();
    this.#kills = this.#makeKills();
    this.#clients = this.#makeClientDoor();
    this.#web = this.#makeWeb();
    this.#https = new Https({ limits: config.limits, handle: (exchange) => void this.#web.handle(exchange), clock });
    this.#authJoin = new AuthJoin({
      authServer: deps.authServer,
      hostKey: () => this.#hostKey,
      clock,
      log,
      limits: config.limits,
      onLimited: () => this.#limited('auth'),
    });
    this.#databaseTls = this.#makeTls('database', databaseAlpnNames, (socket, visit) =>
      this.#clients.accept(socket, visit),
    );
    this.#tunnelTls = this.#makeTls('tunnel', ['tessera-tunnel'], (socket, visit) => this.#enterTunnel(socket, visit));
    this.#httpsTls = this.#makeTls('https', ['h2', 'http/1.1'], (socket, visit) => this.#https.accept(socket, visit));
    this.#frontDoor = new FrontDoor({
      limits: config.limits,
      trustedSources: trustedSourcesOf(config),
      doors: this.#doors(),
      clock,
      log,
      onLimited: (port) => this.#limited(port),
    });
    this.#publicListener = new Listener(
      {
        setting: 'proxy_service.listen_addr',
        address: config.listenAddr,
        onSocket: (socket) => this.#frontDoor.accept(socket, publicPort),
      },
      log,
    );
    this.#mysqlListener =
      config.mysqlListenAddr === undefined ? undefined : this.#makeMysqlListener(config.mysqlListenAddr);
  }

  /** Open connections of all ports, of any kind. */
  get connectionCount(): number {
    return this.#frontDoor.connectionCount;
  }

  /** Browsers' calls to Auth under way. */
  get webCalls(): number {
    return this.#web.count;
  }

  /** Opens the ports; none stays open when one can not be. Throws UpstreamError `PROXY_LISTEN`. Returns the real addresses. */
  async listen(): Promise<Listening> {
    await this.#web.load(this.#deps.webFiles);
    const address = await this.#publicListener.listen();
    if (this.#mysqlListener === undefined) return address;
    try {
      return { ...address, mysql: await this.#mysqlListener.listen() };
    } catch (error) {
      this.#frontDoor.destroyAll();
      await this.#publicListener.close();
      throw error;
    }
  }

  /** The host certificate was renewed: shown and signed with from now on. */
  renew(credentials: HostCredentials): void {
    this.#hostKey = hostKeyOf(credentials);
    this.#credentials = credentials;
    this.#web.renew();
    this.#shown = credentials;
    this.#databaseTls.show([credentials]);
    this.#tunnelTls.show([credentials]);
    this.#httpsTls.show(this.#httpsShown());
  }

  /** New limits, trusted sources and HTTPS certificates, for connections to come. Throws when a certificate can not be used; nothing changes then. */
  use(config: ProxyConfig, httpsCertificates: readonly ShownCertificate[]): void {
    const before = this.#httpsCertificates;
    this.#httpsCertificates = httpsCertificates;
    try {
      this.#httpsTls.show(this.#httpsShown());
    } catch (error) {
      this.#httpsCertificates = before;
      throw error;
    }
    this.#config = withFixed(config, this.#config);
    this.#frontDoor.use({ limits: config.limits, trustedSources: trustedSourcesOf(config) });
    this.#cancel.use(config.limits.cancelRatePerMinute);
    this.#kills.use(config.limits.killRatePerMinute);
    this.#authJoin.use(config.limits);
    this.#https.use(config.limits);
    for (const door of [this.#databaseTls, this.#tunnelTls, this.#httpsTls]) door.use(config.limits.handshakeTimeoutMs);
  }

  /** Locks changed: sessions that they hit end, at the latest some seconds after their agent should have ended them. */
  checkLocks(): void {
    this.sessions.checkLocks(this.#deps.locks());
  }

  /** New clients are refused and agents told to go elsewhere; the port stays open for cancel requests and for the way to Auth, which the last sessions need. */
  async drain(timeoutMs: number): Promise<void> {
    this.#clients.drain();
    this.hub.drain();
    this.#web.drain();
    this.#https.drain();
    await this.sessions.drain(timeoutMs);
  }

  /** Ends everything. */
  async close(): Promise<void> {
    const closed = Promise.all([this.#publicListener.close(), this.#mysqlListener?.close()]);
    await this.hub.close();
    this.#web.close();
    this.#https.close();
    this.#frontDoor.destroyAll();
    await closed;
    this.#trail.close();
  }

  #makeHub(): Hub {
    const { clock, random, log, config } = this.#deps;
    return new Hub({
      clock,
      random,
      counters: countersFor(this.#deps.instruments),
      maxTunnels: config.limits.maxTunnels,
      limits: {
        ...DEFAULT_MUX_LIMITS,
        maxStreams: config.tunnel.maxStreams,
        maxStreamWindowBytes: config.tunnel.maxStreamWindowBytes,
        keepAliveMs: config.tunnel.keepAliveIntervalMs,
        keepAliveTimeoutMs: config.tunnel.keepAliveTimeoutMs,
        maxTunnelWindowBytes: Math.max(
          DEFAULT_MUX_LIMITS.maxTunnelWindowBytes,
          2 * config.tunnel.maxStreams * INITIAL_WINDOW_BYTES,
        ),
      },
      onAgent: ({ type, agent, error }) => {
        const level = type === 'announced' ? 'debug' : 'info';
        log[level](
          { agent: agent.hostId, host_name: agent.hostName, address: agent.address, reason: error?.message },
          `agent ${type}`,
        );
      },
      onKill: (message, from) => this.#kills.relay(message, from),
      onFault: (error) => log.error({ err: error }, 'a tunnel callback failed inside'),
    });
  }

  #makeKills(): KillRelay {
    const { trust, clock, log, config } = this.#deps;
    return new KillRelay({
      killRatePerMinute: config.limits.killRatePerMinute,
      trust,
      send: (databaseName, message, askedBy) => this.hub.kill(databaseName, message, askedBy),
      onLimited: () => this.#limited('kill'),
      clock,
      log,
    });
  }

  #makeMysqlListener(address: Address): Listener {
    const port = mysqlPort({
      servers: () => this.hub.servers('mysql'),
      configuredVersion: () => this.#config.mysqlServerVersion,
    });
    const onSocket = (socket: Socket): void => this.#frontDoor.accept(socket, port);
    return new Listener({ setting: 'proxy_service.mysql_listen_addr', address, onSocket }, this.#deps.log);
  }

  #makeCancelRelay(): CancelRelay {
    return new CancelRelay({
      cancelRatePerMinute: this.#config.limits.cancelRatePerMinute,
      send: (tag, message) => this.hub.cancel(tag, message),
      onLimited: () => this.#limited('cancel'),
    });
  }

  #makeTrail(): RefusalTrail {
    const { audit, clock, log, instruments } = this.#deps;
    return new RefusalTrail({ writer: audit, limits: () => this.#config.limits, clock, log, instruments });
  }

  #makeRefusals(): ProxyRefusals {
    const { trust, clock } = this.#deps;
    return new ProxyRefusals({
      trail: this.#trail,
      holderOf: (der) => holderOf(der, trust('user')) ?? holderOf(der, trust('host')),
      clock,
    });
  }

  #makeWeb(): Web {
    const { authServer, trust, picture, ready, sso, clock, log, instruments } = this.#deps;
    return new Web({
      config: () => this.#config,
      picture,
      ready,
      authServer,
      identity: () => this.#credentials,
      hostAuthorities: () => trust('host').certificates,
      sso,
      clock,
      log,
      instruments,
    });
  }

  #makeClientDoor(): ClientDoor {
    const { clock, log, instruments, locks, isKnownDatabase, trust } = this.#deps;
    return new ClientDoor({
      limits: () => this.#config.limits,
      verify: (der) => verifyUserCertificate(der, { authorities: trust('user'), nowMs: clock.now() }),
      locks,
      isKnownDatabase,
      hub: this.hub,
      hostKey: () => this.#hostKey,
      sessions: this.sessions,
      cancel: this.#cancel,
      refusals: this.#refusals,
      clock,
      log,
      instruments,
    });
  }

  #makeTls(
    name: 'database' | 'tunnel' | 'https',
    alpn: readonly string[],
    onSecure: ConstructorParameters<typeof TlsDoor>[0]['onSecure'],
  ): TlsDoor {
    return new TlsDoor({
      name,
      alpn,
      minVersion: name === 'tunnel' ? 'TLSv1.3' : 'TLSv1.2',
      requestCertificate: name !== 'https',
      shown: name === 'https' ? this.#httpsShown() : [this.#shown],
      handshakeTimeoutMs: this.#config.limits.handshakeTimeoutMs,
      log: this.#deps.log,
      onSecure,
      onUnproven: (visit, code) => this.#handshakeFailed(name, visit, code),
    });
  }

  #httpsShown(): readonly [ShownCertificate, ...ShownCertificate[]] {
    const [first, ...rest] = this.#httpsCertificates;
    return first === undefined ? [this.#shown] : [first, ...rest];
  }

  #doors(): Doors {
    return {
      database: (socket, visit) => this.#databaseTls.accept(socket, visit),
      tunnel: (socket, visit) => this.#tunnelTls.accept(socket, visit),
      https: (socket, visit) => this.#httpsTls.accept(socket, visit),
      auth: (socket, visit) => this.#authJoin.join(socket, visit),
      cancel: (packet, visit) => void this.#cancel.relay(packet, visit.client.ip),
      plaintext: (socket, visit, { protocol, answer }) =>
        this.#clients.refusePlaintext(socket, visit, protocol, answer),
    };
  }

  #enterTunnel(...[socket, visit]: Parameters<ConstructorParameters<typeof TlsDoor>[0]['onSecure']>): void {
    const { clock, trust, log, locks } = this.#deps;
    enterTunnel(socket, visit, {
      verifyAgent: (der) =>
        verifyHostCertificate(der, {
          authorities: trust('host'),
          nowMs: clock.now(),
          roles: ['database'],
          usage: 'client',
        }),
      lockOn: (hostId) => lockInForce(locks(), { serverId: hostId }, clock.now()),
      add: (secured, agent) => this.hub.add(secured, agent),
      onRefused: (code, message, certificateDer) =>
        this.#refusals.unproven(visit.client, { listener: 'tunnel', code, message, certificateDer }),
      log,
    });
  }

  #handshakeFailed(listener: 'database' | 'tunnel' | 'https', visit: Visit, code: string): void {
    if (listener === 'https') return;
    const message = 'the client certificate was not in order, or its key was not proven';
    this.#refusals.unproven(visit.client, {
      listener,
      ...(visit.inClear === undefined ? {} : { protocol: visit.inClear.protocol }),
      code,
      message,
      certificateDer: undefined,
    });
  }

  #limited(listener: string): void {
    this.#deps.instruments.rateLimited.of({ listener }).value += 1;
  }
}
