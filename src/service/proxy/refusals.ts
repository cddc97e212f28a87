import { hash } from 'node:crypto';
import { type AuditEvent, auditEvent } from '../../audit/event.ts';
import type { Refusal } from '../../engine/engine.ts';
import type { DatabaseProtocol, Identity } from '../../resource/identity.ts';
import { type RefusalTrail } from '../refusal-trail.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { AdmissionFault, RoutedCertificate } from './admission.ts';
import { type ClientAddress, formatAddress, limitKey } from './client-address.ts';

export type ProxyRefusalsOptions = {
  readonly trail: Pick<RefusalTrail, 'record'>;
  /** Whose certificate it is if the cluster issued it, valid now or not. */
  readonly holderOf: (der: Buffer) => Identity | undefined;
  readonly clock: Clock;
};

/** One who was not let in, at the database's or the tunnel's door. */
export type Unproven = {
  readonly listener: 'database' | 'tunnel';
  readonly protocol?: DatabaseProtocol;
  /** A code of ours. */
  readonly code: string;
  readonly message: string;
  /** As presented; undefined: none, or it was not seen. */
  readonly certificateDer: Buffer | undefined;
};

/**
 * What the proxy writes into the audit log: those whom it refuses before an agent is troubled. People are named only by certificates of the cluster whose key the client proved to
 * hold; what a foreign certificate says of itself is not repeated, only its fingerprint.
 */
export class ProxyRefusals {
  readonly #options: ProxyRefusalsOptions;
  /** Clients refused over TLS to when their second attempt, in clear, belongs to the first. */
  readonly #retries = new Map<string, number>();

  constructor(options: ProxyRefusalsOptions) {
    this.#options = options;
  }

  /** Could not prove who they are. */
  unproven(client: ClientAddress, unproven: Unproven): void {
    if (unproven.listener === 'database') this.#expectRetry(client, unproven.protocol);
    this.#record(client, unproven.code, () => this.#unprovenEvent(client, unproven));
  }

  /** A client of a database that did not ask for TLS. PostgreSQL's clients (`sslmode=prefer`) do so right after a refusal over TLS: that is told once. */
  plaintext(client: ClientAddress, protocol: DatabaseProtocol, refusal: Refusal): void {
    const { message } = refusal;
    if (this.#isRetry(client, protocol)) return;
    this.#record(client, 'NO_TLS', () =>
      this.#unprovenEvent(client, {
        listener: 'database',
        protocol,
        code: 'NO_TLS',
        message,
        certificateDer: undefined,
      }),
    );
  }

  /** A person who is known, with the reason why no session came to be: a lock, an address, no database, no agent. */
  denied(
    client: ClientAddress,
    certificate: RoutedCertificate,
    refusal: Refusal,
    more: { readonly sessionId?: string; readonly error?: Error } = {},
  ): void {
    const { user, userKind, roles, route } = certificate.identity;
    this.#expectRetry(client, route.protocol);
    this.#record(client, refusal.reason, () =>
      auditEvent('TDB00W', {
        success: false,
        error: more.error?.message ?? refusal.message,
        message: refusal.message,
        reason: refusal.reason,
        ...(more.sessionId === undefined ? {} : { sid: more.sessionId }),
        user,
        user_kind: userKind,
        user_roles: roles,
        db_service: route.service,
        db_protocol: route.protocol,
        ...(route.databaseUser === undefined ? {} : { db_user: route.databaseUser }),
        ...(route.databaseName === undefined ? {} : { db_name: route.databaseName }),
        'addr.remote': formatAddress(client),
      }),
    );
  }

  /** By what the admission found. */
  notAdmitted(
    client: ClientAddress,
    refusal: Refusal,
    fault: AdmissionFault,
    of: { readonly protocol: DatabaseProtocol; readonly certificateDer: Buffer | undefined },
  ): void {
    if (fault.type === 'denied') this.denied(client, fault.certificate, refusal);
    else this.unproven(client, { listener: 'database', code: fault.code, message: fault.message, ...of });
  }

  #unprovenEvent(client: ClientAddress, { listener, protocol, code, message, certificateDer }: Unproven): AuditEvent {
    const holder = certificateDer === undefined ? undefined : this.#options.holderOf(certificateDer);
    return auditEvent('T3007W', {
      success: false,
      error: message,
      reason: code,
      listener,
      ...(protocol === undefined ? {} : { db_protocol: protocol }),
      ...(certificateDer === undefined ? {} : { fingerprint: hash('sha256', certificateDer, 'hex') }),
      ...(holder === undefined ? {} : subjectOf(holder)),
      'addr.remote': formatAddress(client),
    });
  }

  #record(client: ClientAddress, reason: string, event: () => AuditEvent): void {
    this.#options.trail.record(limitKey(client.ip), reason, event);
  }

  #isRetry(client: ClientAddress, protocol: DatabaseProtocol): boolean {
    if (!retriesInClear(protocol)) return false;
    const key = limitKey(client.ip);
    const untilMs = this.#retries.get(key);
    this.#retries.delete(key);
    return untilMs !== undefined && this.#options.clock.monotonic() < untilMs;
  }

  /** `protocol` undefined: the handshake failed, so it is not known. */
  #expectRetry(client: ClientAddress, protocol: DatabaseProtocol | undefined): void {
    if (protocol !== undefined && !retriesInClear(protocol)) return;
    const key = limitKey(client.ip);
    // Written anew so that the oldest stands first.
    this.#retries.delete(key);
    if (this.#retries.size >= MAX_EXPECTED_RETRIES) {
      const [oldest = ''] = this.#retries.keys();
      this.#retries.delete(oldest);
    }
    this.#retries.set(key, this.#options.clock.monotonic() + RETRY_WITHIN_MS);
  }
}

/** PostgreSQL's clients do; those of MySQL end at the first refusal. */
function retriesInClear(protocol: DatabaseProtocol): boolean {
  return protocol === 'postgres';
}

function subjectOf(holder: Identity) {
  if (holder.kind === 'host') return { host_id: holder.hostId };
  const { user, userKind, roles, route } = holder;
  return {
    user,
    user_kind: userKind,
    user_roles: roles,
    ...(route === undefined ? {} : { db_service: route.service }),
  };
}

/** libpq connects again at once. */
const RETRY_WITHIN_MS = 5000;
/** About a megabyte. Forgotten ones cost a second event, no more. */
const MAX_EXPECTED_RETRIES = 10_000;
