import { z } from 'zod';
import { flag, keptKeys, kept, listOf, nameOf, optional, text, time } from './fields.ts';
import { compact, envelope, metadataOf } from './metadata.ts';

const traitName = z
  .string()
  .min(1)
  .max(256)
  .refine((name) => !/[\u0000-\u001f\u007f]/.test(name), { error: 'expected a trait name without control characters' });

/** Trait names are free; every value is a list, a single string is a list of one, null an empty one. */
export const traits = z.record(traitName, listOf(z.string().max(1024)));

const roleNames = listOf(nameOf('role name')).pipe(z.array(z.string()).max(100));

export const userSchema = z
  .strictObject({
    kind: z.literal('user'),
    version: z.literal('v2'),
    metadata: metadataOf(nameOf('user name')),
    spec: z.strictObject({
      roles: optional(roleNames),
      traits: optional(traits),
      created_by: optional(
        z
          .object({
            user: z.union([z.string(), z.object({ name: z.string() })]).optional(),
            time: optional(time),
            connector: optional(
              z.object({ type: z.enum(['oidc', 'saml', 'github']), id: z.string(), identity: z.string() }),
            ),
          })
          .transform(({ user: by, time: at, connector }) => {
            const user = typeof by === 'string' ? by : by?.name;
            return user === undefined || at === undefined ? undefined : compact({ user, time: at, connector });
          }),
      ),
      status: optional(
        z
          .strictObject({
            is_locked: optional(flag),
            lock_expires: optional(time),
            locked_message: optional(text),
            ...keptKeys(['locked_time', 'recovery_attempt_lock_expires', 'mfa_weakest_device', 'password_state']),
          })
          .transform((status) =>
            compact({
              is_locked: status.is_locked ?? false,
              lock_expires: status.lock_expires,
              locked_message: status.locked_message,
            }),
          ),
      ),
      expires: optional(time),
      local_auth: kept,
      ...keptKeys(['github_identities', 'oidc_identities', 'saml_identities', 'trusted_device_ids']),
    }),
    ...envelope,
  })
  .transform(({ kind, version, metadata, spec }) => ({
    kind,
    version,
    metadata: compact({ ...metadata, expires: metadata.expires ?? spec.expires }),
    spec: compact({
      roles: spec.roles ?? [],
      traits: spec.traits ?? {},
      created_by: spec.created_by,
      status: spec.status,
    }),
  }));
