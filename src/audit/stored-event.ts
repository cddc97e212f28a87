import { BugError, ProtocolError } from '../errors.ts';
import type { HostRole } from '../resource/identity.ts';
import { type EventSpec, eventSpec, type FieldType } from './event.ts';

/** An event as stores keep it: the line, and what it is found by. */
export type StoredEvent = {
  /** JSON without the newline. */
  readonly line: string;
  readonly uid: string;
  readonly timeMs: number;
  /** `2026-03-11`, UTC, of the event's own time. */
  readonly day: string;
  readonly event: string;
  readonly code: string;
  readonly user?: string;
  readonly database?: string;
  /** `sid`. */
  readonly session?: string;
  /** Every text in it, for search by words. */
  readonly text: string;
};

/** Who sent a line and what is therefore allowed to stand in it. */
export type LineContext = {
  readonly clusterName: string;
  readonly hostId: string;
  readonly role: HostRole;
  readonly nowMs: number;
  /** Events older than this many milliseconds are refused: their day is closed. Default 400 days. */
  readonly maxAgeMs: number;
  /** How far a sender's clock may be ahead. Default 24 hours. */
  readonly maxAheadMs: number;
};

/**
 * Checks one line from outside completely: JSON object, a known code with its own name, a kind that this role may write, the sender's own server_id, our
 * cluster, a time that can be, every known field of its type. Unknown further fields are kept (a newer agent may have them). The line is written anew from
 * what was read, so that two readers can not see two things in it. Throws ProtocolError `AUDIT_EVENT_INVALID`; the message has no field values.
 */
export function checkLine(line: string, context: LineContext): StoredEvent {
  const fields = parseObject(line);
  const spec = checkKind(fields, context.role);
  if (fields['server_id'] !== context.hostId) throw invalid("server_id is not the sender's");
  if (fields['cluster_name'] !== context.clusterName) throw invalid("cluster_name is not this cluster's");
  checkTypes(fields, spec);
  const stored = describe(fields);
  if (stored.timeMs > context.nowMs + context.maxAheadMs) throw invalid('time is in the future');
  if (stored.timeMs < context.nowMs - context.maxAgeMs) throw invalid('time is too long ago');
  return stored;
}

/** Reads a line that a store already holds; undefined when it is not an event (damage). */
export function readStoredLine(line: string): StoredEvent | undefined {
  try {
    return { ...describe(parseObject(line)), line };
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

function parseObject(line: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    throw invalid('line is not JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw invalid('line is not a JSON object');
  return parsed as Record<string, unknown>;
}

function checkKind(fields: Record<string, unknown>, role: HostRole): EventSpec {
  const { code, event } = fields;
  const spec = typeof code === 'string' ? eventSpec(code) : undefined;
  if (spec === undefined) throw invalid('code is not known');
  if (spec.event !== event) throw invalid('event does not belong to its code');
  if (!spec.writers.some((writer) => writer === role))
    throw invalid(`${spec.event} may not be written by role ${role}`);
  return spec;
}

function checkTypes(fields: Record<string, unknown>, spec: EventSpec): void {
  let checks = checksOf.get(spec);
  if (checks === undefined) {
    checks = Object.entries({ ...COMMON_TYPES, ...spec.fields }).map(([name, type]) => fieldCheck(name, type));
    checksOf.set(spec, checks);
  }
  for (const { name, type, optional, ok } of checks) {
    const value = fields[name];
    if (value === undefined ? !optional : !ok(value)) {
      throw invalid(value === undefined ? `${name} is missing` : `${name} is not of type ${type}`);
    }
  }
}

function fieldCheck(name: string, type: FieldType): FieldCheck {
  const ok = CHECKS[type.endsWith('?') ? type.slice(0, -1) : type];
  if (ok === undefined) throw new BugError(`audit: field ${name} has the unknown type ${type}`);
  return { name, type, optional: type.endsWith('?'), ok };
}

function describe(fields: Record<string, unknown>): StoredEvent {
  const { uid, time, event, code, user, db_service: database, sid: session } = fields;
  if (typeof uid !== 'string' || !UID.test(uid)) throw invalid('uid is not a lower-case UUID');
  if (typeof time !== 'string' || !TIME.test(time)) throw invalid('time is not RFC 3339 in UTC with milliseconds');
  if (typeof event !== 'string' || typeof code !== 'string') throw invalid('event or code is missing');
  const timeMs = Date.parse(time);
  if (Number.isNaN(timeMs)) throw invalid('time does not exist');
  return {
    line: JSON.stringify(fields),
    uid,
    timeMs,
    day: time.slice(0, 10),
    event,
    code,
    ...(typeof user === 'string' ? { user } : {}),
    ...(typeof database === 'string' ? { database } : {}),
    ...(typeof session === 'string' ? { session } : {}),
    // Only the index and a follower's filter ask for it.
    get text() {
      return words(fields);
    },
  };
}

function words(fields: Record<string, unknown>): string {
  let text = '';
  for (const name in fields) {
    if (NOT_SEARCHED.has(name)) continue;
    const value = fields[name];
    if (typeof value === 'string') text += `${value}\n`;
    else if (typeof value === 'object') text += nested(value, 0);
  }
  return text;
}

function nested(value: unknown, depth: number): string {
  if (typeof value === 'string' || typeof value === 'number') return `${value}\n`;
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return '';
  let text = '';
  for (const inner of Object.values(value)) text += nested(inner, depth + 1);
  return text;
}

function invalid(what: string): ProtocolError {
  return new ProtocolError('AUDIT_EVENT_INVALID', `audit event: ${what}`);
}

type FieldCheck = {
  readonly name: string;
  readonly type: FieldType;
  readonly optional: boolean;
  readonly ok: (value: unknown) => boolean;
};

/** Made once per kind of event: this runs for every line. */
const checksOf = new Map<EventSpec, readonly FieldCheck[]>();
const CHECKS: Readonly<Record<string, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string',
  int: (value) => Number.isSafeInteger(value),
  number: (value) => typeof value === 'number',
  bool: (value) => typeof value === 'boolean',
  time: (value) => typeof value === 'string' && value.length <= 40 && !Number.isNaN(Date.parse(value)),
  texts: (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  json: () => true,
};
const COMMON_TYPES: Readonly<Record<string, FieldType>> = {
  ei: 'int', sid: 'text?', user: 'text?', user_kind: 'text?', user_roles: 'texts?', db_service: 'text?', db_protocol: 'text?', db_uri: 'text?',
  db_name: 'text?', db_user: 'text?', db_type: 'text?', db_origin: 'text?', 'addr.remote': 'text?', success: 'bool?', error: 'text?', message: 'text?',
}; // prettier-ignore
const NOT_SEARCHED: ReadonlySet<string> = new Set(['event', 'code', 'time', 'uid', 'cluster_name', 'server_id']);
const UID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;
const MAX_DEPTH = 6;
