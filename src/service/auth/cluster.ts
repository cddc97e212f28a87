import type {
  ExportAuthorityRequest,
  PingRequest,
  SignDatabaseServerRequest,
  StatusRequest,
} from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { auditEvent } from '../../audit/event.ts';
import { ConfigError } from '../../errors.ts';
import { AUTHORITY_TYPES } from '../../pki/authority.ts';
import { issueCertificate } from '../../pki/issue.ts';
import { databaseServerProfile } from '../../pki/profiles.ts';
import { parseAuthorityType } from '../../rpc/convert.ts';
import { actorOf } from './caller.ts';
import { emit } from './context.ts';
import type { Call } from './gate.ts';
import { listServices } from './presence.ts';

/** What the cluster says about itself, and certificates for database servers. */

const DEFAULT_DATABASE_SERVER_TTL_MS = 90 * 24 * 3_600_000;

export async function ping(_request: PingRequest, { context }: Call) {
  return {
    clusterName: context.clusterName,
    version: context.version,
    hostAuthorities: [...context.authorities.certificates('host')],
    caPins: [...context.authorities.hostPins()],
  };
}

export async function status(_request: StatusRequest, { context }: Call) {
  const services = await listServices(context);
  return {
    clusterName: context.clusterName,
    version: context.version,
    caPins: [...context.authorities.hostPins()],
    authorities: AUTHORITY_TYPES.flatMap((type) =>
      context.authorities.all(type).map((authority) => ({
        type,
        algorithm: 'ECDSA P-256',
        expires: new Date(authority.notAfterMs).toISOString(),
        pin: authority.pin,
      })),
    ),
    services: services.map((service) => ({
      hostId: service.host_id,
      hostName: service.host_name,
      role: service.role,
      lastHeartbeat: service.last_heartbeat,
      auditBacklogBytes: BigInt(service.audit_backlog_bytes),
      auditLagMilliseconds: BigInt(service.audit_lag_milliseconds),
      databases: service.databases,
      publicAddr: service.public_addr,
      mysqlPublicAddr: service.mysql_public_addr,
      version: service.version,
    })),
  };
}

export async function exportAuthority(request: ExportAuthorityRequest, { context }: Call) {
  const type = parseAuthorityType(request.type);
  if (type === undefined)
    throw new ConfigError([
      `type: expected one of ${AUTHORITY_TYPES.join(', ')}, got ${JSON.stringify(request.type.slice(0, 32))}`,
    ]);
  return { certificates: [...context.authorities.certificates(type)] };
}

export async function signDatabaseServer(request: SignDatabaseServerRequest, { caller, context }: Call) {
  const ttlMs = request.ttlSeconds === 0 ? DEFAULT_DATABASE_SERVER_TTL_MS : request.ttlSeconds * 1000;
  const profile = databaseServerProfile(request.hosts);
  const issued = await context.signatures.run(() =>
    issueCertificate(context.authorities.signing('db'), profile, {
      publicKeyDer: request.publicKey,
      ttlMs,
      nowMs: context.clock.now(),
    }),
  );
  context.instruments.certificatesIssued.of({ type: profile.name }).value += 1;
  const expires = new Date(issued.notAfterMs).toISOString();
  await emit(
    context,
    auditEvent('TC000I', {
      cert_type: 'db',
      identity: { hosts: request.hosts, expires },
      fingerprint: issued.fingerprint,
      serial: issued.serial,
      ...actorOf(caller),
    }),
  );
  return { certificate: issued.pem, clientAuthorities: [...context.authorities.certificates('db-client')], expires };
}
