// Clients that try to make PostgreSQL run one text and the audit log tell another. PostgreSQL itself decides what each byte sequence does.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { Conversation } from '../../src/protocol/postgres/conversation.ts';
import { DEFAULT_CONVERSATION_LIMITS, type StatementResult } from '../../src/protocol/postgres/records.ts';
import { cstring, execute, int16, message, startup, sync } from '../kit/raw-postgres.ts';
import { type PostgresServer, startPostgres } from '../servers/postgres.ts';
import { npmPostgres } from '../servers/postgres-binaries.ts';

/** What the client sends in one write, and the messages of PostgreSQL, by type, that it then waits for in order. */
type Step = { readonly send: readonly Buffer[]; readonly until: string };
type Attack = {
  readonly name: string;
  readonly steps: readonly Step[];
  /** `told`: the log has the text that ran. `in doubt`: it says itself that the text is not certain. */
  readonly want: 'told' | 'in doubt';
};

const innocent = "select 'innocent'";
const evil = "select 'evil'";
const long = 'n'.repeat(63);
const accent = Buffer.from('é');
const failingCopy = (code: string): string =>
  `create temp table t(a int); create function pg_temp.f() returns trigger language plpgsql as $$begin raise 'no' using errcode = '${code}'; end$$;
   create trigger g before insert on t for each statement execute function pg_temp.f()`;

const attacks: readonly Attack[] = [
  {
    name: 'names that differ behind the 63rd byte are one name to PostgreSQL',
    steps: [
      { send: [parse(`${long}X`, innocent), sync], until: 'Z' },
      { send: [close(`${long}Y`), parse(`${long}Z`, evil), sync], until: 'Z' },
      { send: [bind(`${long}X`), execute('', 0), sync], until: 'Z' },
    ],
    want: 'told',
  },
  {
    name: 'the same bytes are another name in another client_encoding',
    steps: [
      { send: [parse(accent, evil), sync], until: 'Z' },
      { send: [query('set client_encoding = latin1')], until: 'Z' },
      { send: [parse(accent, innocent), sync], until: 'Z' },
      { send: [query('set client_encoding = utf8')], until: 'Z' },
      { send: [bind(accent), execute('', 0), sync], until: 'Z' },
    ],
    want: 'in doubt',
  },
  {
    name: 'the same within one pipeline, where nothing tells of the change in time',
    steps: [
      { send: [parse(accent, evil), sync], until: 'Z' },
      {
        send: [
          ...run('set client_encoding = latin1'),
          parse(accent, innocent),
          ...run('set client_encoding = utf8'),
          bind(accent),
          execute('', 0),
          sync,
        ],
        until: 'Z',
      },
    ],
    want: 'in doubt',
  },
  {
    name: 'a COPY that a trigger fails before PostgreSQL reads the Sync behind it',
    steps: [
      { send: [query(failingCopy('P0001'))], until: 'Z' },
      { send: [parse('s', innocent), sync], until: 'Z' },
      { send: [...run('copy t from stdin'), sync], until: 'EZ' },
      { send: [close('s'), parse('s', evil), sync], until: 'Z' },
      { send: [bind('s'), execute('', 0), sync], until: 'Z' },
    ],
    want: 'told',
  },
  {
    name: 'a Sync that PostgreSQL read as part of a COPY shifts the answers',
    steps: [
      { send: [query('create temp table t(a int)')], until: 'Z' },
      { send: [parse('s', evil), sync], until: 'Z' },
      { send: [query('copy t from stdin')], until: 'G' },
      { send: [sync, message('f', cstring('no'))], until: 'Z' },
      { send: [parse('s', innocent), sync], until: 'EZ' },
      { send: [parse('', 'select 1'), sync], until: 'Z' },
      { send: [bind('s'), execute('', 0), sync], until: 'Z' },
    ],
    want: 'in doubt',
  },
  {
    name: 'SQL renames a statement within the pipeline that uses it',
    steps: [
      { send: [parse('s', innocent), sync], until: 'Z' },
      {
        send: [...run('deallocate s'), ...run(`prepare s as ${evil}`), bind('s'), execute('', 0), sync],
        until: 'Z',
      },
    ],
    want: 'in doubt',
  },
  {
    name: 'SQL renames a statement within the pipeline that binds it, and it runs later',
    steps: [
      { send: [query('begin')], until: 'Z' },
      { send: [parse('s', innocent), sync], until: 'Z' },
      {
        send: [...run('deallocate s'), ...run(`prepare s as ${evil}`), bind('s'), message('H', Buffer.alloc(0))],
        until: '12C12C2',
      },
      { send: [execute('', 0), sync], until: 'Z' },
    ],
    want: 'in doubt',
  },
  {
    name: 'SQL puts another cursor in the place of a portal that ran in part',
    steps: [
      { send: [query('begin')], until: 'Z' },
      { send: [parse('', `${innocent} from generate_series(1, 3)`), bind('', 'c'), execute('c', 1), sync], until: 'Z' },
      { send: [query(`close c; declare c cursor for ${evil}`)], until: 'Z' },
      { send: [execute('c', 1), sync], until: 'Z' },
    ],
    want: 'in doubt',
  },
];

suite('PostgreSQL desync', () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres(npmPostgres(), { hba: 'host all all all trust' });
  });
  after(async () => {
    await server?.remove();
  });

  for (const { name, steps, want } of attacks) {
    test(`the text that runs is told, or in doubt: ${name}`, async () => {
      const tap = await Tap.open(server.port);
      for (const step of steps) await tap.step(step);
      tap.close();
      const last = tap.results.at(-1);
      assert.equal(tap.lastRow, 'evil', 'the attack does with PostgreSQL what it says');
      assert.ok(last !== undefined);
      if (want === 'told') assert.equal(last.statement.text?.text, evil);
      else assert.ok(last.uncertain);
      // A statement that says nothing of its text or hides it must not be called skipped.
      assert.ok(tap.results.every(({ outcome }) => outcome !== 'skipped'));
    });
  }

  test('a statement that ran is not called skipped because a COPY before it failed like one that ate it', async () => {
    const tap = await Tap.open(server.port);
    await tap.step({ send: [query(failingCopy('08P01'))], until: 'Z' });
    await tap.step({ send: [query('copy t from stdin'), query(evil)], until: 'EZZ' });
    tap.close();
    assert.equal(tap.lastRow, 'evil');
    const result = tap.results.find(({ statement }) => statement.text?.text === evil);
    assert.equal(result?.outcome, 'unanswered');
  });
});

/** A client of PostgreSQL with a conversation listening in between. */
class Tap {
  readonly results: StatementResult[] = [];
  lastRow = '';
  readonly #socket: Socket;
  readonly #conversation: Conversation;
  #bytes: Buffer = Buffer.alloc(0);
  #begun = false;
  #types = '';
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#conversation = new Conversation(
      { statement: () => undefined, result: (result) => this.results.push(result) },
      { limits: DEFAULT_CONVERSATION_LIMITS, now: () => 0 },
    );
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('close', () => this.#wake?.());
  }

  static async open(port: number): Promise<Tap> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const tap = new Tap(socket);
    socket.write(startup({ user: 'postgres', database: 'postgres' }));
    await tap.#until('Z');
    return tap;
  }

  async step({ send, until }: Step): Promise<void> {
    const bytes = Buffer.concat(send);
    this.#conversation.fromClient(bytes);
    this.#socket.write(bytes);
    await this.#until(until);
  }

  close(): void {
    this.#socket.destroy();
    this.#conversation.finish();
  }

  async #until(types: string): Promise<void> {
    for (const type of types) {
      for (;;) {
        const at = this.#types.indexOf(type);
        if (at >= 0) {
          this.#types = this.#types.slice(at + 1);
          break;
        }
        assert.ok(!this.#socket.destroyed, `PostgreSQL closed before ${type}`);
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }

  #read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= 5) {
      const end = this.#bytes.readInt32BE(1) + 1;
      if (this.#bytes.length < end) break;
      const one = Buffer.from(this.#bytes.subarray(0, end));
      this.#bytes = this.#bytes.subarray(end);
      const type = one.toString('latin1', 0, 1);
      if (this.#begun) this.#conversation.fromDatabase(one);
      else this.#begun = type === 'Z';
      // One column: type, length, Int16 1, Int32 length, text.
      if (type === 'D') this.lastRow = one.toString('utf8', 11);
      this.#types += type;
    }
    this.#wake?.();
  }
}

function query(sql: string): Buffer {
  return message('Q', cstring(sql));
}

function parse(name: string | Buffer, sql: string): Buffer {
  return message('P', Buffer.concat([Buffer.from(name), Buffer.from(`\0${sql}\0`), int16(0)]));
}

function bind(statement: string | Buffer, portal = ''): Buffer {
  return message(
    'B',
    Buffer.concat([cstring(portal), Buffer.from(statement), Buffer.from([0]), int16(0), int16(0), int16(0)]),
  );
}

function close(statement: string): Buffer {
  return message('C', cstring(`S${statement}`));
}

/** Unnamed Parse, Bind, Execute. */
function run(sql: string): readonly Buffer[] {
  return [parse('', sql), bind(''), execute('', 0)];
}
