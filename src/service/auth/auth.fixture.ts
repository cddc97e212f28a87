import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConnectError } from '@connectrpc/connect';
import { Secret, TOTP } from 'otpauth';
import { parseConfig } from '../../config/parse.ts';
import { generateKeyPair } from '../../pki/keys.ts';
import { connectAuth, type AuthConnection } from '../../rpc/client.ts';
import type { ClientIdentity } from '../../rpc/dial.ts';
import { fromConnectError } from '../../rpc/errors.ts';
import { systemClock, type Clock } from '../../telemetry/clock.ts';
import { createInstruments } from '../../telemetry/instruments.ts';
import { silentLog } from '../../telemetry/log.ts';
import { Metrics } from '../../telemetry/metrics.ts';
import { startAuthService, type RunningAuthService } from './service.ts';

/** For tests: a real Auth Service on loopback, with people and hosts made the way they are made in production. */

/** The machine's clock with a wall clock that can be moved. */
export class MovedClock implements Clock {
  offsetMs = 0;
  /** Timers that are set from now on fire so many times sooner. */
  speed = 1;
  now(): number {
    return systemClock.now() + this.offsetMs;
  }
  monotonic(): number {
    return systemClock.monotonic();
  }
  after(...[delayMs, ...rest]: Parameters<Clock['after']>): ReturnType<Clock['after']> {
    return systemClock.after(delayMs / this.speed, ...rest);
  }
  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(delayMs, signal);
  }
}

export type Keys = { readonly privateKey: string; readonly publicKey: Uint8Array<ArrayBuffer> };

/** A fresh P-256 pair in the API's form. */
export function newKeys(): Keys {
  const pair = generateKeyPair();
  return { privateKey: pair.privateKeyPem, publicKey: new Uint8Array(pair.publicKeyDer) };
}

/** The stable code of a call's refusal; `OK` when the call was not refused. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof ConnectError, String(error));
    return fromConnectError(error).code;
  }
  return 'OK';
}

/** The refusal of a call that must be refused. */
export async function refusal(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof ConnectError, String(error));
    return error;
  }
  assert.fail('the call was not refused');
}

/** What a person has after an invitation. */
export type TestUser = { readonly name: string; readonly password: string; readonly secret: string };
export type TestHost = {
  readonly hostId: string;
  readonly identity: ClientIdentity;
  readonly connection: AuthConnection;
};

export class TestAuth {
  readonly dataDir: string;
  readonly clock: MovedClock;
  readonly service: RunningAuthService;
  readonly address: string;
  readonly hostAuthorities: readonly string[];
  readonly pin: string;
  readonly admin: AuthConnection;
  readonly anonymous: AuthConnection;
  readonly #connections: AuthConnection[];

  private constructor(
    of: Pick<TestAuth, 'dataDir' | 'clock' | 'service' | 'address' | 'hostAuthorities' | 'pin' | 'admin' | 'anonymous'>,
  ) {
    this.dataDir = of.dataDir;
    this.clock = of.clock;
    this.service = of.service;
    this.address = of.address;
    this.hostAuthorities = of.hostAuthorities;
    this.pin = of.pin;
    this.admin = of.admin;
    this.anonymous = of.anonymous;
    this.#connections = [of.admin, of.anonymous];
  }

  /** `more`: further lines of `auth_service`. */
  static async start(
    options: { readonly dataDir?: string; readonly more?: readonly string[]; readonly clusterName?: string } = {},
  ): Promise<TestAuth> {
    const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'tessera-auth-')));
    const clock = new MovedClock();
    const service = await startTestService(dataDir, clock, options);
    const folder = join(dataDir, 'auth', 'admin');
    const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
    const address = (await read('address')).trim();
    const hostAuthorities = [await read('cas.pem')];
    const trust = { hostAuthorities };
    const identity = { certificate: await read('admin.crt'), privateKey: await read('admin.key') };
    const admin = connectAuth({ addresses: [address], via: 'direct', identity, trust, log: silentLog });
    const anonymous = connectAuth({ addresses: [address], via: 'direct', identity: undefined, trust, log: silentLog });
    const pin = (await anonymous.client.ping({})).caPins[0] ?? '';
    return new TestAuth({ dataDir, clock, service, address, hostAuthorities, pin, admin, anonymous });
  }

  /** A connection that the fixture closes. */
  connect(identity: ClientIdentity | undefined, via: 'direct' | 'proxy' = 'direct'): AuthConnection {
    const connection = connectAuth({
      addresses: [this.address],
      via,
      identity,
      trust: { hostAuthorities: this.hostAuthorities },
      log: silentLog,
    });
    this.#connections.push(connection);
    return connection;
  }

  /** A user through invitation and acceptance. */
  async addUser(
    name: string,
    spec: { readonly roles: readonly string[]; readonly traits?: object },
  ): Promise<TestUser> {
    const json = JSON.stringify({
      kind: 'user',
      version: 'v2',
      metadata: { name },
      spec: { roles: spec.roles, traits: spec.traits ?? {} },
    });
    const { inviteToken } = await this.admin.client.addUser({ json });
    return this.accept(name, inviteToken);
  }

  async accept(name: string, token: string): Promise<TestUser> {
    const { oneTimeCodeUri } = await this.anonymous.client.startInvite({ token });
    const user = {
      name,
      password: `correct horse ${name}`,
      secret: new URL(oneTimeCodeUri).searchParams.get('secret') ?? '',
    };
    await this.anonymous.client.acceptInvite({ token, password: user.password, oneTimeCode: this.code(user) });
    return user;
  }

  /** The code of this moment; `ahead` steps of 30 s later. */
  code(user: TestUser, ahead = 0): string {
    return new TOTP({ secret: Secret.fromBase32(user.secret) }).generate({
      timestamp: this.clock.now() + ahead * 30_000,
    });
  }

  /** Signs in with a code not used before; moves the clock by a step. */
  async signIn(user: TestUser, ttlSeconds = 0): Promise<ClientIdentity> {
    this.clock.offsetMs += 30_000;
    const keys = newKeys();
    const answer = await this.anonymous.client.signIn({
      user: user.name,
      password: user.password,
      oneTimeCode: this.code(user),
      publicKey: keys.publicKey,
      ttlSeconds,
    });
    return { certificate: answer.certificate, privateKey: keys.privateKey };
  }

  async join(role: 'proxy' | 'database', hostName: string = role): Promise<TestHost> {
    const { token } = await this.service.localJoin(role);
    const keys = newKeys();
    const answer = await this.anonymous.client.join({ token, role, hostName, publicKey: keys.publicKey });
    const identity = { certificate: answer.certificate, privateKey: keys.privateKey };
    return { hostId: answer.hostId, identity, connection: this.connect(identity) };
  }

  /** Heartbeat of an agent that serves these databases from its file. */
  async serve(
    host: TestHost,
    databases: readonly { readonly name: string; readonly labels?: object }[],
  ): Promise<void> {
    const resources = databases.map(({ name, labels }) =>
      JSON.stringify({
        kind: 'db_server',
        version: 'v3',
        metadata: { name: `${host.hostId}/${name}` },
        spec: {
          host_id: host.hostId,
          host_name: 'agent',
          origin: 'config',
          health: { status: 'healthy' },
          database: {
            kind: 'db',
            version: 'v3',
            metadata: { name, labels: labels ?? {} },
            spec: { protocol: 'postgres', uri: 'localhost:5432' },
          },
        },
      }),
    );
    await host.connection.client.heartbeat({ resources });
  }

  /** Audit events so far with this code, oldest first. */
  async events(code: string): Promise<readonly Record<string, unknown>[]> {
    const { events } = await this.admin.client.searchAudit({ limit: 1000 });
    return events.map((line) => JSON.parse(line) as Record<string, unknown>).filter((event) => event['code'] === code);
  }

  /** Closes everything; `keep` leaves the data. */
  async stop(keep = false): Promise<void> {
    for (const connection of this.#connections) connection.close();
    await this.service.drain(1000);
    if (!keep) await rm(this.dataDir, { recursive: true, force: true });
  }
}

/** Starts only the service. */
export function startTestService(
  dataDir: string,
  clock: Clock,
  options: { readonly more?: readonly string[]; readonly clusterName?: string; readonly port?: number } = {},
): Promise<RunningAuthService> {
  const text = [
    'version: v1',
    'tessera:',
    `  data_dir: ${dataDir}`,
    'auth_service:',
    '  enabled: yes',
    `  cluster_name: ${options.clusterName ?? 'test'}`,
    `  listen_addr: 127.0.0.1:${options.port ?? 0}`,
    ...(options.more ?? ['  limits:', '    anonymous_rate_per_minute: 100000', '    anonymous_burst: 100000']),
  ].join('\n');
  const instruments = createInstruments(new Metrics(), { version: 'test', service: 'auth' });
  return startAuthService({
    config: parseConfig(text, 'test.yaml'),
    clock,
    log: silentLog,
    instruments,
    version: 'test',
  });
}

/** DER of a PEM certificate. */
export function derOf(pem: string): Buffer {
  return new X509Certificate(pem).raw;
}
