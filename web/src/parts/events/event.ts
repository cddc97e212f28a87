/** One audit event as the pages use it. Every text in it comes from outside: it is shown as text, never as HTML, and through visible.ts. */
export type AuditEvent = {
  /** The JSON document as the server sent it. */
  readonly line: string;
  readonly uid: string;
  readonly event: string;
  readonly code: string;
  /** RFC 3339, as written. */
  readonly time: string;
  /** Milliseconds since 1970; 0 when the time can not be read. */
  readonly timeMs: number;
  /** Number within the session. */
  readonly index: number;
  readonly user: string;
  readonly session: string;
  /** Name of the `db` resource. */
  readonly database: string;
  /** Something was denied, failed or was cut off: codes that end in W or E. */
  readonly refused: boolean;
  readonly fields: Readonly<Record<string, unknown>>;
};

/** Reads a line of the log. What is no JSON object becomes an event that says so, so that nothing disappears from a list. */
export function parseEvent(line: string): AuditEvent {
  const fields = objectOf(line);
  const code = textAt(fields, 'code');
  const time = textAt(fields, 'time');
  const timeMs = Date.parse(time);
  return {
    line,
    uid: textAt(fields, 'uid') || line.slice(0, 200),
    event: textAt(fields, 'event') || 'unreadable',
    code,
    time,
    timeMs: Number.isFinite(timeMs) ? timeMs : 0,
    index: numberAt(fields, 'ei') ?? 0,
    user: textAt(fields, 'user'),
    session: textAt(fields, 'sid'),
    database: textAt(fields, 'db_service'),
    refused: /[WE]$/.test(code),
    fields,
  };
}

/** The text of a field; numbers and flags as text; empty when it is missing or is no such value. Own fields alone. */
export function textAt(fields: unknown, key: string): string {
  const value = valueAt(fields, key);
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** A finite number. */
export function numberAt(fields: unknown, key: string): number | undefined {
  const value = valueAt(fields, key);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** The texts of a list; empty when it is none. */
export function listAt(fields: unknown, key: string): readonly string[] {
  const value = valueAt(fields, key);
  return Array.isArray(value)
    ? value.map((entry) => (typeof entry === 'string' ? entry : (JSON.stringify(entry) ?? '')))
    : [];
}

/** A field of an object; undefined for anything else. Never reaches into the prototype. */
export function valueAt(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
}

/** The statement that an event is about; undefined when it is about none. An empty text is a statement too. */
export function statementOf(event: AuditEvent): string | undefined {
  for (const key of ['db_query', 'query']) {
    const text = valueAt(event.fields, key);
    if (typeof text === 'string') return text;
  }
  return undefined;
}

/** Bound values in order, as text; undefined when the event has none. */
export function boundValues(event: AuditEvent): readonly string[] | undefined {
  for (const key of ['db_query_parameters', 'parameters', 'function_args']) {
    const values = valueAt(event.fields, key);
    if (Array.isArray(values)) return values.map(printValue);
  }
  return undefined;
}

function printValue(value: unknown): string {
  if (value === null) return 'NULL';
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function objectOf(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}
