// Both sign-ins with real programs: real clients -> greeting, TLS -> runSession with the MySQL engine -> real MySQL and MariaDB with client certificates and passwords.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { createSecureContext, createServer as createTlsServer, type Server as TlsServer } from 'node:tls';

import { createConnection as connectMariadb } from 'mariadb';
import { createConnection as connectMysql2 } from 'mysql2/promise';

import { type ClientAuthority, createClientAuthority } from '../../../test/kit/client-certificates.ts';
import type { Output } from '../../../test/kit/command.ts';
import { alice, certificateOf, databaseAt, MemoryRecorder, Policy, sessionParts } from '../../../test/kit/engine.ts';
import { mysqlCommand } from '../../../test/kit/mysql-command.ts';
import { mariadb1011, mariadb118, mysql9, type MysqlBinaries } from '../../../test/servers/mysql-binaries.ts';
import { type MysqlServer, startMysql } from '../../../test/servers/mysql.ts';
import { Grant } from '../../access/grant.ts';
import { UpstreamError } from '../../errors.ts';
import { type Authority, createAuthority } from '../../pki/authority.ts';
import { issueCertificate } from '../../pki/issue.ts';
import { generateKeyPair } from '../../pki/keys.ts';
import { databaseClientProfile, databaseServerProfile } from '../../pki/profiles.ts';
import { encodePacket } from '../../protocol/mysql/packet.ts';
import { systemClock } from '../../telemetry/clock.ts';
import { ChannelReader } from '../../wire/channel-reader.ts';
import { SocketChannel } from '../../wire/socket-channel.ts';
import { DatabaseRefusal } from '../database-refusal.ts';
import type { DatabaseConnection, DatabaseCredentials, ServerFacts } from '../engine.ts';
import { runSession } from '../session.ts';
import { connectMysql } from './connect.ts';
import { mysqlEngine } from './engine.ts';
import { mysqlServerFirst } from './greet.ts';
import { checkMysql } from './health.ts';
import { isClientCollation } from './names.ts';
import { MysqlRequest } from './request.ts';

const open = AbortSignal.any([]);
const all = [mariadb1011(), mariadb118(), mysql9()];
const found = all.filter((binaries) => typeof binaries !== 'string');
function checks(binaries: MysqlBinaries): void {
  suite(binaries.name, () => {
    const bench = new Bench(binaries);
    before(() => bench.start());
    after(() => bench.stop());
    clientsSignIn(bench);
    databaseAccounts(bench);
    refusals(bench);
    others(bench);
  });
}

/** A server, its authorities, and what a proxy and an agent are to a client: the greeting and TLS, then a session. */
class Bench {
  readonly binaries: MysqlBinaries;
  readonly folder = mkdtempSync(join(tmpdir(), 'tessera-mysql-engine-'));
  readonly policy = new Policy();
  recorder = new MemoryRecorder();
  facts: ServerFacts = {};
  authority!: Authority;
  clients!: ClientAuthority;
  server!: MysqlServer;
  #front!: Server;
  /** What the far end of a person's own tunnel is to the agent: nobody has greeted the client. */
  #ungreeted!: Server;
  #tls!: TlsServer;
  /** By the client's port. */
  readonly #greetings = new Map<number | undefined, Buffer>();

  constructor(binaries: MysqlBinaries) {
    this.binaries = binaries;
  }

  get mariadb(): boolean {
    return this.binaries.flavour === 'mariadb';
  }

  async start(): Promise<void> {
    this.authority = await createAuthority('db', 'test', () => Date.now());
    this.clients = await createClientAuthority(this.folder);
    await this.clients.issue('alice');
    const { privateKeyPem, publicKeyDer } = generateKeyPair();
    const { pem } = await issueCertificate(this.authority, databaseServerProfile(['localhost', '127.0.0.1']), {
      publicKeyDer,
      ttlMs: 3_600_000,
      nowMs: Date.now(),
    });
    writeFileSync(join(this.folder, 'ca.crt'), this.authority.certificatePem);
    this.server = await startMysql(this.binaries, {
      tls: { certificate: pem, privateKey: privateKeyPem, clientAuthorities: this.clients.certificate },
      settings: {
        'skip-name-resolve': 'OFF',
        'max-connect-errors': '3',
        ...(this.mariadb ? { 'lower-case-table-names': '1' } : {}),
      },
    });
    this.#tls = createTlsServer(
      { cert: pem, key: privateKeyPem },
      (socket) => void this.#run(socket, this.#greetings.get(socket.remotePort)),
    );
    this.#tls.on('tlsClientError', () => {});
    this.#front = createServer((socket) => this.#greet(socket)).listen(0, '127.0.0.1');
    await once(this.#front, 'listening');
    this.#ungreeted = createServer((socket) => void this.#run(socket, undefined)).listen(0, '127.0.0.1');
    await once(this.#ungreeted, 'listening');
    this.facts = await checkMysql(this.database(), { connectTimeoutMs: 5000, secureContext: this.context() }, open);
  }

  async stop(): Promise<void> {
    this.#front?.close();
    this.#ungreeted?.close();
    await this.server?.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }

  get port(): number {
    return (this.#front.address() as AddressInfo).port;
  }

  get ungreetedPort(): number {
    return (this.#ungreeted.address() as AddressInfo).port;
  }

  database(port = this.server.port): ReturnType<typeof databaseAt> {
    return databaseAt(`localhost:${port}`);
  }

  context(keys: { readonly cert?: string; readonly key?: string } = {}): ReturnType<typeof createSecureContext> {
    return createSecureContext({ ca: this.authority.certificatePem, ...keys });
  }

  async certificate(user: string): Promise<DatabaseCredentials> {
    const { certificate: cert, privateKey: key } = await this.clients.issue(user);
    return { type: 'certificate', secureContext: this.context({ cert, key }) };
  }

  /** One that ended an hour ago. */
  async expired(user: string): Promise<DatabaseCredentials> {
    const { privateKeyPem, publicKeyDer } = generateKeyPair();
    const nowMs = Date.now() - 2 * 3_600_000;
    const options = { publicKeyDer, ttlMs: 3_600_000, nowMs };
    const { pem } = await issueCertificate(this.clients.authority, databaseClientProfile(user), options);
    return { type: 'certificate', secureContext: this.context({ cert: pem, key: privateKeyPem }) };
  }

  /** As the agent signs in for a session that nobody relays. `later`: what it gets of Auth after that. */
  async connect(
    databaseUser: string,
    credentials: DatabaseCredentials,
    options: { readonly databaseName?: string; readonly port?: number; readonly later?: DatabaseCredentials } = {},
  ): Promise<DatabaseConnection> {
    const database = this.database(options.port);
    const details = new MysqlRequest({
      clientCapabilities: 0,
      extended: 0,
      flavour: 'mysql',
      charset: 45,
      maxPacketSize: 1 << 24,
      connectionId: 0x4000_0001,
      sequence: 3,
      attributes: new Map([['program_name', 'test']]),
      early: Buffer.alloc(0),
    });
    const { databaseName = 'shop' } = options;
    const request = { databaseUser, databaseName, replication: 'none' as const, parameters: {}, details };
    const grant = this.policy.decide(database, request, certificateOf(alice, Date.now() + 60_000), Date.now());
    assert.ok(grant instanceof Grant);
    let now = credentials;
    const target = { database, connectTimeoutMs: 5000, credentials: () => Promise.resolve(now) };
    const connection = await connectMysql(grant, request, target, open);
    now = options.later ?? credentials;
    return connection;
  }

  #greet(socket: Socket): void {
    const greeting = mysqlServerFirst.greet([this.facts], { serverVersion: '8.0.36', random: randomBytes });
    let held = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      held = Buffer.concat([held, chunk]);
      const answer = mysqlServerFirst.understand(held);
      if (answer.type === 'more') return;
      if (answer.type !== 'tls') {
        socket.end(answer.type === 'plaintext' ? answer.answer : '');
        return;
      }
      socket.pause();
      socket.off('data', onData);
      if (held.length > answer.length) socket.unshift(held.subarray(answer.length));
      this.#greetings.set(socket.remotePort, greeting);
      this.#tls.emit('connection', socket);
    };
    socket.on('error', () => {}).on('data', onData);
    socket.write(greeting);
  }

  async #run(socket: Socket, greeting: Buffer | undefined): Promise<void> {
    const client = new SocketChannel(socket);
    const target = {
      database: this.database(),
      connectTimeoutMs: 10_000,
      credentials: (user: string) => this.certificate(user),
    };
    const { recorder, policy } = this;
    const overrides = { ...(greeting === undefined ? {} : { greeting }), server: this.facts };
    await runSession(
      sessionParts({ engine: mysqlEngine, client, clock: systemClock, recorder, target, policy, overrides }),
    );
  }
}

/** M9, A7: any client with any server, with and without a password of its own, is let in without being asked. */
function clientsSignIn(bench: Bench): void {
  for (const client of found) {
    for (const args of [[], ['--password=not-this-one']]) {
      test(`${client.name}'s command line signs in ${args.length === 0 ? 'without' : 'with'} a password`, async () => {
        const { stdout, stderr } = await said(
          bench,
          client,
          'select current_user(), name from products where id = 2',
          args,
        );
        assert.equal(stdout, 'alice@%\tbrüllwürfel\n', stderr);
      });
    }
    test(`${client.name}'s command line asks for compression and does without`, async () => {
      const { stdout, stderr } = await said(bench, client, 'select 1', ['--compress']);
      assert.equal(stdout, '1\n', stderr);
    });
  }

  for (const client of found) {
    test(`${client.name}'s command line is greeted at the end of a tunnel, where no TLS is offered`, async () => {
      const args = [...inClear(client), '--password=not-this-one'];
      const { stdout, stderr } = await said(bench, client, 'select current_user()', args, bench.ungreetedPort);
      assert.equal(stdout, 'alice@%\n', stderr);
    });
  }

  for (const password of ['', 'not-this-one']) {
    test(`mysql2 and mariadb sign in with the password "${password}"`, async () => {
      const ca = bench.authority.certificatePem;
      const options = {
        host: 'localhost',
        port: bench.port,
        user: 'alice',
        password,
        database: 'shop',
        ssl: { ca: [ca] },
      };
      const one = await connectMysql2(options);
      const [rows] = await one.execute('select ? + 1 as n', [41]);
      assert.equal(Number((rows as unknown as { n: unknown }[])[0]?.n), 42);
      await one.end();
      const other = await connectMariadb(options);
      assert.equal(String((await other.query('select current_user() as u'))[0]?.u), 'alice@%');
      await other.end();
    });
  }
}

function said(
  bench: Bench,
  client: MysqlBinaries,
  sql: string,
  args: readonly string[] = [],
  port = bench.port,
): Promise<Output> {
  const { certificateFile: cert, keyFile: key } = certificateFiles(bench);
  const ca = join(bench.folder, 'ca.crt');
  return mysqlCommand(client, { port, user: 'alice', database: 'shop', ca, cert, key }, sql, { args });
}

function inClear(client: MysqlBinaries): string[] {
  return client.flavour === 'mysql' ? ['--ssl-mode=DISABLED'] : ['--skip-ssl', '--skip-ssl-verify-server-cert'];
}

/** The front door here does not look at them; that is the proxy's work. */
function certificateFiles(bench: Bench): { certificateFile: string; keyFile: string } {
  return { certificateFile: join(bench.folder, 'beside-alice.crt'), keyFile: join(bench.folder, 'beside-alice.key') };
}

/** A8 and the rest: how the agent proves a user by certificate or by password. */
function databaseAccounts(bench: Bench): void {
  const accounts: readonly {
    readonly name: string;
    readonly setup: string;
    readonly when: boolean;
    /** Bytes that the first sign-in says more than the second. */
    readonly firstMore?: number;
  }[] = [
    {
      name: 'caching_sha2_password: in full at first, then by the cache (00, 01)',
      setup: "create user u identified with caching_sha2_password by 'pässword'",
      when: !bench.mariadb,
      firstMore: 4 + Buffer.byteLength('pässword') + 1,
    },
    {
      name: 'sha256_password',
      setup: "create user u identified with sha256_password by 'pässword'",
      when: !bench.mariadb,
      firstMore: 0,
    },
    {
      name: 'mysql_native_password',
      setup: "create user u identified via mysql_native_password using password('pässword')",
      when: bench.mariadb,
      firstMore: 0,
    },
    {
      name: 'ed25519',
      setup: "install soname 'auth_ed25519'; create user u identified via ed25519 using password('pässword')",
      when: bench.mariadb,
      firstMore: 0,
    },
    {
      name: 'parsec',
      setup: "install soname 'auth_parsec'; create user u identified via parsec using password('pässword')",
      when: bench.binaries.name.includes('11.8'),
      firstMore: 0,
    },
    {
      name: 'ed25519, then mysql_native_password, of which the second fits',
      setup:
        "install soname 'auth_ed25519'; create user u identified via ed25519 using password('x') or mysql_native_password using password('pässword')",
      when: bench.mariadb,
    },
  ];
  for (const account of accounts) {
    if (!account.when) continue;
    test(`a password by ${account.name}`, async () => {
      // A plugin that is there already is no fault here.
      for (const statement of account.setup.split('; ')) {
        const { code, stderr } = await bench.server.tryRun(statement);
        assert.ok(code === 0 || /already exists|is already/i.test(stderr), stderr);
      }
      await bench.server.run('grant all on shop.* to u');
      try {
        const credentials = { type: 'password', secureContext: bench.context(), password: 'pässword' } as const;
        const written: number[] = [];
        for (const _ of [1, 2]) {
          const { channel, backendId } = await bench.connect('u', credentials);
          assert.ok(channel instanceof SocketChannel && backendId !== undefined);
          written.push(channel.socket.bytesWritten);
          channel.destroy();
        }
        const [first = 0, second = 0] = written;
        if (account.firstMore !== undefined)
          assert.ok(Math.abs(first - second - account.firstMore) <= 0, String(written));
        const wrong = bench.connect('u', { ...credentials, password: 'wrong' });
        await assert.rejects(
          wrong,
          (error: unknown) => error instanceof DatabaseRefusal && error.databaseCode === '1045/28000',
        );
      } finally {
        await bench.server.run('drop user u');
      }
    });
  }

  test('a user by certificate; the thread id is the one that the database knows', async () => {
    const { channel, backendId, serverVersion } = await bench.connect('alice', await bench.certificate('alice'));
    const user = await bench.server.run(`select user from information_schema.processlist where id = ${backendId}`);
    assert.equal(user, 'alice\n');
    assert.ok(serverVersion?.includes(bench.server.version.slice(0, 6)), String(serverVersion));
    channel.destroy();
  });
}

function refusals(bench: Bench): void {
  const rows: readonly {
    readonly name: string;
    readonly user: string;
    readonly certificateOf: string;
    readonly databaseName: string;
    readonly code: string;
  }[] = [
    {
      name: "bob's certificate for alice",
      user: 'alice',
      certificateOf: 'bob',
      databaseName: 'shop',
      code: '1045/28000',
    },
    { name: 'nobody', user: 'nobody', certificateOf: 'nobody', databaseName: 'shop', code: '1045/28000' },
    {
      name: 'no such database',
      user: 'alice',
      certificateOf: 'alice',
      databaseName: 'nowhere',
      code: '1044/42000',
    },
  ];
  for (const row of rows) {
    test(`the database's refusal comes through: ${row.name}`, async () => {
      const credentials = await bench.certificate(row.certificateOf);
      const error = await bench.connect(row.user, credentials, row).catch((reason: unknown) => reason);
      assert.ok(error instanceof DatabaseRefusal, String(error));
      assert.equal(error.databaseCode, row.code);
    });
  }

  if (bench.mariadb) {
    for (const tracking of ['ON', 'OFF']) {
      test(`another spelling is another database, whatever the server makes of it, with session_track_schema ${tracking}`, async () => {
        await bench.server.run(`set global session_track_schema = ${tracking}`);
        try {
          const wrong = bench.connect('alice', await bench.certificate('alice'), { databaseName: 'SHOP' });
          await assert.rejects(wrong, {
            databaseMessage: 'the server calls this database "shop": ask for it by that name',
          });
          (await bench.connect('alice', await bench.certificate('alice'), { databaseName: 'shop' })).channel.destroy();
        } finally {
          await bench.server.run('set global session_track_schema = ON');
        }
      });
    }
  }

  test('A9: an account for localhost comes before the one for everywhere, when the server looks names up', async () => {
    await bench.server.run("create user alice@localhost identified by 'something'");
    try {
      const error = await bench.connect('alice', await bench.certificate('alice')).catch((reason: unknown) => reason);
      assert.ok(error instanceof DatabaseRefusal);
      assert.match(error.databaseMessage, /'alice'@'localhost'/);
    } finally {
      await bench.server.run('drop user alice@localhost');
    }
    (await bench.connect('alice', await bench.certificate('alice'))).channel.destroy();
  });

  test('a denial of ours reaches every command line with its hint', async () => {
    bench.policy.allow = { db_labels: { '*': ['*'] }, db_users: ['reader'], db_names: ['*'] };
    try {
      for (const client of found) {
        const { code, stderr } = await said(bench, client, 'select 1');
        assert.notEqual(code, 0);
        assert.match(stderr, /ERROR 1045 \(28000\)[^]*hint: /);
      }
    } finally {
      bench.policy.allow = { db_labels: { '*': ['*'] }, db_users: ['*'], db_names: ['*'] };
    }
  });

  test('a client in clear is told so by every command line', async () => {
    for (const client of found) {
      const { stderr } = await said(bench, client, 'select 1', inClear(client));
      assert.match(stderr, /ERROR 3159 \(HY000\): TLS is required/);
    }
  });
}

function others(bench: Bench): void {
  const running = async (connection: DatabaseConnection): Promise<ChannelReader> => {
    const reader = new ChannelReader(connection.channel);
    connection.channel.write(encodePacket(0, Buffer.from('\u0003select sleep(20)')));
    const sleepers = `select count(*) from information_schema.processlist where id = ${connection.backendId} and info = 'select sleep(20)'`;
    while ((await bench.server.run(sleepers)) !== '1\n');
    return reader;
  };
  /** It answered, well before it would have slept. */
  const stopped = async (reader: ChannelReader): Promise<void> => {
    await reader.readExactly(5, AbortSignal.timeout(5000));
  };

  test('cancel stops the statement and leaves the connection', async () => {
    const connection = await bench.connect('alice', await bench.certificate('alice'));
    const reader = await running(connection);
    await connection.cancel();
    await stopped(reader);
    reader.release();
    connection.channel.destroy();
  });

  test('with a certificate that is over cancel fails and says so; another session of the user stops the statement by its number', async () => {
    const good = await bench.certificate('alice');
    const old = await bench.connect('alice', good, { later: await bench.expired('alice') });
    const reader = await running(old);
    await assert.rejects(old.cancel(), UpstreamError);
    const fresh = await bench.connect('alice', good);
    // Who pressed Ctrl-C leaves at once.
    fresh.channel.destroy();
    await fresh.stop?.(old.backendId ?? 0, 'query');
    await stopped(reader);
    const again = bench.server.run(`select count(*) from information_schema.processlist where id = ${old.backendId}`);
    assert.equal(await again, '1\n', 'the session goes on');
    await fresh.stop?.(old.backendId ?? 0, 'connection');
    await fresh.stop?.(old.backendId ?? 0, 'query');
    reader.release();
    old.channel.destroy();
  });

  test("a number that somebody made up hits nobody whom this session's database user may not kill", async () => {
    const victim = await bench.connect('bob', await bench.certificate('bob'));
    const reader = await running(victim);
    const lied = await bench.connect('alice', await bench.certificate('alice'));
    for (const what of ['query', 'connection'] as const)
      await assert.rejects(lied.stop?.(victim.backendId ?? 0, what) ?? Promise.resolve(), UpstreamError);
    assert.equal(reader.buffered, 0, 'bob sleeps on');
    reader.release();
    victim.channel.destroy();
    lied.channel.destroy();
  });

  test('health: version and capabilities, and the server holds nothing against this host', async () => {
    assert.ok(bench.facts.serverVersion?.includes(bench.server.version.slice(0, 6)));
    assert.match(bench.facts.capabilities ?? '', bench.mariadb ? /^000000[13]d81fffffe$/ : /^00000000dfffffff$/);
    // A server forgives its own address everything; another one is blocked from the fourth broken handshake on.
    const forwarder = createServer((socket) => {
      const onward = connectTcp({ host: '127.0.0.1', port: bench.server.port, localAddress: '127.0.0.2' });
      socket.on('error', () => {}).on('close', () => onward.destroy());
      onward.on('error', () => {}).on('close', () => socket.destroy());
      socket.pipe(onward).pipe(socket);
    }).listen(0, '127.0.0.1');
    await once(forwarder, 'listening');
    const { port } = forwarder.address() as AddressInfo;
    const target = { connectTimeoutMs: 5000, secureContext: bench.context() };
    try {
      for (let count = 0; count < 6; count++) {
        const { serverVersion } = await checkMysql(bench.database(port), target, open);
        assert.equal(serverVersion, bench.facts.serverVersion);
      }
    } finally {
      forwarder.close();
    }
  });

  test("collations: those that the server ends the handshake for are no client's, all others are", async () => {
    const rows = await bench.server.run(
      'select id, character_set_name from information_schema.collations where id < 256',
    );
    for (const row of rows.trim().split('\n')) {
      const [id, characters = ''] = row.split('\t');
      const expected = !['ucs2', 'utf16', 'utf16le', 'utf32', 'filename'].includes(characters);
      assert.equal(isClientCollation(Number(id)), expected, row);
    }
  });

  test('health: a certificate of somebody else is not healthy', async () => {
    const secureContext = createSecureContext({ ca: bench.clients.certificate });
    const target = { connectTimeoutMs: 5000, secureContext };
    await assert.rejects(checkMysql(bench.database(), target, open), { code: 'DATABASE_TLS' });
  });
}

for (const binaries of all) {
  if (typeof binaries === 'string') test('a server of MySQL or MariaDB', { skip: binaries }, () => undefined);
  else checks(binaries);
}
