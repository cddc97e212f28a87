import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';
import { CLIENT, has, SERVER_STATUS } from './capabilities.ts';
import { readLength, readLenencBytes, writeLenencBytes } from './lenenc.ts';
import { decodeOk, encodeOk } from './ok.ts';

/**
 * What an OK packet tells of changes to the session: entries of `UInt8 type | lenenc string data`.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html (Session State Information)
 *
 * Clients read the known types by their inner lengths, some of them without a look at the outer one. So an entry of a known type must be exactly what its
 * type says and no byte more: else we and the client would read different things.
 */
export type TrackEntry =
  | { readonly type: 'system-variable'; readonly name: string; readonly value: string }
  /** The default database, after USE and the like. */
  | { readonly type: 'schema'; readonly name: string }
  /** `1`: something of the session's state changed that would have to be restored elsewhere. */
  | { readonly type: 'state-change'; readonly value: string }
  | { readonly type: 'gtids'; readonly value: string }
  | { readonly type: 'transaction-characteristics'; readonly statements: string }
  /** Eight characters, e.g. `T_______`. */
  | { readonly type: 'transaction-state'; readonly state: string }
  | { readonly type: 'unknown'; readonly tracker: number };

/** The numbers of the trackers. */
export const TRACKER = {
  SYSTEM_VARIABLES: 0,
  SCHEMA: 1,
  STATE_CHANGE: 2,
  GTIDS: 3,
  TRANSACTION_CHARACTERISTICS: 4,
  TRANSACTION_STATE: 5,
} as const;

/** MariaDB's system variable by which a server sends a client to another host, past Tessera. */
export const REDIRECT_VARIABLE = 'redirect_url';

/** The entries of a session track (`OkPacket.track`), in order. Texts are UTF-8, invalid bytes replaced. Throws a ProtocolError `MYSQL_TRACK_*`. */
export function readTrack(track: Uint8Array): TrackEntry[] {
  return parts(track).map((part) => part.entry);
}

/** The database that the session uses by default according to a session track: the last one said, undefined when none is. */
export function trackedSchema(entries: readonly TrackEntry[]): string | undefined {
  const last = entries.findLast((entry) => entry.type === 'schema');
  return last?.type === 'schema' ? last.name : undefined;
}

/** A session track of these entries; for tests and stand-ins, as Tessera itself tracks nothing. */
export function encodeTrack(entries: readonly Exclude<TrackEntry, { readonly type: 'unknown' }>[]): Buffer {
  const writer = new Writer();
  for (const entry of entries) {
    const [tracker, data] = encodeEntry(entry);
    writeLenencBytes(writer.uint8(tracker), data);
  }
  return writer.finish();
}

/** The track without its `redirect_url` entries; the same object when it has none. Throws as {@link readTrack}. */
export function withoutRedirect(track: Buffer): Buffer {
  const all = parts(track);
  const kept = all.filter(({ entry }) => !isRedirect(entry));
  return kept.length === all.length ? track : Buffer.concat(kept.map((part) => track.subarray(part.start, part.end)));
}

/**
 * An OK payload of the database's leg (`databaseCapabilities`) as the client may have it: without session track for one that did not ask for it, and without
 * redirection for one that did. The same object when nothing changes. Throws a ProtocolError `MYSQL_OK_*`, `MYSQL_TRACK_*`.
 */
export function okForClient(payload: Buffer, databaseCapabilities: number, clientCapabilities: number): Buffer {
  if (!has(databaseCapabilities, CLIENT.SESSION_TRACK)) return payload;
  const ok = decodeOk(payload, databaseCapabilities);
  if (!has(ok.status, SERVER_STATUS.SESSION_STATE_CHANGED)) return payload;
  if (!has(clientCapabilities, CLIENT.SESSION_TRACK)) return encodeOk(ok, clientCapabilities);
  if (ok.track === undefined) return payload;
  const track = withoutRedirect(ok.track);
  return track === ok.track ? payload : encodeOk({ ...ok, track }, clientCapabilities);
}

type Part = { readonly entry: TrackEntry; readonly start: number; readonly end: number };

function parts(track: Uint8Array): Part[] {
  const reader = new Reader('mysql: session track', 'MYSQL_TRACK', track);
  const found: Part[] = [];
  while (reader.remaining > 0) {
    const start = reader.offset;
    const tracker = reader.uint8('type');
    const entry = readEntry(tracker, reader.sub('entry', readLength(reader, 'entry')));
    found.push({ entry, start, end: reader.offset });
  }
  return found;
}

function readEntry(tracker: number, reader: Reader): TrackEntry {
  if (tracker > TRACKER.TRANSACTION_STATE) return { type: 'unknown', tracker };
  const entry = readKnown(tracker, reader);
  reader.end();
  return entry;
}

function readKnown(tracker: number, reader: Reader): TrackEntry {
  switch (tracker) {
    case TRACKER.SYSTEM_VARIABLES:
      return { type: 'system-variable', name: text(reader, 'variable'), value: text(reader, 'value') };
    case TRACKER.SCHEMA:
      return { type: 'schema', name: text(reader, 'schema') };
    case TRACKER.STATE_CHANGE:
      // The one entry without a length of its own: the flag is all there is.
      return { type: 'state-change', value: reader.rest().toString('utf8') };
    case TRACKER.GTIDS:
      reader.skip('encoding', 1);
      return { type: 'gtids', value: text(reader, 'gtids') };
    case TRACKER.TRANSACTION_CHARACTERISTICS:
      return { type: 'transaction-characteristics', statements: text(reader, 'characteristics') };
    default:
      return { type: 'transaction-state', state: text(reader, 'transaction state') };
  }
}

function text(reader: Reader, field: string): string {
  return readLenencBytes(reader, field).toString('utf8');
}

function isRedirect(entry: TrackEntry): boolean {
  return entry.type === 'system-variable' && entry.name.toLowerCase() === REDIRECT_VARIABLE;
}

function encodeEntry(entry: Exclude<TrackEntry, { readonly type: 'unknown' }>): [number, Buffer] {
  const strings = (...texts: string[]): Buffer => {
    const writer = new Writer();
    for (const one of texts) writeLenencBytes(writer, Buffer.from(one));
    return writer.finish();
  };
  switch (entry.type) {
    case 'system-variable':
      return [TRACKER.SYSTEM_VARIABLES, strings(entry.name, entry.value)];
    case 'schema':
      return [TRACKER.SCHEMA, strings(entry.name)];
    case 'state-change':
      return [TRACKER.STATE_CHANGE, Buffer.from(entry.value)];
    case 'gtids':
      return [TRACKER.GTIDS, Buffer.concat([Buffer.alloc(1), strings(entry.value)])];
    case 'transaction-characteristics':
      return [TRACKER.TRANSACTION_CHARACTERISTICS, strings(entry.statements)];
    default:
      return [TRACKER.TRANSACTION_STATE, strings(entry.state)];
  }
}
