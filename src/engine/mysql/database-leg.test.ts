// The database's side: what the agent says to it, and what a hostile one may answer. The server is a stand-in over real sockets and TLS; real ones are in real-server.test.ts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createSecureContext, type SecureContext } from 'node:tls';

import { alice, certificateOf, databaseAt, Policy } from '../../../test/kit/engine.ts';
import {
  type ScriptedClient,
  standInContexts,
  type StandIn,
  type StandInOptions,
  startStandIn,
  usualGreeting,
} from '../../../test/kit/mysql-stand-in.ts';
import { Grant } from '../../access/grant.ts';
import { createAuthority } from '../../pki/authority.ts';
import { cachingSha2Response, nativePasswordResponse } from '../../protocol/mysql/auth.ts';
import { encodeAuthMoreData, encodeAuthSwitch } from '../../protocol/mysql/auth-packets.ts';
import { CLIENT, MARIADB_CLIENT } from '../../protocol/mysql/capabilities.ts';
import { encodeErr } from '../../protocol/mysql/err.ts';
import { encodeGreeting } from '../../protocol/mysql/greeting.ts';
import { decodeHandshakeResponse, type HandshakeResponse } from '../../protocol/mysql/handshake-response.ts';
import { encodeOk, plainOk } from '../../protocol/mysql/ok.ts';
import { encodePacket } from '../../protocol/mysql/packet.ts';
import { encodeTrack } from '../../protocol/mysql/session-track.ts';
import { DatabaseRefusal } from '../database-refusal.ts';
import type { AccessRequest, DatabaseConnection, DatabaseCredentials } from '../engine.ts';
import { connectMysql } from './connect.ts';
import { MysqlDatabase } from './database.ts';
import { checkMysql } from './health.ts';
import { MysqlRequest, type MysqlRequestFields } from './request.ts';

let serverContext: SecureContext;
let trusting: SecureContext;
let stranger: SecureContext;
const open = AbortSignal.any([]);
const standIns: StandIn[] = [];

before(async () => {
  ({ server: serverContext, trusting } = await standInContexts());
  stranger = createSecureContext({ ca: (await createAuthority('db', 'other', () => Date.now())).certificatePem });
});

after(async () => {
  for (const standIn of standIns) await standIn.close();
});

async function standIn(options: Omit<StandInOptions, 'secureContext'>): Promise<StandIn> {
  const started = await startStandIn({ secureContext: serverContext, ...options });
  standIns.push(started);
  return started;
}

const usualChoice =
  CLIENT.LONG_PASSWORD |
  CLIENT.PROTOCOL_41 |
  CLIENT.FOUND_ROWS |
  CLIENT.LOCAL_FILES |
  CLIENT.MULTI_RESULTS |
  CLIENT.DEPRECATE_EOF |
  CLIENT.CONNECT_ATTRS;

type ConnectOptions = {
  readonly asked?: Partial<MysqlRequestFields>;
  readonly databaseName?: string;
  readonly databaseUser?: string;
  readonly password?: string;
  readonly timeoutMs?: number;
  readonly secureContext?: SecureContext;
  readonly mode?: 'verify-full' | 'verify-ca' | 'insecure';
  readonly localInfile?: boolean;
  readonly stillGood?: () => boolean;
  readonly signal?: AbortSignal;
};

async function connect(port: number, options: ConnectOptions = {}): Promise<DatabaseConnection> {
  const database = databaseAt(`localhost:${port}`, { mode: options.mode ?? 'verify-full' });
  const details = new MysqlRequest({
    clientCapabilities: usualChoice,
    extended: 0,
    flavour: 'mysql',
    charset: 45,
    maxPacketSize: 1 << 24,
    connectionId: 0x4000_0001,
    sequence: 3,
    attributes: new Map([['program_name', 'mysql']]),
    early: Buffer.alloc(0),
    ...options.asked,
  });
  const request: AccessRequest = {
    databaseUser: options.databaseUser ?? 'reader',
    databaseName: options.databaseName ?? 'shop',
    replication: 'none',
    parameters: {},
    details,
  };
  const policy = new Policy();
  if (options.localInfile === true) policy.allow = { ...policy.allow, db_local_infile: true };
  const grant = policy.decide(database, request, certificateOf(alice, Date.now() + 60_000), Date.now());
  assert.ok(grant instanceof Grant);
  const secureContext = options.secureContext ?? trusting;
  const credentials: DatabaseCredentials =
    options.password === undefined
      ? { type: 'certificate', secureContext, stillGood: options.stillGood ?? (() => true) }
      : { type: 'password', secureContext, password: options.password };
  const target = {
    database,
    connectTimeoutMs: options.timeoutMs ?? 5000,
    credentials: () =>
      options.stillGood?.() === false ? Promise.reject(new Error('too old')) : Promise.resolve(credentials),
  };
  return connectMysql(grant, request, target, options.signal ?? open);
}

/** With the name that the server opened, as servers tell it. */
const ok = encodeOk({ ...plainOk(2), track: encodeTrack([{ type: 'schema', name: 'shop' }]) }, CLIENT.SESSION_TRACK);

/** A server that notes the handshake response and says OK. */
async function agreeable(options: Partial<StandInOptions> = {}): Promise<{ port: number; heard: HandshakeResponse[] }> {
  const heard: HandshakeResponse[] = [];
  const { port } = await standIn({
    ...options,
    script: async (client) => {
      const said = decodeHandshakeResponse((await client.read()).payload);
      heard.push(said);
      client.send(said.database === undefined ? encodeOk(plainOk(2), 0) : ok);
    },
  });
  return { port, heard };
}

test('the database is told the names of the Grant, the choice of the client and its attributes, and no secret', async () => {
  const { port, heard } = await agreeable();
  const connection = await connect(port);
  const [said] = heard;
  assert.ok(said !== undefined && connection.details instanceof MysqlDatabase);
  const { user, database, charset, maxPacketSize, authResponse, attributes } = said;
  assert.deepEqual([user, database, charset, maxPacketSize, authResponse.length], ['reader', 'shop', 45, 1 << 24, 0]);
  assert.deepEqual([...attributes], [['program_name', 'mysql']]);
  const expected =
    (usualChoice & ~CLIENT.LOCAL_FILES) |
    CLIENT.SSL |
    CLIENT.CONNECT_WITH_DB |
    CLIENT.SECURE_CONNECTION |
    CLIENT.PLUGIN_AUTH |
    CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA |
    CLIENT.SESSION_TRACK;
  assert.equal(said.capabilities.toString(16), expected.toString(16));
  assert.equal(connection.details.capabilities, said.capabilities);
  assert.deepEqual([connection.backendId, connection.serverVersion], [77, '9.7.4-stand-in']);
  connection.channel.destroy();
});

test('no database is named when none is asked for; files only where a role lets them', async () => {
  const { port, heard } = await agreeable();
  (await connect(port, { databaseName: '', localInfile: true })).channel.destroy();
  assert.equal(heard[0]?.database, undefined);
  assert.equal((heard[0]?.capabilities ?? 0) & CLIENT.LOCAL_FILES, CLIENT.LOCAL_FILES);
});

test("MariaDB's extended capabilities go over when the client chose them, and only then", async () => {
  const extended = MARIADB_CLIENT.PROGRESS | MARIADB_CLIENT.STMT_BULK_OPERATIONS;
  const greeting = { serverVersion: '11.8.9-MariaDB', capabilities: 0x81ff_fffe, extended: 0x3d };
  const { port, heard } = await agreeable({ greeting });
  const mariadb = await connect(port, { asked: { extended, flavour: 'mariadb' } });
  assert.equal((mariadb.details as MysqlDatabase).flavour, 'mariadb');
  const plain = await connect(port);
  assert.deepEqual(
    heard.map((said) => [said.extended, said.capabilities & CLIENT.LONG_PASSWORD]),
    [
      [extended, 0],
      [0, 1],
    ],
  );
  mariadb.channel.destroy();
  plain.channel.destroy();
});

const lacking: readonly {
  readonly name: string;
  readonly greeting: object;
  readonly asked: Partial<MysqlRequestFields>;
}[] = [
  {
    name: 'DEPRECATE_EOF',
    greeting: { capabilities: (usualGreeting.capabilities & ~CLIENT.DEPRECATE_EOF) >>> 0 },
    asked: {},
  },
  {
    name: 'QUERY_ATTRIBUTES',
    greeting: { capabilities: (usualGreeting.capabilities & ~CLIENT.QUERY_ATTRIBUTES) >>> 0 },
    asked: { clientCapabilities: usualChoice | CLIENT.QUERY_ATTRIBUTES },
  },
  { name: 'an extended capability', greeting: {}, asked: { extended: MARIADB_CLIENT.PROGRESS } },
];

for (const row of lacking) {
  test(`a server without ${row.name}, which the client was promised: connect again; the server sees a sign-in that it refuses`, async () => {
    const users: string[] = [];
    const { port } = await standIn({
      greeting: row.greeting,
      script: async (client) => {
        users.push(decodeHandshakeResponse((await client.read()).payload).user);
        client.send(encodeErr({ code: 1045, sqlState: '28000', message: 'no' }, { sqlState: true }));
      },
    });
    await assert.rejects(connect(port, { asked: row.asked }), {
      code: 'DATABASE_CAPABILITIES',
      publicMessage: /connect again/,
    });
    assert.deepEqual(users, ['tessera-probe']);
  });
}

test('an extra that the server lacks and that changes no answer is left out', async () => {
  const capabilities = (usualGreeting.capabilities & ~(CLIENT.INTERACTIVE | CLIENT.SESSION_TRACK)) >>> 0;
  const { port, heard } = await agreeable({ greeting: { capabilities } });
  (await connect(port, { asked: { clientCapabilities: usualChoice | CLIENT.INTERACTIVE } })).channel.destroy();
  assert.equal((heard[0]?.capabilities ?? 0) & (CLIENT.INTERACTIVE | CLIENT.SESSION_TRACK), 0);
});

// Plugins.

const scramble = Buffer.from('ABCDEFGHIJKLMNOPQRST');

async function answersTo(
  options: ConnectOptions,
  greeting: object,
  questions: readonly Buffer[],
): Promise<{ first: HandshakeResponse | undefined; answers: string[] }> {
  let first: HandshakeResponse | undefined;
  const answers: string[] = [];
  const { port } = await standIn({
    greeting,
    script: async (client) => {
      first = decodeHandshakeResponse((await client.read()).payload);
      for (const question of questions) {
        client.send(question);
        answers.push((await client.read()).payload.toString('hex'));
      }
      client.send(ok);
    },
  });
  (await connect(port, options)).channel.destroy();
  return { first, answers };
}

const full = encodeAuthMoreData(Buffer.from([4]));

const plugins: readonly {
  readonly name: string;
  readonly greeting: string;
  readonly questions: readonly Buffer[];
  readonly first: [string, string];
  readonly answers: readonly string[];
  readonly password?: string;
}[] = [
  {
    name: 'a certificate, caching_sha2_password: nothing',
    greeting: 'caching_sha2_password',
    questions: [],
    first: ['caching_sha2_password', ''],
    answers: [],
  },
  {
    name: 'a certificate, a switch to each plugin: an empty password, never a secret',
    greeting: 'sha256_password',
    questions: [
      encodeAuthSwitch({ plugin: 'mysql_native_password', data: scramble }),
      encodeAuthSwitch({ plugin: 'caching_sha2_password', data: scramble }),
      full,
      encodeAuthSwitch({ plugin: 'mysql_clear_password', data: Buffer.alloc(0) }),
      encodeAuthSwitch({ plugin: 'sha256_password', data: scramble }),
      encodeAuthSwitch({ plugin: 'client_ed25519', data: Buffer.alloc(32, 7) }),
      encodeAuthSwitch({ plugin: 'parsec', data: Buffer.alloc(32, 7) }),
    ],
    first: ['mysql_native_password', ''],
    answers: ['', '00', '00', '00', '00', '', ''],
  },
  {
    name: 'a password, mysql_native_password',
    greeting: 'mysql_native_password',
    password: 's3cret',
    questions: [],
    first: ['mysql_native_password', nativePasswordResponse('s3cret', usualGreeting.scramble).toString('hex')],
    answers: [],
  },
  {
    name: 'a password, caching_sha2_password in full, inside verified TLS',
    greeting: 'caching_sha2_password',
    password: 's3cret',
    questions: [full],
    first: ['caching_sha2_password', cachingSha2Response('s3cret', usualGreeting.scramble).toString('hex')],
    answers: [Buffer.from('s3cret\0').toString('hex')],
  },
  {
    name: 'a password, a plugin of the greeting that is not ours, then a switch with a scramble of its own',
    greeting: 'something_new',
    password: 's3cret',
    questions: [encodeAuthSwitch({ plugin: 'caching_sha2_password', data: scramble })],
    first: ['mysql_native_password', ''],
    answers: [cachingSha2Response('s3cret', scramble).toString('hex')],
  },
  {
    name: 'a password, mysql_clear_password inside verified TLS',
    greeting: 'mysql_native_password',
    password: 's3cret',
    questions: [encodeAuthSwitch({ plugin: 'mysql_clear_password', data: Buffer.alloc(0) })],
    first: ['mysql_native_password', nativePasswordResponse('s3cret', usualGreeting.scramble).toString('hex')],
    answers: [Buffer.from('s3cret\0').toString('hex')],
  },
];

for (const row of plugins) {
  test(`sign-in with ${row.name}`, async () => {
    const options = row.password === undefined ? {} : { password: row.password };
    const { first, answers } = await answersTo(options, { plugin: row.greeting }, row.questions);
    assert.deepEqual([first?.plugin, first?.authResponse.toString('hex')], row.first);
    assert.deepEqual(answers, row.answers);
  });
}

test('a database whose certificate is not verified never gets the password itself', async () => {
  for (const question of [full, encodeAuthSwitch({ plugin: 'mysql_clear_password', data: Buffer.alloc(0) })]) {
    let heard = '';
    const { port } = await standIn({
      script: async (client) => {
        await client.read();
        client.send(question);
        heard = (await client.read()).payload.toString();
      },
    });
    await assert.rejects(connect(port, { password: 's3cret', mode: 'insecure' }), {
      code: 'DATABASE_WANTS_CLEAR_PASSWORD',
    });
    assert.equal(heard, '');
  }
});

// TLS.

test('never in clear, never to somebody else', async () => {
  const clear = await standIn({ greeting: { capabilities: (usualGreeting.capabilities & ~CLIENT.SSL) >>> 0 } });
  await assert.rejects(connect(clear.port, { mode: 'insecure' }), { code: 'DATABASE_NO_TLS' });
  const { port, heard } = await agreeable();
  await assert.rejects(connect(port, { secureContext: stranger }), { code: 'DATABASE_TLS' });
  assert.deepEqual(heard, []);
});

test('bytes behind the greeting, before TLS, end it', async () => {
  const greeting = encodePacket(0, encodeGreeting(usualGreeting));
  const { port } = await standIn({ opening: Buffer.concat([greeting, encodePacket(2, ok)]) });
  await assert.rejects(connect(port), { code: 'MYSQL_STUFFED_BYTES' });
});

// A hostile or broken database.

const hostile: readonly {
  readonly name: string;
  readonly code: string;
  readonly opening?: Buffer;
  readonly script?: (client: ScriptedClient) => Promise<void>;
  readonly password?: string;
}[] = [
  { name: 'silence', opening: Buffer.alloc(0), code: 'DATABASE_TIMEOUT' },
  {
    name: 'half a greeting',
    opening: encodePacket(0, encodeGreeting(usualGreeting)).subarray(0, 20),
    code: 'DATABASE_TIMEOUT',
  },
  { name: 'HTTP', opening: Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), code: 'MYSQL_NO_GREETING' },
  { name: 'a greeting of 16 MiB', opening: Buffer.from('ffffff000a', 'hex'), code: 'MYSQL_NO_GREETING' },
  { name: 'an empty packet', opening: Buffer.from('00000000', 'hex'), code: 'MYSQL_NO_GREETING' },
  {
    name: 'another protocol version',
    opening: encodePacket(0, Buffer.from('\x09abc\0')),
    code: 'MYSQL_GREETING_BAD_VERSION',
  },
  {
    name: 'a greeting that is cut',
    opening: encodePacket(0, encodeGreeting(usualGreeting).subarray(0, 30)),
    code: 'MYSQL_GREETING_TOO_SHORT',
  },
  { name: 'silence in TLS', script: () => Promise.resolve(), code: 'DATABASE_TIMEOUT' },
  {
    name: 'one byte and then silence',
    script: async (client) => {
      await client.read();
      client.raw(Buffer.from([7]));
    },
    code: 'DATABASE_TIMEOUT',
  },
  {
    name: 'an end',
    script: async (client) => {
      await client.read();
      client.end();
    },
    code: 'DATABASE_CLOSED',
  },
  {
    name: 'a packet of 16 MiB',
    script: async (client) => {
      await client.read();
      client.raw(Buffer.from('ffffff03', 'hex'));
    },
    code: 'WIRE_FRAME_TOO_LONG',
  },
  {
    name: 'a packet out of turn',
    script: async (client) => {
      await client.read();
      client.send(ok, 9);
    },
    code: 'MYSQL_UNEXPECTED_PACKET',
  },
  {
    name: 'an empty packet as answer',
    script: async (client) => {
      await client.read();
      client.send(Buffer.alloc(0));
    },
    code: 'MYSQL_AUTH_TOO_SHORT',
  },
  {
    name: 'an OK that is cut',
    script: async (client) => {
      await client.read();
      client.send(Buffer.from([0, 0]));
    },
    code: 'MYSQL_OK_TOO_SHORT',
  },
  {
    name: 'switches without end',
    script: async (client) => {
      for (;;) {
        await client.read();
        client.send(encodeAuthSwitch({ plugin: 'mysql_native_password', data: scramble }));
      }
    },
    code: 'MYSQL_SIGN_IN_TOO_LONG',
  },
  {
    name: 'a plugin that nobody has, with bytes that do not belong into a log',
    script: async (client) => {
      await client.read();
      client.send(encodeAuthSwitch({ plugin: 'evil\n\u001b[31m', data: scramble }));
    },
    code: 'DATABASE_AUTHENTICATION_METHOD',
  },
  {
    name: 'a plugin without a zero behind its name',
    script: async (client) => {
      await client.read();
      client.send(Buffer.from('\xfemysql_native_password', 'latin1'));
    },
    code: 'MYSQL_AUTH_UNTERMINATED',
  },
  {
    name: 'a scramble of one byte, a zero, for a password',
    password: 's3cret',
    script: async (client) => {
      await client.read();
      client.send(Buffer.from('\xfemysql_native_password\0\0', 'latin1'));
    },
    code: 'MYSQL_SCRAMBLE_LENGTH',
  },
  {
    name: 'a second factor',
    script: async (client) => {
      await client.read();
      client.send(Buffer.from('\x02authentication_webauthn\0', 'latin1'));
    },
    code: 'MYSQL_AUTH_UNSUPPORTED',
  },
  {
    name: 'data that no plugin asked for',
    script: async (client) => {
      await client.read();
      client.send(encodeAuthMoreData(Buffer.from('hello')));
    },
    code: 'MYSQL_UNEXPECTED_PACKET',
  },
  {
    name: 'a salt that takes hours',
    password: 's3cret',
    script: async (client) => {
      await client.read();
      client.send(encodeAuthSwitch({ plugin: 'parsec', data: Buffer.alloc(32, 1) }));
      await client.read();
      client.send(Buffer.concat([Buffer.from('P'), Buffer.from([30]), Buffer.alloc(18, 2)]));
    },
    code: 'MYSQL_PARSEC_SALT',
  },
  {
    name: 'session state that is none',
    script: async (client) => {
      await client.read();
      client.send(encodeOk({ ...plainOk(2), track: Buffer.from('0109ff', 'hex') }, CLIENT.SESSION_TRACK));
    },
    code: 'MYSQL_TRACK_TOO_SHORT',
  },
];

for (const row of hostile) {
  test(`a database that answers with ${row.name}`, async () => {
    const { port } = await standIn({
      ...(row.opening === undefined ? {} : { opening: row.opening }),
      ...(row.script === undefined ? {} : { script: row.script }),
    });
    const startedAt = performance.now();
    const options = { timeoutMs: 400, ...(row.password === undefined ? {} : { password: row.password }) };
    await assert.rejects(connect(port, options), (error: Error & { code: string }) => {
      assert.equal(error.code, row.code, error.message);
      assert.doesNotMatch(error.message, /s3cret|[\u0000-\u001f]/);
      return true;
    });
    assert.ok(performance.now() - startedAt < 2000);
  });
}

const refusals: readonly {
  readonly name: string;
  readonly options: Omit<StandInOptions, 'secureContext'>;
  readonly said: string[];
}[] = [
  {
    name: 'in place of a greeting',
    options: {
      opening: encodePacket(
        0,
        encodeErr({ code: 1040, sqlState: '08004', message: 'Too many connections' }, { sqlState: false }),
      ),
    },
    said: ['1040/HY000', 'Too many connections'],
  },
  {
    name: 'after the handshake response',
    options: {
      script: async (client) => {
        await client.read();
        client.send(encodeErr({ code: 1045, sqlState: '28000', message: 'Access denied' }, { sqlState: true }));
      },
    },
    said: ['1045/28000', 'Access denied'],
  },
  {
    name: 'by taking the name for another one than was authorized',
    options: {
      script: async (client) => {
        await client.read();
        const track = encodeTrack([{ type: 'schema', name: 'SHOP' }]);
        client.send(encodeOk({ ...plainOk(2), track }, CLIENT.SESSION_TRACK));
      },
    },
    said: ['1049/42000', 'the server calls this database "SHOP": ask for it by that name'],
  },
];

for (const row of refusals) {
  test(`the database refuses ${row.name}`, async () => {
    const { port } = await standIn(row.options);
    const error = await connect(port).catch((reason: unknown) => reason);
    assert.ok(error instanceof DatabaseRefusal, String(error));
    assert.deepEqual([error.databaseCode, error.databaseMessage], row.said);
  });
}

test('redirection is not for the client, the rest of the session state is', async () => {
  const { port } = await standIn({
    script: async (client) => {
      await client.read();
      const track = encodeTrack([
        { type: 'system-variable', name: 'redirect_url', value: 'mysql://evil:3306' },
        { type: 'schema', name: 'shop' },
      ]);
      client.send(encodeOk({ ...plainOk(2), info: Buffer.from('\x01hash'), track }, CLIENT.SESSION_TRACK));
    },
  });
  const { details, channel } = await connect(port);
  assert.deepEqual((details as MysqlDatabase).track, encodeTrack([{ type: 'schema', name: 'shop' }]));
  channel.destroy();
});

test('names that a server would cut are not sent', async () => {
  const { port, heard } = await agreeable();
  const code = 'MYSQL_NAME_MISREAD';
  await assert.rejects(connect(port, { databaseUser: `reader${'r'.repeat(27)}` }), { code });
  await assert.rejects(connect(port, { databaseName: 'd'.repeat(65) }), { code });
  assert.deepEqual(
    heard.map((said) => said.user),
    ['tessera-probe', 'tessera-probe'],
  );
});

test('a session that ends while it connects leaves no connection behind', async () => {
  const ending = new AbortController();
  const { port } = await standIn({
    script: async (client) => {
      await client.read();
      ending.abort();
      await client.read();
    },
  });
  await assert.rejects(connect(port, { signal: ending.signal }), { code: 'DATABASE_TIMEOUT' });
});

// Cancel and health.

test('cancel signs in once more as the same user and kills by the real id; that it could not is told', async () => {
  const heard: string[] = [];
  const { port, connections } = await standIn({
    script: async (client) => {
      const said = decodeHandshakeResponse((await client.read()).payload);
      client.send(ok);
      const { sequence, payload } = await client.read();
      heard.push(`${said.user} ${said.database ?? '-'} ${sequence} ${payload.toString('latin1')}`);
      client.send(ok);
      heard.push((await client.read()).payload.toString('hex'));
    },
  });
  const connection = await connect(port);
  await connection.cancel();
  for (let tries = 0; tries < 100 && heard.length < 2; tries++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(heard, ['reader - 0 \u0003KILL QUERY 77', '01']);
  assert.equal(connections(), 2);
  await standIns.at(-1)?.close();
  standIns.pop();
  await assert.rejects(connection.cancel(), { code: 'DATABASE_UNREACHABLE' });
  connection.channel.destroy();
});

test('cancel takes no longer than a connect may', async () => {
  let count = 0;
  const { port } = await standIn({
    script: async (client) => {
      await client.read();
      count += 1;
      if (count === 1) client.send(ok);
    },
  });
  const connection = await connect(port, { timeoutMs: 300 });
  const startedAt = performance.now();
  await assert.rejects(connection.cancel(), { code: 'DATABASE_TIMEOUT' });
  assert.ok(performance.now() - startedAt < 1500);
  connection.channel.destroy();
});

test('what is known to be over is not tried: a server counts connections that end in the handshake', async () => {
  const { port, heard } = await agreeable();
  let good = true;
  const connection = await connect(port, { stillGood: () => good });
  assert.equal(connection.canCancel?.(), true);
  good = false;
  assert.equal(connection.canCancel?.(), false);
  await assert.rejects(connection.cancel(), { code: 'DATABASE_CERTIFICATE_EXPIRED' });
  assert.equal(heard.length, 1);
  connection.channel.destroy();
});

test('health: version and capabilities of the greeting, bounded and printable, behind verified TLS', async () => {
  const users: string[] = [];
  const serverVersion = `9.9\u001b[31m\n${'x'.repeat(200)}`;
  const { port } = await standIn({
    greeting: { serverVersion },
    script: async (client) => {
      users.push(decodeHandshakeResponse((await client.read()).payload).user);
      client.send(encodeErr({ code: 1045, sqlState: '28000', message: 'no' }, { sqlState: true }));
    },
  });
  const database = databaseAt(`localhost:${port}`);
  const facts = await checkMysql(database, { connectTimeoutMs: 2000, secureContext: trusting }, open);
  assert.equal(facts.serverVersion, `9.9[31m${'x'.repeat(200)}`.slice(0, 128));
  assert.equal(facts.capabilities, `00000000${usualGreeting.capabilities.toString(16)}`);
  assert.deepEqual(users, ['tessera-probe']);
  await assert.rejects(checkMysql(database, { connectTimeoutMs: 2000, secureContext: stranger }, open), {
    code: 'DATABASE_TLS',
  });
});

test('health: a server that keeps its refusal to itself is healthy all the same, soon', async () => {
  const { port } = await standIn({ script: () => Promise.resolve() });
  const startedAt = performance.now();
  const database = databaseAt(`localhost:${port}`);
  await checkMysql(database, { connectTimeoutMs: 10_000, secureContext: trusting }, open);
  assert.ok(performance.now() - startedAt < 3000);
});
