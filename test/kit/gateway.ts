/** A proxy's data plane on loopback with authorities of its own, agents that are only a tunnel, and clients by hand. */
import { randomUUID, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { defaultProxyLimits } from '../../src/config/defaults.ts';
import type { AuditEvent } from '../../src/audit/event.ts';
import type { ProxyConfig } from '../../src/config/schema.ts';
import { createAuthority, type Authority } from '../../src/pki/authority.ts';
import { issueCertificate } from '../../src/pki/issue.ts';
import { generateKeyPair } from '../../src/pki/keys.ts';
import { hostProfile, userProfile, type CertificateProfile } from '../../src/pki/profiles.ts';
import { TrustedAuthorities } from '../../src/pki/trust.ts';
import type { HostRole, UserIdentity } from '../../src/resource/identity.ts';
import type { Lock } from '../../src/resource/resource.ts';
import { Gateway } from '../../src/service/proxy/gateway.ts';
import type { ShownCertificate } from '../../src/service/proxy/tls-door.ts';
import type { SsoCalls } from '../../src/service/proxy/web-sso.ts';
import { systemClock } from '../../src/telemetry/clock.ts';
import { createInstruments, type Instruments } from '../../src/telemetry/instruments.ts';
import { type Log, silentLog } from '../../src/telemetry/log.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import type { CancelMessage } from '../../src/tunnel/cancel.ts';
import { dialTunnel } from '../../src/tunnel/dial.ts';
import { Dialer, type IncomingSession } from '../../src/tunnel/dialer.ts';
import type { KillMessage } from '../../src/tunnel/kill.ts';
import type { AnnouncedServer } from '../../src/tunnel/tunnel.ts';

export const clusterName = 'proxy-test';
export const sslRequest = Buffer.from('0000000804d2162f', 'hex');
export const gssRequest = Buffer.from('0000000804d21630', 'hex');

export type Credentials = ShownCertificate & { readonly notBeforeMs: number; readonly notAfterMs: number };

export class TestCluster {
  readonly user: Authority;
  readonly host: Authority;
  readonly foreign: Authority;

  private constructor(user: Authority, host: Authority, foreign: Authority) {
    this.user = user;
    this.host = host;
    this.foreign = foreign;
  }

  static async create(): Promise<TestCluster> {
    const clock = (): number => Date.now();
    const [user, host, foreign] = await Promise.all([
      createAuthority('user', clusterName, clock),
      createAuthority('host', clusterName, clock),
      createAuthority('user', clusterName, clock),
    ]);
    return new TestCluster(user, host, foreign);
  }

  async issue(
    authority: Authority,
    profile: CertificateProfile,
    options: { atMs?: number; ttlMs?: number } = {},
  ): Promise<Credentials> {
    const { privateKeyPem, publicKeyDer } = generateKeyPair();
    const issued = await issueCertificate(authority, profile, {
      publicKeyDer,
      ttlMs: options.ttlMs ?? 600_000,
      nowMs: options.atMs ?? Date.now(),
    });
    return {
      certificate: issued.pem,
      privateKey: privateKeyPem,
      notBeforeMs: issued.notBeforeMs,
      notAfterMs: issued.notAfterMs,
    };
  }

  person(
    change: Partial<UserIdentity> = {},
    options: { atMs?: number; ttlMs?: number; authority?: Authority } = {},
  ): Promise<Credentials> {
    const identity: UserIdentity = {
      kind: 'user',
      user: 'alice',
      userKind: 'local',
      roles: ['dev'],
      traits: {},
      route: { service: 'orders', protocol: 'postgres', databaseUser: 'app', databaseName: 'shop' },
      ...change,
    };
    return this.issue(options.authority ?? this.user, userProfile(identity), options);
  }

  service(
    role: HostRole,
    hostId: string = randomUUID(),
    options: { atMs?: number; ttlMs?: number } = {},
  ): Promise<Credentials> {
    const names =
      role === 'proxy' ? { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] } : { dnsNames: [], ipAddresses: [] };
    return this.issue(this.host, hostProfile({ kind: 'host', hostId, hostName: `${role}-host`, role }, names), options);
  }
}

export type GatewayOptions = {
  readonly limits?: Partial<ProxyConfig['limits']>;
  readonly trustedSources?: readonly string[];
  readonly authPort?: number;
  readonly knownDatabases?: readonly string[];
  /** Listens for MySQL too; what of the configuration then differs. */
  readonly mysql?: { readonly serverVersion?: string; readonly port?: number };
  /** Default: silent. */
  readonly log?: Log;
  /** What the web end asks Auth when a provider answered. */
  readonly sso?: SsoCalls;
  readonly webFiles?: ReadonlyMap<string, Buffer>;
  /** Default true. */
  readonly web?: boolean;
};

export type AgentOptions = {
  readonly databases?: readonly string[];
  /** Default postgres. */
  readonly protocol?: string;
  /** What is known of the databases' server. */
  readonly server?: AnnouncedServer;
  readonly health?: 'healthy' | 'unhealthy';
  readonly cancelTag?: number;
};

export class TestGateway {
  readonly gateway: Gateway;
  readonly cluster: TestCluster;
  readonly instruments: Instruments;
  readonly locks: Lock[] = [];
  /** What the proxy told the audit log, while `journal` takes it. */
  readonly audited: AuditEvent[] = [];
  journal: 'written' | 'full' = 'written';
  readonly config: ProxyConfig;
  port = 0;
  /** Where it greets clients of MySQL; 0: nowhere. */
  mysqlPort = 0;
  readonly #agents: TestAgent[] = [];

  private constructor(cluster: TestCluster, credentials: Credentials, options: GatewayOptions) {
    this.cluster = cluster;
    this.instruments = createInstruments(new Metrics(), { version: 'test', service: 'proxy' });
    this.config = {
      listenAddr: { host: '127.0.0.1', port: 0 },
      publicAddrs: [],
      mysqlPublicAddrs: [],
      ...(options.mysql === undefined ? {} : { mysqlListenAddr: { host: '127.0.0.1', port: options.mysql.port ?? 0 } }),
      ...(options.mysql?.serverVersion === undefined ? {} : { mysqlServerVersion: options.mysql.serverVersion }),
      httpsKeypairs: [],
      web: options.web ?? true,
      ...(options.trustedSources === undefined ? {} : { proxyProtocol: { trustedSources: options.trustedSources } }),
      limits: {
        ...defaultProxyLimits,
        maxConnections: 100,
        maxConnectionsPerClient: 100,
        handshakeTimeoutMs: 5000,
        maxTunnels: 100,
        agentAcceptTimeoutMs: 2000,
        clientRefusalEventsPerMinute: 100,
        refusalEventsPerMinute: 100,
        maxJournalBytes: 4 * 1024 ** 2,
        lockGraceMs: 100,
        ...options.limits,
      },
      tunnel: {
        maxStreams: 100,
        maxStreamWindowBytes: 4_194_304,
        keepAliveIntervalMs: 10_000,
        keepAliveTimeoutMs: 30_000,
      },
    };
    const trust = {
      user: new TrustedAuthorities('user', clusterName, [cluster.user.certificatePem]),
      host: new TrustedAuthorities('host', clusterName, [cluster.host.certificatePem]),
    };
    this.gateway = new Gateway({
      config: this.config,
      authServer: { host: '127.0.0.1', port: options.authPort ?? 1 },
      credentials,
      httpsCertificates: [],
      trust: (type) => trust[type],
      locks: () => this.locks,
      isKnownDatabase: (name) => options.knownDatabases?.includes(name) === true,
      picture: () => ({
        cluster_name: clusterName,
        server_version: '1',
        proxy: { public_addr: 'localhost:1' },
        auth: { type: 'local' },
        host_authorities: [cluster.host.certificatePem],
        ca_pins: trust.host.pins,
      }),
      ready: () => true,
      sso: options.sso ?? {
        finishSso: () => Promise.reject(new Error('no sign-in at a provider in this test')),
        getSamlMetadata: () => Promise.reject(new Error('no SAML in this test')),
      },
      webFiles: () => Promise.resolve(options.webFiles ?? new Map()),
      audit: {
        emit: (event) => {
          if (this.journal === 'written') this.audited.push(event);
          return this.journal;
        },
      },
      clock: systemClock,
      random: Math.random,
      log: options.log ?? silentLog,
      instruments: this.instruments,
    });
  }

  static async start(cluster: TestCluster, options: GatewayOptions = {}): Promise<TestGateway> {
    const test = new TestGateway(cluster, await cluster.service('proxy'), options);
    const { port, mysql } = await test.gateway.listen();
    test.port = port;
    test.mysqlPort = mysql?.port ?? 0;
    return test;
  }

  /** Browsers' calls under way. */
  webCalls(): number {
    return this.gateway.webCalls;
  }

  /** An agent that serves `orders`, connected and announced. */
  async agent(onSession: (session: IncomingSession) => void, options: AgentOptions = {}): Promise<TestAgent> {
    const hostId = randomUUID();
    const agent = new TestAgent(this, hostId, await this.cluster.service('database', hostId), onSession, options);
    this.#agents.push(agent);
    await until(() =>
      this.gateway.hub.agents().some((one) => one.agent.hostId === hostId && one.announcement !== undefined),
    );
    return agent;
  }

  async close(): Promise<void> {
    for (const agent of this.#agents) agent.dialer.close();
    await this.gateway.drain(0);
    await this.gateway.close();
  }
}

export class TestAgent {
  readonly hostId: string;
  readonly dialer: Dialer;
  readonly cancels: CancelMessage[] = [];
  readonly kills: KillMessage[] = [];

  constructor(
    test: TestGateway,
    hostId: string,
    credentials: Credentials,
    onSession: (session: IncomingSession) => void,
    options: AgentOptions,
  ) {
    this.hostId = hostId;
    const context = tls.createSecureContext({
      cert: credentials.certificate,
      key: credentials.privateKey,
      ca: test.cluster.host.certificatePem,
    });
    this.dialer = new Dialer({
      connect: dialTunnel({ secureContext: () => context, verifyProxy: (der) => void new X509Certificate(der) }),
      announcement: () => ({
        databases: (options.databases ?? ['orders']).map((name) => ({
          name,
          protocol: options.protocol ?? 'postgres',
          health: options.health ?? 'healthy',
          ...(options.server === undefined ? {} : { server: options.server }),
        })),
        cancelTag: options.cancelTag ?? 7,
        draining: false,
      }),
      onSession,
      onCancel: (message) => this.cancels.push(message),
      onKill: (message) => {
        this.kills.push(message);
        return undefined;
      },
      clock: systemClock,
      random: Math.random,
    });
    this.dialer.setProxies([`127.0.0.1:${test.port}`]);
  }
}

/** Opens TCP to the port. */
export async function dialRaw(port: number): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Everything until the far end closes. */
export function readAll(socket: net.Socket): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('close', () => resolve(Buffer.concat(chunks)));
  });
}

/** TLS on a socket; resolves when the handshake is done, rejects when it fails. */
export async function secure(socket: net.Socket, options: tls.ConnectionOptions): Promise<tls.TLSSocket> {
  const secured = tls.connect({ socket, rejectUnauthorized: false, ...options });
  secured.on('error', () => undefined);
  await Promise.race([
    once(secured, 'secureConnect'),
    once(secured, 'close').then(() => {
      throw new Error('closed in the handshake');
    }),
  ]);
  return secured;
}

/** SSLRequest, then TLS. */
export async function dialPostgres(
  port: number,
  who: ShownCertificate | undefined,
  alpn: readonly string[] = ['postgresql'],
): Promise<tls.TLSSocket> {
  const raw = await dialRaw(port);
  raw.write(sslRequest);
  await once(raw, 'readable');
  const answer: Buffer | null = raw.read(1);
  if (answer?.toString() !== 'S') throw new Error(`SSLRequest was answered ${String(answer)}`);
  return secure(raw, {
    ALPNProtocols: [...alpn],
    ...(who === undefined ? {} : { cert: who.certificate, key: who.privateKey }),
  });
}

/** A start-up packet of protocol 3.0. */
export function startup(user = 'app', database = 'shop'): Buffer {
  const body = Buffer.from(`user\0${user}\0database\0${database}\0\0`);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + body.length, 0);
  head.writeUInt32BE(0x0003_0000, 4);
  return Buffer.concat([head, body]);
}

/** The fields of the first ErrorResponse in `bytes`. */
export function errorFields(bytes: Buffer): Readonly<Record<string, string>> {
  if (bytes[0] !== 0x45) throw new Error(`expected an ErrorResponse, got ${bytes.toString('hex')}`);
  const fields: Record<string, string> = {};
  for (const field of bytes.toString('utf8', 5, 1 + bytes.readUInt32BE(1)).split('\0'))
    if (field !== '') fields[field.slice(0, 1)] = field.slice(1);
  return fields;
}

/** Waits for a condition, at most 5 s. */
export async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 5000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within 5 s: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
