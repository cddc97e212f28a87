import { z } from 'zod';
import { parseLabelExpression } from '../expression.ts';
import { parsePredicate } from '../predicate.ts';
import { duration, flag, keptKeys, labelMatcher, listOf, matchEntry, optional } from './fields.ts';
import { compact, envelope, metadataOf } from './metadata.ts';

/** Keys of `allow` and `deny` that are for other things than databases: kept, not acted upon. Listed in docs/reference/roles.md. */
export const keptConditions = [
  'logins',
  'namespaces',
  'node_labels',
  'node_labels_expression',
  'kubernetes_groups',
  'kubernetes_users',
  'kubernetes_labels',
  'kubernetes_labels_expression',
  'kubernetes_resources',
  'app_labels',
  'app_labels_expression',
  'cluster_labels',
  'cluster_labels_expression',
  'group_labels',
  'group_labels_expression',
  'windows_desktop_labels',
  'windows_desktop_labels_expression',
  'windows_desktop_logins',
  'linux_desktop_labels',
  'linux_desktop_labels_expression',
  'linux_desktop_logins',
  'desktop_groups',
  'host_groups',
  'host_sudoers',
  'aws_role_arns',
  'azure_identities',
  'gcp_service_accounts',
  'db_service_labels',
  'db_service_labels_expression',
  'db_permissions',
  'request',
  'review_requests',
  'impersonate',
  'require_session_join',
  'join_sessions',
  'spiffe',
  'workload_identity_labels',
  'workload_identity_labels_expression',
  'github_permissions',
  'account_assignments',
  'mcp',
  'bot_instance_labels',
  'bot_instance_labels_expression',
] as const;

/** Keys of `options` that are for other things than databases, or that Tessera always does: kept, not acted upon. */
export const keptOptions = [
  'forward_agent',
  'port_forwarding',
  'ssh_port_forwarding',
  'ssh_file_copy',
  'permit_x11_forwarding',
  'cert_format',
  'cert_extensions',
  'enhanced_recording',
  'record_session',
  'desktop_clipboard',
  'desktop_directory_sharing',
  'create_desktop_user',
  'create_host_user',
  'create_host_user_mode',
  'create_host_user_default_shell',
  'create_db_user',
  'create_db_user_mode',
  'max_kubernetes_connections',
  'max_sessions',
  'request_access',
  'request_prompt',
  'request_mode',
  'idp',
  'mfa_verification_interval',
] as const;

const rule = z.strictObject({
  resources: listOf(z.string().min(1).max(64)),
  verbs: listOf(z.enum(['list', 'create', 'read', 'readnosecrets', 'update', 'delete', 'rotate', 'use', '*'])),
  where: optional(
    z.string().superRefine((value, context) => addProblem(value === '' ? undefined : parsePredicate(value), context)),
  ),
  ...keptKeys(['actions']),
});

const conditions = z
  .strictObject({
    db_labels: optional(labelMatcher),
    db_labels_expression: optional(
      z
        .string()
        .superRefine((value, context) => addProblem(value === '' ? undefined : parseLabelExpression(value), context)),
    ),
    db_users: optional(listOf(matchEntry)),
    db_names: optional(listOf(matchEntry)),
    db_roles: optional(listOf(matchEntry)),
    rules: optional(z.array(rule).max(1000)),
    db_replication: optional(listOf(z.enum(['logical', '*']))),
    db_local_infile: optional(flag),
    ...keptKeys(keptConditions),
  })
  .transform(({ db_labels_expression: expression, ...rest }) =>
    compact({ ...rest, db_labels_expression: expression === '' ? undefined : expression }),
  );

/** 0 and `never` mean: no limit. */
const limitDuration = z
  .preprocess((value) => (value === 'never' ? '0' : value), duration)
  .transform((ms) => (ms === 0 ? undefined : ms));

const options = z
  .strictObject({
    max_session_ttl: optional(limitDuration),
    client_idle_timeout: optional(limitDuration),
    disconnect_expired_cert: optional(flag),
    require_session_mfa: optional(noHardwareKey(flag)),
    require_mfa_type: optional(noHardwareKey(flag)),
    max_connections: optional(
      z
        .int()
        .min(0)
        .transform((count) => (count === 0 ? undefined : count)),
    ),
    pin_source_ip: optional(flag),
    lock: optional(z.enum(['strict', 'best_effort', '']).transform((mode) => (mode === '' ? undefined : mode))),
    device_trust_mode: optional(
      z.string().refine((mode) => ['', 'off', 'optional'].includes(mode), {
        error: 'device trust is not supported: a role that demands it would be weaker than it looks; remove the key',
      }),
    ),
    ...keptKeys(keptOptions),
  })
  .transform(({ require_mfa_type: older, require_session_mfa: mfa, ...rest }) =>
    compact({ ...rest, require_session_mfa: mfa ?? older }),
  );

export const roleSchema = z
  .strictObject({
    kind: z.literal('role'),
    version: z.enum(['v3', 'v4', 'v5', 'v6', 'v7', 'v8']),
    metadata: metadataOf(),
    spec: z.strictObject({ options: optional(options), allow: optional(conditions), deny: optional(conditions) }),
    ...envelope,
  })
  .transform(({ kind, version, metadata, spec: { options: chosen = {}, allow = {}, deny = {} } }) => {
    // Version 3 opened every database by default; from 4 on a role that names no label reaches nothing.
    const labels = version === 'v3' && allow.db_labels === undefined ? { db_labels: { '*': ['*'] } } : {};
    return { kind, version, metadata, spec: { options: chosen, allow: { ...allow, ...labels }, deny } };
  });

/** `hardware_key...` demands more than Tessera can check. */
export function noHardwareKey<T extends z.ZodType>(inner: T): z.ZodPreprocess<T> {
  return z.preprocess((value, context) => {
    if (typeof value !== 'string' || !value.startsWith('hardware_key')) return value;
    context.addIssue({ code: 'custom', message: 'hardware keys are not supported: expected true or false' });
    return z.NEVER;
  }, inner);
}

function addProblem(parsed: object | undefined, context: z.core.$RefinementCtx): void {
  if (parsed !== undefined && 'problem' in parsed)
    context.addIssue({ code: 'custom', message: String(parsed.problem) });
}
