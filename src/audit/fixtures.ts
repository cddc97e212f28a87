import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import type { Clock } from '../telemetry/clock.ts';
import { ManualClock } from '../telemetry/manual-clock.ts';
import { silentLog } from '../telemetry/log.ts';
import type { SessionConstants } from './event.ts';
import { Journal, JOURNAL_DEFAULTS, type JournalOptions } from './journal.ts';
import { UidSource } from './writer.ts';

/** For the tests of this folder: what every session has. */
export const SESSION: SessionConstants = {
  cluster_name: 'staging',
  server_id: 'host-1',
  sid: 'c31c3969-39fc-4ce4-8cd6-683fa188e001',
  user: 'alice',
  user_kind: 'local',
  user_roles: ['access'],
  db_service: 'orders',
  db_protocol: 'postgres',
  db_uri: 'db.internal:5432',
  db_name: 'shop',
  db_user: 'reader',
  'addr.remote': '198.51.100.7:5555',
};

/** A directory that the test's end removes. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'tessera-audit-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A small journal; the test closes it. */
export function openJournal(
  directory: string,
  options: Partial<JournalOptions> = {},
  clock: Clock = new ManualClock(),
): Journal {
  return Journal.open({ ...JOURNAL_DEFAULTS, directory, ...options }, { clock, log: silentLog });
}

const uids = new UidSource();

/** An event as a host sends it, with any field replaced (undefined removes it). */
export function eventFields(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const { sid, ...constants } = SESSION;
  return {
    event: 'db.session.query',
    code: 'TDB02I',
    time: '2026-01-01T00:00:00.000Z',
    uid: uids.next(),
    ei: 0,
    ...constants,
    sid,
    db_query: 'select 1',
    ...fields,
  };
}

/** A batch as a host sends it. */
export function zstdLines(...events: readonly object[]): Buffer {
  return zstdCompressSync(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
}
