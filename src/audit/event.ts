import { EVENTS } from './events.table.ts';

/**
 * The shapes of audit events. The format is a public promise (docs/reference/events.md, generated from events.table.ts): names and codes are those
 * that existing dashboards know. One event is one JSON object on one line.
 */

/** The stable code of an event, e.g. `TDB02I`. The last letter: I told, W denied or warned, E failed. */
export type EventCode = keyof typeof EVENTS;

/** Its own fields, by code. */
export type FieldsOf<C extends EventCode> = ShapeOf<(typeof EVENTS)[C]['fields']>;

/** One row of the table. */
export type EventSpec = {
  readonly event: string;
  /** One sentence for the reference page. */
  readonly says: string;
  /** Which services may write it: what Auth checks at ingest. */
  readonly writers: readonly EventWriter[];
  readonly fields: { readonly [name: string]: FieldType };
};
export type EventWriter = 'auth' | 'proxy' | 'database';
export type FieldType = BaseType | `${BaseType}?`;

/** Set by whoever opens the session, the same in all its events; serialised once. */
export type SessionConstants = {
  readonly cluster_name: string;
  /** Host id of the service that writes; Auth refuses any other than the sender's. */
  readonly server_id: string;
  readonly server_version?: string;
  readonly sid: string;
  readonly user: string;
  readonly user_kind: 'local' | 'sso';
  readonly user_roles: readonly string[];
  readonly db_service: string;
  readonly db_protocol: string;
  readonly db_uri?: string;
  readonly db_name?: string;
  readonly db_user?: string;
  readonly db_roles?: readonly string[];
  readonly db_type?: string;
  readonly db_origin?: string;
  readonly db_labels?: Readonly<Record<string, string>>;
  readonly 'addr.remote'?: string;
  readonly with_mfa?: string;
};

/** Fields that any event outside a session may carry beside its own. */
export type CommonFields = {
  /** Who did it. */
  readonly user?: string | undefined;
  readonly user_kind?: 'local' | 'sso' | 'system' | undefined;
  readonly user_roles?: readonly string[] | undefined;
  readonly success?: boolean | undefined;
  readonly error?: string | undefined;
  readonly message?: string | undefined;
  readonly with_mfa?: string | undefined;
  readonly sid?: string | undefined;
  readonly db_service?: string | undefined;
  readonly db_protocol?: string | undefined;
  readonly db_name?: string | undefined;
  readonly db_user?: string | undefined;
  readonly 'addr.remote'?: string | undefined;
};

/** An event outside a session, not yet stamped: `time`, `uid`, `cluster_name` and `server_id` are added by who writes it. */
export type AuditEvent = {
  readonly event: string;
  readonly code: EventCode;
  readonly fields: Readonly<Record<string, unknown>>;
};

/** An event of the table with its fields checked by the compiler. */
export function auditEvent<C extends EventCode>(code: C, fields: FieldsOf<C> & CommonFields): AuditEvent {
  return { event: EVENTS[code].event, code, fields };
}

/** The row of a code that came from outside; undefined when there is none. */
export function eventSpec(code: string): EventSpec | undefined {
  return Object.hasOwn(EVENTS, code) ? EVENTS[code as EventCode] : undefined;
}

/** Milliseconds since 1970 as events write time: `2026-03-11T21:42:38.485Z`. Remembers the last one. */
export class IsoClock {
  #ms = Number.NaN;
  #text = '';

  at(ms: number): string {
    if (ms === this.#ms) return this.#text;
    this.#ms = ms;
    this.#text = new Date(ms).toISOString();
    return this.#text;
  }
}

type BaseType = 'text' | 'int' | 'number' | 'bool' | 'time' | 'texts' | 'json';
type ValueOf<T extends FieldType> = T extends `${infer B extends BaseType}?`
  ? ValueOf<B> | undefined
  : T extends keyof Values
    ? Values[T]
    : never;
type Values = {
  text: string;
  int: number;
  number: number;
  bool: boolean;
  time: string;
  texts: readonly string[];
  json: unknown;
};
type Fields = { readonly [name: string]: FieldType };
type Required<F extends Fields> = { [K in keyof F]: F[K] extends `${string}?` ? never : K }[keyof F];
type ShapeOf<F extends Fields> = { readonly [K in Required<F>]: ValueOf<F[K]> } & {
  readonly [K in Exclude<keyof F, Required<F>>]?: ValueOf<F[K]>;
};
