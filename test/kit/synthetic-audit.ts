/** A store full of plausible events, written through the store's own way in: for measuring searches and for pages that must stay fast. The same seed makes the same events. */
import { parseCount } from '../../src/audit/count.ts';
import { FileStore } from '../../src/audit/stores/file-store.ts';
import { readStoredLine, type StoredEvent } from '../../src/audit/stored-event.ts';
import { silentLog } from '../../src/telemetry/log.ts';

export type SyntheticOptions = {
  /** The last event's time, milliseconds since 1970. Default: now. */
  readonly untilMs?: number;
  /** Over which the events are spread. Default one day. */
  readonly spanMs?: number;
  readonly seed?: number;
  readonly onProgress?: (written: number) => void;
};

/** What the events have in common: for choosing filters. Sorted from frequent to rare where it says so. */
export const SYNTHETIC = {
  clusterName: 'synthetic',
  /** The first has a third of all events, the last a few. */
  users: Array.from({ length: 40 }, (_, index) => `user${String(index).padStart(2, '0')}`),
  databases: Array.from({ length: 12 }, (_, index) => `database${String(index).padStart(2, '0')}`),
  /** In every statement of a session with the database `database00`, and about one in three of all. */
  frequentWord: 'customers',
  /** In about one of 100,000 events. */
  rareWord: 'zanzibar',
  /** Both words are frequent, and never stand beside each other in this order. */
  absentPhrase: 'where select',
} as const;

/** Writes `count` events into the file store of `directory` and indexes them. The directory must not be in use. Some 20,000 events a second. */
export async function fillStore(directory: string, count: number, options: SyntheticOptions = {}): Promise<void> {
  const store = FileStore.open(directory, silentLog);
  try {
    let batch: StoredEvent[] = [];
    let written = 0;
    for (const line of syntheticLines(count, options)) {
      const event = readStoredLine(line);
      if (event === undefined) throw new Error(`not an event: ${line}`);
      batch.push(event);
      if (batch.length < BATCH) continue;
      await store.write(batch);
      written += batch.length;
      batch = [];
      options.onProgress?.(written);
    }
    if (batch.length > 0) await store.write(batch);
    // Every day's index catches up.
    await store.count(parseCount({ filter: {} }));
  } finally {
    await store.close();
  }
}

/** Events as JSON lines, in order of time but for some that come late, as those of an agent that was away do. */
export function* syntheticLines(count: number, options: SyntheticOptions = {}): Generator<string> {
  const random = randomOf(options.seed ?? 1);
  const untilMs = options.untilMs ?? Date.now();
  const spanMs = options.spanMs ?? 86_400_000 - 1;
  const live: Session[] = [];
  const uids = new Map<Session | undefined, number>();
  for (let made = 0; made < count; made += 1) {
    const late = random() < 0.002 ? Math.floor(random() * 600_000) : 0;
    const timeMs = Math.max(untilMs - spanMs, Math.round(untilMs - spanMs + (spanMs * (made + 1)) / count) - late);
    const at = live.length < LIVE || random() < 0.003 ? undefined : Math.floor(random() * live.length);
    let session = at === undefined ? undefined : live[at];
    if (session === undefined) {
      session = newSession(random);
      if (live.length < LIVE) live.push(session);
      else live[Math.floor(random() * live.length)] = session;
    }
    const number = (uids.get(session) ?? 0) + 1;
    uids.set(session, number);
    yield JSON.stringify({
      ...eventOf(session, number, made, random),
      time: new Date(timeMs).toISOString(),
      uid: `${session.source}${number.toString(16).padStart(12, '0')}`,
      ei: number - 1,
      cluster_name: SYNTHETIC.clusterName,
      server_id: session.agent,
      ...session.constants,
    });
    if (uids.size > 4 * LIVE) for (const known of uids.keys()) if (known !== undefined && !live.includes(known)) uids.delete(known); // prettier-ignore
  }
}

type Session = {
  readonly source: string;
  readonly agent: string;
  readonly constants: Readonly<Record<string, unknown>>;
};
type Random = () => number;

function newSession(random: Random): Session {
  const sid = uuid(random, '4');
  const database = pick(SYNTHETIC.databases, random);
  return {
    source: `${uuid(random, '8').slice(0, 24)}`,
    agent: `00000000-0000-4000-8000-00000000000${Math.floor(random() * 3)}`,
    constants: {
      sid,
      user: pick(SYNTHETIC.users, random),
      user_kind: 'local',
      user_roles: ['access'],
      db_service: database,
      db_protocol: 'postgres',
      db_uri: `${database}.internal:5432`,
      db_name: 'shop',
      db_user: random() < 0.7 ? 'reader' : 'writer',
      db_type: 'self-hosted',
      'addr.remote': `198.51.100.${Math.floor(random() * 200)}:${10_000 + Math.floor(random() * 50_000)}`,
    },
  };
}

function eventOf(session: Session, number: number, made: number, random: Random): Record<string, unknown> {
  if (number === 1) {
    if (random() < 0.05)
      return { event: 'db.session.start', code: 'TDB00W', success: false, error: 'no single role allows it', message: 'access to db denied', reason: 'access-denied' }; // prettier-ignore
    return { event: 'db.session.start', code: 'TDB00I', success: true, startup_parameters: { application_name: 'psql' } }; // prettier-ignore
  }
  if (number % 2 === 1) {
    if (random() < 0.02) return { event: 'db.session.result', code: 'TDB10W', query_ei: number - 2, outcome: 'failed', error: 'relation does not exist', error_code: '42P01' }; // prettier-ignore
    const rows = Math.floor(random() * 100);
    return { event: 'db.session.result', code: 'TDB10I', query_ei: number - 2, outcome: 'completed', rows, bytes: rows * 40, duration_ms: Math.round(random() * 9000) / 1000, command: `SELECT ${rows}` }; // prettier-ignore
  }
  return { event: 'db.session.query', code: 'TDB02I', db_query: statement(session, made, random), db_query_parameters: [String(Math.floor(random() * 1e6))] }; // prettier-ignore
}

function statement(session: Session, made: number, random: Random): string {
  const table =
    session.constants['db_service'] === 'database00' || random() < 0.2 ? SYNTHETIC.frequentWord : pick(TABLES, random);
  if (made % 100_000 === 4321 || random() < 0.000_01) return `select ${SYNTHETIC.rareWord} from ${table} where id = $1`;
  const column = pick(COLUMNS, random);
  const kind = random();
  if (kind < 0.7) return `select id, ${column}, created_at from ${table} where ${column} = $1 order by created_at desc limit ${Math.floor(random() * 100)}`; // prettier-ignore
  if (kind < 0.85) return `update ${table} set ${column} = $1, changed_at = now() where id = ${Math.floor(random() * 1e6)}`; // prettier-ignore
  if (kind < 0.95) return `insert into ${table} (${column}, note) values ($1, 'number ${Math.floor(random() * 1e6)}')`;
  return `delete from ${table} where ${column} < $1`;
}

/** The first of the list by far the most often. */
function pick<T>(list: readonly T[], random: Random): T {
  const at = Math.floor(list.length * random() ** 3);
  return list[at] ?? (list[0] as T);
}

function uuid(random: Random, version: string): string {
  const hex = Array.from({ length: 4 }, () => Math.floor(random() * 2 ** 32).toString(16).padStart(8, '0')).join(''); // prettier-ignore
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${version}${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** mulberry32. */
function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const TABLES = [
  'orders',
  'items',
  'invoices',
  'shipments',
  'payments',
  'suppliers',
  'stock',
  'returns',
  'reviews',
  'carts',
];
const COLUMNS = ['name', 'email', 'status', 'total', 'city', 'country', 'sku', 'quantity', 'price', 'note'];
const LIVE = 200;
const BATCH = 5000;
