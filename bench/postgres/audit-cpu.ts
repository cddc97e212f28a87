/** What reading, recording and matching one statement costs the agent: the relay with a real journal, less the same loop without the engine. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Journal, JOURNAL_DEFAULTS } from '../../src/audit/journal.ts';
import { AuditWriter } from '../../src/audit/writer.ts';
import { relayPostgres } from '../../src/engine/postgres/relay.ts';
import { systemClock } from '../../src/telemetry/clock.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import type { Channel, Receiver } from '../../src/wire/channel.ts';
import { openPolicy } from '../../test/kit/engine.ts';
import { bind, execute, int16, int32, message, parse, sync } from '../../test/kit/raw-postgres.ts';

const statements = 100_000;
const clients = 8;

/** Microseconds of CPU (user and system, garbage collection included) for each audited statement. */
export async function auditCpu(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-audit-'));
  const journal = Journal.open({ directory: folder, ...JOURNAL_DEFAULTS }, { clock: systemClock, log: silentLog });
  try {
    const writer = new AuditWriter(journal, { cluster_name: 'bench', server_id: 'bench' }, { clock: systemClock });
    const pairs = Array.from({ length: clients }, () => openRelay(writer));
    for (const { client, database } of pairs) {
      client.deliver(Buffer.concat([parse('P0_1', 'SELECT abalance FROM pgbench_accounts WHERE aid = $1;'), sync]));
      database.deliver(Buffer.concat([message('1', Buffer.alloc(0)), readyForQuery]));
    }
    exchange(pairs, statements / 5);
    const plain = Array.from({ length: clients }, () => ({ client: new Wire(), database: new Wire() }));
    for (const { client, database } of plain) {
      client.receive(forwardTo(client, database));
      database.receive(forwardTo(database, client));
    }
    exchange(plain, statements / 5);
    return exchange(pairs, statements) - exchange(plain, statements);
  } finally {
    await journal.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

type Pair = { readonly client: Wire; readonly database: Wire };

function exchange(pairs: readonly Pair[], count: number): number {
  const before = process.cpuUsage();
  for (let done = 0; done < count; done++) {
    const pair = pairs[done % pairs.length];
    pair?.client.deliver(request);
    pair?.database.deliver(reply);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

const request = Buffer.concat([bind('', 'P0_1', ['4711'], 0), message('D', Buffer.from('P\0')), execute('', 0), sync]);
const readyForQuery = message('Z', Buffer.from('I'));
const reply = Buffer.concat([
  message('2', Buffer.alloc(0)),
  message(
    'T',
    Buffer.concat([int16(1), Buffer.from('abalance\0'), int32(0), int16(0), int32(23), int16(4), int32(-1), int16(0)]),
  ),
  message('D', Buffer.concat([int16(1), int32(1), Buffer.from('0')])),
  message('C', Buffer.from('SELECT 1\0')),
  readyForQuery,
]);

/** A channel that takes everything and delivers what it is told to. */
class Wire implements Channel {
  readonly congested = false;
  #receiver: Receiver | undefined;

  write(): boolean {
    return true;
  }
  end(): void {}
  destroy(): void {}
  consumed(): void {}
  receive(receiver: Receiver | undefined): void {
    this.#receiver = receiver;
  }
  deliver(chunk: Buffer): void {
    this.#receiver?.data(chunk);
  }
}

function forwardTo(from: Wire, to: Wire): Receiver {
  return {
    data() {
      if (to.write()) from.consumed();
    },
    close() {},
  };
}

function openRelay(writer: AuditWriter): Pair {
  const [client, database] = [new Wire(), new Wire()];
  void relayPostgres({
    client,
    database: { channel: database, details: undefined, cancel: async () => undefined },
    request: { databaseUser: 'bench', databaseName: 'bench', replication: 'none', parameters: {}, details: undefined },
    recorder: writer.openSession({
      sid: crypto.randomUUID(),
      cluster_name: 'bench',
      server_id: 'bench',
      user: 'alice',
      user_kind: 'local',
      user_roles: ['access'],
      db_service: 'orders',
      db_protocol: 'postgres',
      db_uri: 'localhost:5432',
      db_name: 'bench',
      db_user: 'bench',
      db_type: 'self-hosted',
      db_origin: 'config',
    }),
    ...openPolicy(),
    signal: new AbortController().signal,
    limits: {
      maxAuditedStatementBytes: 65_536,
      maxAuditedValuesBytes: 65_536,
      maxPreparedStatements: 10_000,
      maxPipelinedStatements: 10_000,
    },
    counters: { bytesFromClient: 0, bytesFromDatabase: 0, statements: 0, lastActivityMs: 0, running: 0 },
    clock: systemClock,
  });
  return { client, database };
}
