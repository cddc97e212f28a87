/** For tests of this folder: one TLS port that answers like a proxy and, behind ALPN `tessera-auth`, like an Auth Service with a memory. */
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import * as tls from 'node:tls';
import type { X509Certificate } from 'node:crypto';
import { Code, ConnectError, createContextKey, createContextValues } from '@connectrpc/connect';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { AuthService, PutResourceRequest_Mode } from '../../gen/tessera/auth/v1/auth_pb.ts';
import type { Authority } from '../pki/authority.ts';
import { createAuthority } from '../pki/authority.ts';
import { issueCertificate } from '../pki/issue.ts';
import { generateKeyPair } from '../pki/keys.ts';
import { databaseServerProfile, hostProfile, userProfile } from '../pki/profiles.ts';
import type { UserIdentity } from '../resource/identity.ts';
import type { Io } from './io.ts';
import { FakeFactors } from './second-factors.fake.ts';
import { AUTH_SERVER_NAME } from '../pki/names.ts';

export const PASSWORD = 'correct horse battery staple';
export const CODE = '123456';
export const INVITE = 'invitetoken0123456789';

export type FakeCluster = {
  readonly proxy: string;
  readonly pin: string;
  readonly resources: Map<string, { json: string; revision: bigint }>;
  readonly events: string[];
  /** Names of the calls, in order. */
  readonly calls: string[];
  /** Milliseconds that certificates of people live. */
  ttlMs: number;
  /** The proxy was taken over: it names an authority of its own and answers as Auth itself. */
  lies: boolean;
  /** `host:port` of a MySQL listener, as `/webapi/ping` tells it; nothing is told when undefined. */
  mysqlListener?: unknown;
  /** What answers behind ALPN `tessera-<protocol>`; the connection is closed when undefined. */
  tunnel?: (socket: tls.TLSSocket, protocol: string) => void;
  readonly factors: FakeFactors;
  /** When set, what ListDatabases is refused with. */
  refusal?: string;
  close(): void;
};

/** Starts it on loopback. `names`: what the public certificate is for. */
export async function startFakeCluster(names: readonly string[] = ['localhost']): Promise<FakeCluster> {
  const clock = (): number => Date.now();
  const host = await createAuthority('host', 'fake', clock);
  const liar = await createAuthority('host', 'fake', clock);
  const user = await createAuthority('user', 'fake', clock);
  const db = await createAuthority('db', 'fake', clock);
  const cluster: FakeCluster = {
    proxy: '',
    pin: host.pin,
    resources: new Map(),
    events: [],
    calls: [],
    ttlMs: 3_600_000,
    lies: false,
    factors: new FakeFactors(),
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  const sockets = new Set<tls.TLSSocket>();
  const auth = http2.createServer(adapter(cluster, { host, user, db }));
  const ping = pingServer(cluster, () => (cluster.lies ? liar : host).certificatePem);
  const inner = tls.createSecureContext(await serverIdentity(host, 'auth', []));
  const lying = tls.createSecureContext(await serverIdentity(liar, 'auth', []));
  const server = tls.createServer(
    {
      ...(await serverIdentity(host, 'proxy', names)),
      SNICallback: (name, done) => (name === AUTH_SERVER_NAME ? done(null, cluster.lies ? lying : inner) : done(null)),
      ALPNProtocols: ['tessera-auth', 'tessera-postgres', 'tessera-mysql', 'http/1.1'],
      requestCert: true,
      rejectUnauthorized: false,
      allowHalfOpen: true,
    },
    (socket) => {
      sockets.add(socket);
      socket.on('error', () => {}).once('close', () => sockets.delete(socket));
      const protocol = /^tessera-(postgres|mysql)$/.exec(String(socket.alpnProtocol))?.[1];
      if (protocol !== undefined && cluster.tunnel !== undefined) cluster.tunnel(socket, protocol);
      else if (protocol !== undefined) socket.end();
      else (socket.alpnProtocol === 'tessera-auth' ? auth : ping).emit('connection', socket);
    },
  );
  server.on('tlsClientError', () => {});
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  return Object.assign(cluster, { proxy: `localhost:${(server.address() as AddressInfo).port}` });
}

/** The two documents of a proxy's web end. */
function pingServer(cluster: FakeCluster, hostAuthority: () => string): Server {
  return createServer((request, response) => {
    const found = request.url === '/webapi/ping';
    const listener = cluster.mysqlListener === undefined ? {} : { mysql_public_addr: cluster.mysqlListener };
    const picture = {
      cluster_name: 'fake',
      server_version: '0',
      proxy: { public_addr: cluster.proxy, ...listener },
      host_authorities: [hostAuthority()],
      ca_pins: [cluster.pin],
    };
    response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(found ? picture : {}));
  });
}

/** A terminal of a test: no TTY, `input` as lines of stdin, everything written kept. */
export function testIo(
  home: string,
  input = '',
  env: Record<string, string> = {},
): Io & { readonly out: () => string; readonly err: () => string } {
  const stdin = new PassThrough();
  stdin.end(input);
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const kept: { out: string; err: string } = { out: '', err: '' };
  stdout.on('data', (chunk: Buffer) => (kept.out += chunk.toString()));
  stderr.on('data', (chunk: Buffer) => (kept.err += chunk.toString()));
  return { stdin, stdout, stderr, env, home, nowMs: () => Date.now(), out: () => kept.out, err: () => kept.err };
}

type Authorities = { readonly host: Authority; readonly user: Authority; readonly db: Authority };
/** src/rpc/dial.ts asks for this name. */
const callerKey = createContextKey<X509Certificate | undefined>(undefined);

function adapter(cluster: FakeCluster, authorities: Authorities): ReturnType<typeof connectNodeAdapter> {
  return connectNodeAdapter({
    routes: (router) =>
      router.service(AuthService, { ...peopleCalls(cluster, authorities), ...adminCalls(cluster, authorities) }),
    contextValues: (request) => {
      cluster.calls.push(request.url?.split('/').at(-1) ?? '');
      const socket = 'stream' in request ? request.stream.session?.socket : undefined;
      const certificate = socket instanceof tls.TLSSocket ? socket.getPeerX509Certificate() : undefined;
      return createContextValues().set(callerKey, certificate);
    },
  });
}

function peopleCalls(cluster: FakeCluster, { host, user }: Authorities): Partial<ServiceImpl<typeof AuthService>> {
  const identity: UserIdentity = {
    kind: 'user',
    user: 'alice',
    userKind: 'local',
    roles: ['access'],
    traits: { db_users: ['reader'] },
  };
  const issue = async (publicKeyDer: Uint8Array, who: UserIdentity): Promise<string> =>
    (await issueCertificate(user, userProfile(who), { publicKeyDer, ttlMs: cluster.ttlMs, nowMs: Date.now() })).pem;
  return {
    ping: () => ({ clusterName: 'fake', version: '0', hostAuthorities: [host.certificatePem], caPins: [host.pin] }),
    async signIn(request) {
      if (request.user !== 'alice' || request.password !== PASSWORD || request.oneTimeCode !== CODE) {
        throw new ConnectError('wrong user name, password or one-time code', Code.Unauthenticated);
      }
      return {
        certificate: await issue(request.publicKey, identity),
        clusterName: 'fake',
        hostAuthorities: [host.certificatePem],
        roles: ['access'],
        messageOfTheDay: 'be\u001b[31m kind',
      };
    },
    startInvite(request) {
      if (request.token !== INVITE) throw new ConnectError('no such invitation', Code.NotFound);
      return {
        user: 'alice',
        kind: 'invite',
        oneTimeCodeUri: 'otpauth://totp/fake:alice?secret=JBSWY3DPEHPK3PXP&issuer=fake',
        expires: new Date(Date.now() + 3_600_000).toISOString(),
      };
    },
    acceptInvite(request) {
      if (request.oneTimeCode !== CODE) throw new ConnectError('wrong one-time code', Code.Unauthenticated);
      return { user: 'alice' };
    },
    ...cluster.factors.calls(),
    ...databaseCalls(cluster, issue, identity),
  };
}

function databaseCalls(
  cluster: FakeCluster,
  issue: (publicKeyDer: Uint8Array, who: UserIdentity) => Promise<string>,
  identity: UserIdentity,
): Partial<ServiceImpl<typeof AuthService>> {
  return {
    listDatabases(_, context) {
      caller(context);
      if (cluster.refusal !== undefined) throw new ConnectError(cluster.refusal, Code.PermissionDenied);
      const one = (name: string, labels: object, protocol = 'postgres'): object => ({
        kind: 'db',
        version: 'v3',
        metadata: { name, description: `${name} of the shop`, labels },
        spec: { protocol, uri: 'db:5432', tls: { mode: 'verify-full' } },
      });
      const databases = [
        one('orders', { env: 'prod', note: 'x\u001b[2J' }),
        one('orders-old', { env: 'dev' }),
        one('ledger', { env: 'dev' }),
        one('shop', { env: 'stage' }, 'mysql'),
        one('papers', { env: 'lab' }, 'mongodb'),
      ];
      return {
        databases: databases.map((value) => ({
          json: JSON.stringify(value),
          allowedUsers: ['*'],
          deniedUsers: ['root'],
          allowedNames: ['shop'],
          deniedNames: [],
          health: 'healthy',
        })),
      };
    },
    async issueUserCertificate(request, context) {
      caller(context);
      const route = request.route;
      if (route === undefined || route.databaseUser === 'root')
        throw new ConnectError(`access to db denied: user root on ${route?.service}`, Code.PermissionDenied);
      if (cluster.factors.demandedBy.has(route.service)) cluster.factors.require(request.mfa, 'SESSION_MFA_REQUIRED');
      const databaseUser = route.databaseUser || (route.service === 'orders-old' ? '' : 'reader');
      const databaseName = route.databaseName || 'shop';
      const who = {
        ...identity,
        route: {
          service: route.service,
          protocol: route.protocol === 'mysql' ? ('mysql' as const) : ('postgres' as const),
          ...(databaseUser === '' ? {} : { databaseUser }),
          databaseName,
        },
      };
      return {
        certificate: await issue(request.publicKey, who),
        route: { service: route.service, protocol: who.route.protocol, databaseUser, databaseName },
      };
    },
  };
}

function adminCalls(cluster: FakeCluster, { host, db }: Authorities): Partial<ServiceImpl<typeof AuthService>> {
  const { resources } = cluster;
  const expires = new Date(Date.now() + 3_600_000).toISOString();
  return {
    getResource({ kind, name }) {
      const resource = resources.get(`${kind}/${name}`);
      if (resource === undefined) throw new ConnectError(`${kind}/${name} does not exist`, Code.NotFound);
      return { resource };
    },
    listResources: ({ kind }) => ({
      resources: [...resources].filter(([key]) => key.startsWith(`${kind}/`)).map(([, value]) => value),
    }),
    putResource(request) {
      const value = JSON.parse(request.json) as { kind: string; metadata: { name: string } };
      const key = `${value.kind}/${value.metadata.name}`;
      const before = resources.get(key);
      if (request.mode === PutResourceRequest_Mode.CREATE && before !== undefined)
        throw new ConnectError(`${key} exists`, Code.AlreadyExists);
      if (request.mode === PutResourceRequest_Mode.UPDATE && before?.revision !== request.expectedRevision)
        throw new ConnectError('changed meanwhile', Code.Aborted);
      const resource = { json: request.json, revision: (before?.revision ?? 0n) + 1n };
      resources.set(key, resource);
      return { resource };
    },
    deleteResource({ kind, name }) {
      if (!resources.delete(`${kind}/${name}`)) throw new ConnectError(`${kind}/${name} does not exist`, Code.NotFound);
      return {};
    },
    addUser(request) {
      const { metadata } = JSON.parse(request.json) as { metadata: { name: string } };
      resources.set(`user/${metadata.name}`, { json: request.json, revision: 1n });
      return { inviteToken: INVITE, expires, link: `https://${cluster.proxy}/web/invite/${INVITE}` };
    },
    resetUser: () => ({ resetToken: INVITE, expires, link: '' }),
    addToken: () => ({ token: 'jointoken', expires, caPins: [host.pin] }),
    async signDatabaseServer(request) {
      const issued = await issueCertificate(db, databaseServerProfile(request.hosts), {
        publicKeyDer: request.publicKey,
        ttlMs: request.ttlSeconds * 1000,
        nowMs: Date.now(),
      });
      return { certificate: issued.pem, clientAuthorities: [host.certificatePem], expires };
    },
    exportAuthority: () => ({ certificates: [db.certificatePem] }),
    searchAudit: (request) => ({ events: cluster.events.toReversed().slice(0, request.limit), nextCursor: '' }),
    status: () => ({
      clusterName: 'fake',
      version: '0',
      caPins: [host.pin],
      authorities: [{ type: 'host', algorithm: 'ECDSA P-256', expires, pin: host.pin }],
      services: [edgeProxy],
    }),
  };
}

const edgeProxy = {
  hostId: '11111111-1111-4111-8111-111111111111',
  hostName: 'edge',
  role: 'proxy',
  lastHeartbeat: new Date().toISOString(),
  auditBacklogBytes: 0n,
  auditLagMilliseconds: 0n,
  databases: [],
  publicAddr: 'edge.example.com:443',
  mysqlPublicAddr: 'edge.example.com:3036',
};

function caller(context: HandlerContext): X509Certificate {
  const certificate = context.values.get(callerKey);
  if (certificate === undefined) throw new ConnectError('no client certificate', Code.Unauthenticated);
  return certificate;
}

async function serverIdentity(
  authority: Authority,
  role: 'auth' | 'proxy',
  names: readonly string[],
): Promise<{ cert: string; key: string }> {
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const profile = hostProfile(
    { kind: 'host', hostId: crypto.randomUUID(), hostName: role, role },
    { dnsNames: [...names], ipAddresses: [] },
  );
  const issued = await issueCertificate(authority, profile, { publicKeyDer, ttlMs: 3_600_000, nowMs: Date.now() });
  return { cert: issued.pem + authority.certificatePem, key: privateKeyPem };
}
