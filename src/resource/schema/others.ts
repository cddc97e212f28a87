import { z } from 'zod';
import { databaseSchema } from './database.ts';
import { duration, flag, hostPort, keptKeys, listOf, nameLimit, nameOf, optional, text, time } from './fields.ts';
import { compact, envelope, metadataOf } from './metadata.ts';
import { noHardwareKey } from './role.ts';

/** The smaller kinds. */

/** Short tokens can be guessed. */
const minTokenLength = 16;

const tokenName = nameOf('token', /^[A-Za-z0-9_.=+-]+$/, '_ . = + -').refine(
  (value) => value.length >= minTokenLength,
  {
    error: `a token needs at least ${minTokenLength} characters (minTokenLength): leave it to "tessera tokens add" to make one`,
  },
);

const tokenRole = z.preprocess(
  (value) => (typeof value === 'string' ? value.charAt(0).toUpperCase() + value.slice(1).toLowerCase() : value),
  z.enum(['Db', 'Proxy']),
);

export const tokenSchema = z
  .strictObject({
    kind: z.literal('token'),
    version: z.literal('v2'),
    metadata: metadataOf(tokenName),
    spec: z
      .strictObject({
        roles: listOf(tokenRole).pipe(z.array(z.enum(['Db', 'Proxy'])).min(1)),
        join_method: optional(z.literal('token')),
        uses_left: optional(z.int().min(1)),
        ...keptKeys(['suggested_labels', 'suggested_agent_matcher_labels']),
      })
      .transform(({ join_method: method, ...rest }) => compact({ ...rest, join_method: method ?? ('token' as const) })),
    ...envelope,
  })
  .transform(({ kind, version, metadata, spec }) => ({ kind, version, metadata, spec }));

const targetName = z.string().min(1).max(256);
const notEnforced = z.unknown().refine((value) => value === undefined || value === null || value === '', {
  error:
    'Tessera can not enforce a lock by this: expected user, role, db_service, server_id, access_request, certificate or session_id',
});

const lockTarget = z
  .strictObject({
    user: optional(targetName),
    role: optional(targetName),
    db_service: optional(targetName),
    server_id: optional(targetName),
    access_request: optional(targetName),
    certificate: optional(
      z.string().regex(/^[0-9a-f]{64}$/, {
        error: 'expected the SHA-256 of a certificate as 64 lower-case hexadecimal digits',
      }),
    ),
    session_id: optional(z.uuid({ error: 'expected the id of a session (a UUID)' })),
    login: notEnforced,
    node: notEnforced,
    mfa_device: notEnforced,
    windows_desktop: notEnforced,
    device: notEnforced,
    bot_instance_id: notEnforced,
    join_token: notEnforced,
  })
  .partial()
  .transform(({ user, role, db_service, server_id, access_request, certificate, session_id }) =>
    compact({ user, role, db_service, server_id, access_request, certificate, session_id }),
  )
  .refine((target) => Object.keys(target).length > 0, {
    error: 'expected at least one of user, role, db_service, server_id, access_request, certificate, session_id',
  });

export const lockSchema = z
  .strictObject({
    kind: z.literal('lock'),
    version: z.literal('v2'),
    metadata: metadataOf(),
    spec: z
      .strictObject({
        target: lockTarget,
        message: optional(text),
        expires: optional(time),
        ...keptKeys(['created_at', 'created_by']),
      })
      .transform(compact),
    ...envelope,
  })
  .transform(({ kind, version, metadata, spec }) => ({ kind, version, metadata, spec }));

const positive = duration.refine((ms) => ms > 0, { error: 'expected more than 0' });
/** WebAuthn level 3, section 5.1.2: a domain, never an address. */
const rpId = z
  .string()
  .max(253)
  .regex(/^(?!-)[a-z0-9-]+(?:\.[a-z0-9-]+)*$/, { error: 'expected a domain in lower case, as access.example.com' })
  .refine((domain) => !/(?:^|\.)\d+$/.test(domain), { error: 'expected a domain, not an IP address' });
const factor = z.enum(['otp', 'webauthn']);

export const authPreferenceSchema = z
  .strictObject({
    kind: z.literal('cluster_auth_preference'),
    version: z.literal('v2'),
    metadata: optional(metadataOf(z.literal('cluster-auth-preference'))),
    spec: z
      .strictObject({
        type: optional(z.enum(['local', 'oidc', 'saml', 'github'])),
        second_factors: optional(listOf(factor).pipe(z.array(factor).min(1))),
        second_factor: optional(z.enum(['otp', 'webauthn', 'on'])),
        locking_mode: optional(z.enum(['strict', 'best_effort'])),
        require_session_mfa: optional(noHardwareKey(flag)),
        disconnect_expired_cert: optional(flag),
        message_of_the_day: optional(text),
        default_session_ttl: optional(positive),
        connector_name: optional(nameOf('connector name')),
        allow_local_auth: optional(flag),
        allow_passwordless: optional(flag),
        webauthn: optional(
          z.strictObject({ rp_id: rpId, ...keptKeys(['attestation_allowed_cas', 'attestation_denied_cas']) }),
        ),
        session_mfa_ttl: optional(positive),
        web_idle_timeout: optional(positive),
        ...keptKeys([
          'u2f',
          'allow_headless',
          'allow_cli_auth_via_browser',
          'device_trust',
          'hardware_key',
          'idp',
          'okta',
          'signature_algorithm_suite',
          'stable_unix_user_config',
        ]),
      })
      .transform(({ second_factor: older, ...spec }) =>
        compact({
          ...spec,
          type: spec.type ?? ('local' as const),
          second_factors:
            spec.second_factors ?? (older === 'on' ? (['otp', 'webauthn'] as const) : [older ?? ('otp' as const)]),
          locking_mode: spec.locking_mode ?? ('best_effort' as const),
          require_session_mfa: spec.require_session_mfa ?? false,
          default_session_ttl: spec.default_session_ttl ?? 12 * 3_600_000,
          allow_local_auth: spec.allow_local_auth ?? true,
          allow_passwordless: spec.allow_passwordless ?? true,
          session_mfa_ttl: spec.session_mfa_ttl ?? 5 * 60_000,
          web_idle_timeout: spec.web_idle_timeout ?? 3_600_000,
        }),
      ),
    ...envelope,
  })
  .transform(({ kind, version, metadata, spec }) => ({
    kind,
    version,
    metadata: metadata ?? { name: 'cluster-auth-preference' },
    spec,
  }));

const hostId = z.string().min(1).max(128);

export const databaseServerSchema = z
  .strictObject({
    kind: z.literal('db_server'),
    version: z.literal('v3'),
    // Two names: a database may have as long a name as any.
    metadata: metadataOf(
      nameOf(
        'name "<host id>/<database>"',
        /^[A-Za-z0-9-]+\/[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/,
        '. _ -',
        2 * nameLimit + 1,
      ),
    ),
    spec: z
      .strictObject({
        host_id: hostId,
        host_name: z.string().max(253),
        database: databaseSchema,
        origin: z.enum(['config', 'dynamic', 'cloud']),
        health: z
          .strictObject({
            status: z.enum(['healthy', 'unhealthy', 'unknown']),
            message: optional(text),
            since: optional(time),
          })
          .transform(compact),
        server_version: optional(z.string().max(128).pipe(text)),
      })
      .transform(compact),
  })
  .transform(({ kind, version, metadata, spec }) => ({ kind, version, metadata, spec }));

export const proxyServerSchema = z.strictObject({
  kind: z.literal('proxy_server'),
  version: z.literal('v2'),
  metadata: metadataOf(),
  spec: z
    .strictObject({
      host_id: hostId,
      host_name: z.string().max(253),
      public_addr: hostPort,
      mysql_public_addr: optional(hostPort),
      draining: optional(flag),
    })
    .transform(compact),
});

export const authorityTypes = ['user', 'host', 'db', 'db-client'] as const;

export const authoritySchema = z
  .strictObject({
    kind: z.literal('authority'),
    version: z.literal('v2'),
    metadata: metadataOf(z.enum(authorityTypes)),
    spec: z.strictObject({ type: z.enum(authorityTypes), certificates: z.array(z.string().max(64 * 1024)).max(16) }),
  })
  .refine((authority) => authority.metadata.name === authority.spec.type, {
    error: 'expected metadata.name to be the type',
    path: ['metadata', 'name'],
  });
