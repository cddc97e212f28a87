import { z } from 'zod';
import { formatDuration } from '../resource/duration.ts';
import {
  adminUser,
  databaseName,
  isUriRight,
  mysqlOptions,
  protocols,
  serverName,
  tlsMode,
  uriRule,
} from '../resource/schema/database.ts';
import { duration, flag, labelMatcher, labels, optional, text } from '../resource/schema/fields.ts';
import { absolutePath, address, auditUri, caPin, count, network, oneOrMore, size } from './fields.ts';

/**
 * `tessera.yaml` key by key: types, bounds. Defaults are in defaults.ts, what keys mean together is in parse.ts, so that a section that is
 * left out costs no line here.
 */

/** It is told to strangers and compared by drivers, which read the number it begins with. */
const mysqlServerVersion = z.string().regex(/^(?=.{1,64}$)[0-9]{1,3}\.[0-9]{1,3}[\x21-\x7e]*$/, {
  error: 'expected a version such as 8.0.36 or 11.8.3-MariaDB: at most 64 printable ASCII characters without spaces',
});

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

const tunnel = z.strictObject({
  max_streams: optional(count(1, 1_000_000)),
  // Streams begin with 256 KiB: part of the protocol.
  max_stream_window_bytes: optional(size(256 * KiB, 256 * MiB)),
  keep_alive_interval: optional(between(100, 3_600_000)),
  keep_alive_timeout: optional(between(200, 7_200_000)),
});

const tessera = z.strictObject({
  nodename: optional(
    z.string().regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/, { error: 'expected a host name' }),
  ),
  data_dir: optional(absolutePath),
  diag_addr: optional(address('listen')),
  pid_file: optional(absolutePath),
  log: optional(
    z.strictObject({
      level: optional(z.enum(['trace', 'debug', 'info', 'warn', 'error'])),
      format: optional(z.enum(['text', 'json'])),
    }),
  ),
  proxy_server: optional(oneOrMore(address('dial'))),
  auth_server: optional(address('dial')),
  join_token: optional(z.string().min(1).max(512)),
  join_token_file: optional(absolutePath),
  ca_pin: optional(oneOrMore(caPin)),
  shutdown_timeout: optional(between(0, 30 * 3_600_000)),
});

const auth = z.strictObject({
  enabled: flag,
  cluster_name: optional(
    z.string().regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,46}[A-Za-z0-9])?$/, {
      // Certificates of the cluster's authorities have room for 48 (MAX_CLUSTER_NAME_LENGTH of pki/names.ts).
      error: 'expected a name of letters, digits, dots and dashes, at most 48 characters',
    }),
  ),
  listen_addr: optional(address('listen')),
  public_addr: optional(oneOrMore(address('dial'))),
  audit_events_uri: optional(oneOrMore(auditUri)),
  ca_key_file: optional(absolutePath),
  limits: optional(
    z.strictObject({
      max_connections: optional(count(1, 1_000_000)),
      max_connections_per_client: optional(count(1, 1_000_000)),
      handshake_timeout: optional(between(100, 600_000)),
      anonymous_rate_per_minute: optional(count(1, 1_000_000)),
      anonymous_burst: optional(count(1, 1_000_000)),
      max_password_hashes: optional(count(1, 1024)),
      max_signatures: optional(count(1, 1024)),
      max_watches: optional(count(1, 1_000_000)),
      max_watch_history: optional(count(16, 10_000_000)),
      max_request_bytes: optional(size(64 * KiB, 256 * MiB)),
      max_audit_batch_bytes: optional(size(64 * KiB, GiB)),
      max_search_results: optional(count(1, 100_000)),
      max_web_sessions_per_user: optional(count(1, 1000)),
      max_client_logins: optional(count(1, 100_000)),
      max_client_logins_per_client: optional(count(1, 100_000)),
      client_refusal_events_per_minute: optional(count(1, 1_000_000)),
      refusal_events_per_minute: optional(count(1, 1_000_000)),
    }),
  ),
});

const proxy = z.strictObject({
  enabled: flag,
  listen_addr: optional(address('listen')),
  public_addr: optional(oneOrMore(address('dial'))),
  mysql_listen_addr: optional(address('listen')),
  mysql_public_addr: optional(oneOrMore(address('dial'))),
  mysql_server_version: optional(mysqlServerVersion),
  https_keypairs: optional(z.array(z.strictObject({ key_file: absolutePath, cert_file: absolutePath })).max(100)),
  web: optional(flag),
  proxy_protocol: optional(
    z.union([
      z.literal(['off', false]).transform(() => undefined),
      z.strictObject({ trusted_sources: z.array(network).min(1).max(1000) }),
    ]),
  ),
  limits: optional(
    z.strictObject({
      max_connections: optional(count(1, 1_000_000)),
      max_connections_per_client: optional(count(1, 1_000_000)),
      handshake_timeout: optional(between(100, 600_000)),
      max_client_hello_bytes: optional(size(2 * KiB, 16 * MiB)),
      max_startup_bytes: optional(size(KiB, 16 * MiB)),
      cancel_rate_per_minute: optional(count(1, 1_000_000)),
      kill_rate_per_minute: optional(count(1, 1_000_000)),
      max_tunnels: optional(count(1, 1_000_000)),
      agent_accept_timeout: optional(between(100, 600_000)),
      max_replay_bytes: optional(size(KiB, 16 * MiB)),
      lock_grace: optional(between(0, 600_000)),
      auth_joins_per_minute: optional(count(1, 1_000_000)),
      client_refusal_events_per_minute: optional(count(1, 1_000_000)),
      refusal_events_per_minute: optional(count(1, 1_000_000)),
      max_journal_bytes: optional(size(MiB, 64 * GiB)),
      max_web_streams: optional(count(1, 10_000)),
      max_web_calls: optional(count(1, 1_000_000)),
      max_web_calls_per_client: optional(count(1, 1_000_000)),
      max_web_calls_per_session: optional(count(1, 1_000_000)),
      max_web_request_bytes: optional(size(KiB, 64 * MiB)),
      max_web_anonymous_request_bytes: optional(size(KiB, 64 * MiB)),
      max_web_buffered_bytes: optional(size(MiB, 64 * GiB)),
      max_web_answer_bytes: optional(size(64 * KiB, GiB)),
      web_call_timeout: optional(between(100, 3_600_000)),
      web_stall_timeout: optional(between(100, 3_600_000)),
      web_idle_timeout: optional(between(100, 3_600_000)),
      web_callbacks_per_minute: optional(count(1, 1_000_000)),
      max_saml_answer_bytes: optional(size(KiB, 64 * MiB)),
    }),
  ),
  tunnel: optional(tunnel),
});

const database = z
  .strictObject({
    name: databaseName,
    description: optional(text),
    protocol: z.enum(protocols),
    uri: z.string().min(1).max(2048),
    tls: optional(
      z.strictObject({
        mode: optional(tlsMode),
        server_name: optional(serverName),
        ca_cert_file: optional(absolutePath),
        trust_system_cert_pool: optional(flag),
      }),
    ),
    password_file: optional(absolutePath),
    static_labels: optional(labels),
    mysql: optional(mysqlOptions),
    admin_user: optional(adminUser),
  })
  .refine(isUriRight, uriRule);

const databaseService = z.strictObject({
  enabled: flag,
  databases: optional(z.array(database).max(10_000)),
  resources: optional(z.array(z.strictObject({ labels: labelMatcher })).max(1000)),
  password_dir: optional(absolutePath),
  journal: optional(
    z.strictObject({
      max_bytes: optional(size(MiB, 1024 * GiB)),
      sync: optional(z.enum(['interval', 'always'])),
      sync_interval: optional(between(1, 60_000)),
      full_wait: optional(between(0, 3_600_000)),
    }),
  ),
  limits: optional(
    z.strictObject({
      max_sessions: optional(count(1, 1_000_000)),
      max_startup_bytes: optional(size(KiB, 16 * MiB)),
      max_audited_statement_bytes: optional(size(KiB, 64 * MiB)),
      max_audited_values_bytes: optional(size(KiB, 64 * MiB)),
      max_prepared_statements: optional(count(1, 1_000_000)),
      max_pipelined_statements: optional(count(1, 1_000_000)),
      connect_timeout: optional(between(100, 600_000)),
      kill_rate_per_minute: optional(count(1, 1_000_000)),
      client_refusal_events_per_minute: optional(count(1, 1_000_000)),
      refusal_events_per_minute: optional(count(1, 1_000_000)),
    }),
  ),
  tunnel: optional(tunnel),
  health_check: optional(
    z.strictObject({ interval: optional(between(1000, 86_400_000)), timeout: optional(between(100, 600_000)) }),
  ),
  max_lock_age: optional(between(1000, 86_400_000)),
});

/** The whole file. */
export const fileSchema = z.strictObject({
  version: z.literal('v1'),
  tessera: optional(tessera),
  auth_service: optional(auth),
  proxy_service: optional(proxy),
  db_service: optional(databaseService),
});

export type ConfigFile = z.output<typeof fileSchema>;

/** A duration within bounds (milliseconds). */
function between(least: number, most: number) {
  return duration.refine((ms) => ms >= least && ms <= most, {
    error: `expected a duration between ${formatDuration(least)} and ${formatDuration(most)}`,
  });
}
