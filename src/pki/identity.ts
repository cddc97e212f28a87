import { LimitError, LoginError } from '../errors.ts';
import type {
  DatabaseProtocol,
  HostIdentity,
  HostRole,
  Identity,
  Route,
  Traits,
  UserIdentity,
} from '../resource/identity.ts';

/**
 * Who somebody is, as bytes inside a certificate: one private, non-critical extension whose value is a DER UTF8String holding compact JSON of version 1.
 * Decoding is strict: an unknown version or key, a wrong type, a repeated key or any other spelling than the encoder's own is refused.
 */

/**
 * The extension's object identifier. 2.25.<UUID> (X.667) needs an arc of 128 bits, which the X.509 library's encoder silently cuts off, so the UUID
 * 898c19fc-f9ba-4df0-8dc2-4e105e8377e3 stands in seven small arcs under Microsoft's arc for self-assigned UUIDs.
 */
export const IDENTITY_OID = '1.2.840.113556.1.8000.2554.35212.6652.63930.19952.36290.5115998.8615907';

/** maxIdentityBytes: the JSON in one certificate, encoded or decoded. */
export const MAX_IDENTITY_BYTES = 16 * 1024;

/** What the extension says. */
export type CertifiedIdentity = { readonly clusterName: string; readonly identity: Identity };

/** The extension's value (a DER UTF8String). Throws LimitError `PKI_IDENTITY_TOO_LARGE` beyond `maxIdentityBytes`. */
export function encodeIdentity(certified: CertifiedIdentity): Buffer {
  const json = Buffer.from(toJson(certified), 'utf8');
  if (json.length > MAX_IDENTITY_BYTES) {
    throw new LimitError(
      'PKI_IDENTITY_TOO_LARGE',
      `identity of ${json.length} bytes exceeds maxIdentityBytes ${MAX_IDENTITY_BYTES}: give the person fewer or shorter roles and traits`,
    );
  }
  return Buffer.concat([derHeader(json.length), json]);
}

/** Reads what `encodeIdentity` wrote. Throws LoginError `CERT_IDENTITY_MALFORMED`. The result shares no memory with `value` and is frozen. */
export function decodeIdentity(value: Uint8Array): CertifiedIdentity {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const json = unwrapUtf8String(bytes);
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json));
  } catch {
    throw malformed('expected JSON in UTF-8');
  }
  const certified = fromDocument(document);
  // One spelling only: this also catches repeated keys, which JSON.parse hides.
  if (!Buffer.from(toJson(certified), 'utf8').equals(json))
    throw malformed('expected the canonical spelling, got another');
  return certified;
}

function toJson({ clusterName, identity }: CertifiedIdentity): string {
  if (identity.kind === 'host') {
    const { hostId, hostName, role } = identity;
    return JSON.stringify({ v: 1, cluster: clusterName, kind: 'host', host_id: hostId, host_name: hostName, role });
  }
  const { route } = identity;
  return JSON.stringify({
    v: 1,
    cluster: clusterName,
    kind: 'user',
    user: identity.user,
    user_kind: identity.userKind,
    roles: identity.roles,
    traits: identity.traits,
    route: route && {
      service: route.service,
      protocol: route.protocol,
      user: route.databaseUser,
      name: route.databaseName,
    },
    mfa: identity.mfa,
    session_mfa: identity.sessionMfa,
    pinned_address: identity.pinnedAddress,
    login_address: identity.loginAddress,
    previous_expires: identity.previousExpiresMs,
  });
}

function fromDocument(document: unknown): CertifiedIdentity {
  const fields = record(document, 'identity');
  if (fields['v'] !== 1) throw malformed('expected version 1');
  const kind = fields['kind'];
  if (kind === 'host') return freeze({ clusterName: text(fields, 'cluster'), identity: hostFrom(fields) });
  if (kind === 'user') return freeze({ clusterName: text(fields, 'cluster'), identity: userFrom(fields) });
  throw malformed('expected kind "user" or "host"');
}

function hostFrom(fields: Fields): HostIdentity {
  onlyKeys(fields, HOST_KEYS);
  const hostId = text(fields, 'host_id');
  if (!UUID.test(hostId)) throw malformed('expected host_id to be a UUID in lower case');
  return freeze({ kind: 'host', hostId, hostName: text(fields, 'host_name'), role: oneOf(fields, 'role', HOST_ROLES) });
}

function userFrom(fields: Fields): UserIdentity {
  onlyKeys(fields, USER_KEYS);
  return freeze({
    kind: 'user',
    user: text(fields, 'user'),
    userKind: oneOf(fields, 'user_kind', USER_KINDS),
    roles: texts(fields['roles'], 'roles'),
    traits: traitsFrom(fields['traits']),
    ...(fields['route'] !== undefined && { route: routeFrom(fields['route']) }),
    ...(fields['mfa'] !== undefined && { mfa: oneOf(fields, 'mfa', MFA_KINDS) }),
    ...(fields['session_mfa'] !== undefined && { sessionMfa: sessionMfaFrom(fields) }),
    ...(fields['pinned_address'] !== undefined && { pinnedAddress: text(fields, 'pinned_address') }),
    ...(fields['login_address'] !== undefined && { loginAddress: text(fields, 'login_address') }),
    ...(fields['previous_expires'] !== undefined && { previousExpiresMs: time(fields, 'previous_expires') }),
  });
}

/** Shown for one route, so without one it says nothing. */
function sessionMfaFrom(fields: Fields): NonNullable<UserIdentity['sessionMfa']> {
  if (fields['route'] === undefined) throw malformed('expected session_mfa with a route only');
  return oneOf(fields, 'session_mfa', MFA_KINDS);
}

function routeFrom(value: unknown): Route {
  const fields = record(value, 'route');
  onlyKeys(fields, ROUTE_KEYS);
  return freeze({
    service: text(fields, 'service'),
    protocol: oneOf(fields, 'protocol', PROTOCOLS),
    ...(fields['user'] !== undefined && { databaseUser: text(fields, 'user') }),
    ...(fields['name'] !== undefined && { databaseName: text(fields, 'name') }),
  });
}

function traitsFrom(value: unknown): Traits {
  const fields = record(value, 'traits');
  // fromEntries defines own properties, so a trait named __proto__ is only a trait.
  return freeze(Object.fromEntries(Object.entries(fields).map(([name, values]) => [name, texts(values, 'traits')])));
}

type Fields = { readonly [key: string]: unknown };

function record(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed(`expected ${what} to be an object`);
  return value as Fields;
}

function onlyKeys(fields: Fields, known: ReadonlySet<string>): void {
  for (const key of Object.keys(fields)) if (!known.has(key)) throw malformed('got a key that version 1 does not have');
}

function text(fields: Fields, key: string): string {
  const value = fields[key];
  if (typeof value !== 'string' || value === '' || !value.isWellFormed())
    throw malformed(`expected ${key} to be a text that is not empty`);
  return value;
}

function texts(value: unknown, what: string): readonly string[] {
  if (!Array.isArray(value)) throw malformed(`expected ${what} to be a list of texts`);
  for (const entry of value)
    if (typeof entry !== 'string' || !entry.isWellFormed()) throw malformed(`expected ${what} to be a list of texts`);
  return freeze([...(value as readonly string[])]);
}

function oneOf<T extends string>(fields: Fields, key: string, known: readonly T[]): T {
  const found = known.find((one) => one === fields[key]);
  if (found === undefined) throw malformed(`expected ${key} to be one of ${known.join(', ')}`);
  return found;
}

function time(fields: Fields, key: string): number {
  const value = fields[key];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw malformed(`expected ${key} to be milliseconds since 1970`);
  return value;
}

function malformed(text: string): LoginError {
  return new LoginError('CERT_IDENTITY_MALFORMED', `certificate identity: ${text}`);
}

function freeze<T>(value: T): Readonly<T> {
  return Object.freeze(value);
}

/** X.690 8.1.3: short form below 128, else the fewest length bytes. */
function derHeader(length: number): Buffer {
  if (length < 0x80) return Buffer.from([UTF8_STRING, length]);
  if (length < 0x100) return Buffer.from([UTF8_STRING, 0x81, length]);
  return Buffer.from([UTF8_STRING, 0x82, length >> 8, length & 0xff]);
}

function unwrapUtf8String(bytes: Buffer): Buffer {
  if (bytes.length > MAX_IDENTITY_BYTES + MAX_HEADER_BYTES) {
    throw malformed(`expected at most maxIdentityBytes ${MAX_IDENTITY_BYTES}, got ${bytes.length} bytes`);
  }
  for (let header = 2; header <= MAX_HEADER_BYTES && header <= bytes.length; header++) {
    const length = bytes.length - header;
    const want = derHeader(length);
    if (want.length === header && bytes.subarray(0, header).equals(want)) return bytes.subarray(header);
  }
  throw malformed('expected one DER UTF8String');
}

const UTF8_STRING = 0x0c;
const MAX_HEADER_BYTES = 4;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HOST_KEYS: ReadonlySet<string> = new Set(['v', 'cluster', 'kind', 'host_id', 'host_name', 'role']);
const USER_KEYS: ReadonlySet<string> = new Set([
  'v',
  'cluster',
  'kind',
  'user',
  'user_kind',
  'roles',
  'traits',
  'route',
  'mfa',
  'session_mfa',
  'pinned_address',
  'login_address',
  'previous_expires',
]);
const ROUTE_KEYS: ReadonlySet<string> = new Set(['service', 'protocol', 'user', 'name']);
const HOST_ROLES = ['auth', 'proxy', 'database', 'admin'] as const satisfies readonly HostRole[];
const USER_KINDS = ['local', 'sso'] as const satisfies readonly UserIdentity['userKind'][];
const MFA_KINDS = ['otp', 'webauthn'] as const satisfies readonly UserIdentity['mfa'][];
const PROTOCOLS = ['postgres', 'mysql', 'mongodb', 'redis', 'sqlserver'] as const satisfies readonly DatabaseProtocol[];
