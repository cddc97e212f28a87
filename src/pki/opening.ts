import type { KeyObject } from 'node:crypto';
import { LoginError, ProtocolError } from '../errors.ts';
import type { DatabaseProtocol, HostIdentity, Route, UserIdentity, VerifiedCertificate } from '../resource/identity.ts';
import { openEnvelope, signEnvelope } from './signed-envelope.ts';
import {
  checkFreshness,
  DEFAULT_MAX_AGE_MS,
  DEFAULT_MAX_SKEW_MS,
  isHostPort,
  isTime,
  parseStatement,
} from './statement.ts';
import type { TrustedAuthorities } from './trust.ts';
import { verifyUserCertificate } from './verify.ts';

/**
 * The session opening: a proxy's signed word to one agent that a person's client is here now, with the certificate that the client showed. The agent, and after it
 * the Auth Service, verify the person's certificate themselves, so a proxy can open sessions only for people whose certificates it has seen.
 *
 *     body: u16 length, JSON {sid, t, proto, addr, agent, greet?} | client certificate DER
 */

/** maxOpeningBytes: a tunnel stream's opening header of 16 KiB without what stands before it there, which is at most 16 bytes. */
export const MAX_OPENING_BYTES = 16 * 1024 - 16;

/** What the proxy says. */
export type SessionOpening = {
  /** UUID in lower case, chosen by the proxy. */
  readonly sessionId: string;
  /** When it was signed, milliseconds since 1970. */
  readonly timeMs: number;
  readonly protocol: DatabaseProtocol;
  /** `1.2.3.4:5` or `[::1]:5`, as the proxy saw the client. */
  readonly clientAddress: string;
  /** The one agent that it is for. */
  readonly agentHostId: string;
  /** Exactly as the client presented it. */
  readonly clientCertificateDer: Buffer;
  /** What the proxy told the client in clear before TLS, byte for byte, where the server speaks first: 1 to 512 bytes, for `mysql` alone. */
  readonly greeting?: Buffer;
};

/** A verified opening. */
export type VerifiedOpening = {
  readonly opening: SessionOpening;
  /** The person; always with a route whose protocol is the opening's. That the route names a database of the agent's is for the caller to check. */
  readonly client: VerifiedCertificate<UserIdentity & { readonly route: Route }>;
  readonly proxy: VerifiedCertificate<HostIdentity>;
};

export type VerifyOpeningOptions = {
  readonly hostAuthorities: TrustedAuthorities;
  readonly userAuthorities: TrustedAuthorities;
  readonly nowMs: number;
  /** The agent that received it (at Auth and at a proxy: the caller's host id). `otherThan`: any agent but this one, for an opening that another agent shows here. */
  readonly agentHostId: string | { readonly otherThan: string };
  /** Default 60,000. */
  readonly maxAgeMs?: number;
  /** How far the proxy's clock may be ahead; default 30,000. */
  readonly maxSkewMs?: number;
};

/** Signs an opening with the proxy's host key. Throws LimitError `PKI_ENVELOPE_TOO_LARGE` beyond `maxOpeningBytes`. */
export function signOpening(opening: SessionOpening, proxyKey: KeyObject, proxyCertificateDer: Uint8Array): Buffer {
  const { sessionId, timeMs, protocol, clientAddress, agentHostId, clientCertificateDer, greeting } = opening;
  const json = Buffer.from(
    JSON.stringify({
      sid: sessionId,
      t: timeMs,
      proto: protocol,
      addr: clientAddress,
      agent: agentHostId,
      ...(greeting === undefined ? {} : { greet: greeting.toString('base64') }),
    }),
    'utf8',
  );
  const length = Buffer.allocUnsafe(2);
  length.writeUInt16BE(json.length);
  const body = Buffer.concat([length, json, clientCertificateDer]);
  return signEnvelope(
    'tessera session opening v1',
    body,
    { key: proxyKey, certificateDer: proxyCertificateDer },
    MAX_OPENING_BYTES,
  );
}

/**
 * Checks everything: form, proxy (role, certificate, signature), freshness, the agent it is for, and the person's certificate with its route. The result shares no memory with
 * `bytes`. Throws ProtocolError `OPENING_MALFORMED` or `ENVELOPE_MALFORMED`, LoginError `OPENING_STALE`, `OPENING_FROM_FUTURE`, `OPENING_WRONG_AGENT`,
 * `OPENING_NO_ROUTE`, `OPENING_WRONG_PROTOCOL`, `ENVELOPE_BAD_SIGNATURE`, or a `CertificateFault`.
 */
export function verifyOpening(bytes: Uint8Array, options: VerifyOpeningOptions): VerifiedOpening {
  const { hostAuthorities, userAuthorities, nowMs } = options;
  const { body, proxy } = openEnvelope('tessera session opening v1', bytes, {
    hostAuthorities,
    nowMs,
    maxBytes: MAX_OPENING_BYTES,
  });
  const opening = parseOpening(body);
  checkFreshness('OPENING', opening.timeMs, {
    nowMs,
    maxAgeMs: options.maxAgeMs ?? DEFAULT_MAX_AGE_MS,
    maxSkewMs: options.maxSkewMs ?? DEFAULT_MAX_SKEW_MS,
  });
  checkAgent(opening.agentHostId, options.agentHostId);
  const client = verifyUserCertificate(opening.clientCertificateDer, { authorities: userAuthorities, nowMs });
  if (!hasRoute(client))
    throw new LoginError(
      'OPENING_NO_ROUTE',
      'session opening: expected a certificate for one database, got one without a route',
    );
  if (client.identity.route.protocol !== opening.protocol) {
    throw new LoginError(
      'OPENING_WRONG_PROTOCOL',
      `session opening: expected protocol ${client.identity.route.protocol} of the route, got ${opening.protocol}`,
    );
  }
  return { opening, client, proxy };
}

function checkAgent(said: string, expected: VerifyOpeningOptions['agentHostId']): void {
  if (typeof expected === 'string') {
    if (said !== expected) throw new LoginError('OPENING_WRONG_AGENT', 'session opening: it is for another agent');
  } else if (said === expected.otherThan) {
    throw new LoginError('OPENING_WRONG_AGENT', 'session opening: it is for this agent, expected one for another');
  }
}

function parseOpening(body: Buffer): SessionOpening {
  if (body.length < 2) throw malformed('expected a length and a statement');
  const end = 2 + body.readUInt16BE(0);
  if (end >= body.length || end > MAX_STATEMENT_BYTES)
    throw malformed('its statement is too long, or no certificate follows');
  const { sid, t, proto, addr, agent, greet } = parseStatement(
    body.subarray(2, end),
    ['sid', 't', 'proto', 'addr', 'agent'],
    'OPENING_MALFORMED',
    ['greet'],
  );
  const protocol = PROTOCOLS.find((one) => one === proto);
  if (!isUuid(sid) || !isUuid(agent)) throw malformed('expected sid and agent to be UUIDs in lower case');
  if (!isTime(t) || protocol === undefined || !isHostPort(addr))
    throw malformed('expected a time, a protocol and an address');
  return {
    sessionId: sid,
    timeMs: t,
    protocol,
    clientAddress: addr,
    agentHostId: agent,
    clientCertificateDer: Buffer.from(body.subarray(end)),
    ...(greet === undefined ? {} : { greeting: greetingOf(greet, protocol) }),
  };
}

/** One spelling only, so that the same bytes are never two statements. */
function greetingOf(text: unknown, protocol: DatabaseProtocol): Buffer {
  if (protocol !== 'mysql') throw malformed(`a greeting is for a server that speaks first, not for ${protocol}`);
  const bytes = typeof text === 'string' && text.length <= MAX_GREETING_TEXT ? Buffer.from(text, 'base64') : undefined;
  if (
    bytes === undefined ||
    bytes.length === 0 ||
    bytes.length > MAX_GREETING_BYTES ||
    bytes.toString('base64') !== text
  )
    throw malformed(`expected greet to be base64 of 1 to ${MAX_GREETING_BYTES} bytes`);
  return bytes;
}

function hasRoute(client: VerifiedCertificate<UserIdentity>): client is VerifiedOpening['client'] {
  return client.identity.route !== undefined;
}

function isUuid(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value);
}

function malformed(text: string): ProtocolError {
  return new ProtocolError('OPENING_MALFORMED', `session opening: ${text}`);
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const MAX_STATEMENT_BYTES = 1024;
const MAX_GREETING_BYTES = 512;
const MAX_GREETING_TEXT = 4 * Math.ceil(MAX_GREETING_BYTES / 3);
const PROTOCOLS = ['postgres', 'mysql', 'mongodb', 'redis', 'sqlserver'] as const satisfies readonly DatabaseProtocol[];
