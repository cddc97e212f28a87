import { z } from 'zod';
import { flag, keptKeys, nameOf, optional, splitHostPort } from './fields.ts';
import { compact, envelope, metadataOf } from './metadata.ts';

export const protocols = ['postgres', 'mysql', 'mongodb', 'redis', 'sqlserver'] as const;

/** Also the name of a service file entry, of a folder and of a TLS route: letters, digits, `. _ -`, beginning and ending with a letter or digit. */
export const databaseName = nameOf('database name', /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/, '. _ -');

export const tlsMode = z.enum(['verify-full', 'verify-ca', 'insecure']);
export const serverName = z.string().min(1).max(253);

const pem = z
  .string()
  .max(256 * 1024)
  .refine((value) => value.includes('-----BEGIN CERTIFICATE-----'), {
    error: 'expected one or more certificates in PEM',
  });

/** MongoDB and Redis also take their own URI forms; nothing takes a user or password in it. */
function isDatabaseUri(protocol: string, uri: string): boolean {
  if (splitHostPort(uri) !== undefined) return splitHostPort(uri)?.port !== 0;
  const schemes = protocol === 'mongodb' ? 'mongodb|mongodb\\+srv' : protocol === 'redis' ? 'redis|rediss' : undefined;
  return (
    schemes !== undefined &&
    new RegExp(`^(?:${schemes})://[A-Za-z0-9.:,\\[\\]_-]+(?:/[^@\\s]*)?(?:\\?[^@\\s]*)?$`).test(uri)
  );
}

/** Says the problem beside every other one of the entry: a plain refinement would wait until they are gone. */
export const uriRule = {
  path: ['uri'],
  error: ({ input }: { readonly input?: unknown }): string => {
    const { protocol = '', uri = '' } = input as { readonly protocol?: string; readonly uri?: string };
    return uriProblem(protocol, uri);
  },
  when: ({ value }: { readonly value: unknown }): boolean => typeof value === 'object' && value !== null,
};

export const adminUser = z
  .strictObject({ name: z.string().min(1).max(256), default_database: optional(z.string().min(1).max(256)) })
  .transform(compact);
export const mysqlOptions = z.strictObject({ server_version: optional(z.string().min(1).max(64)) }).transform(compact);

export const databaseSchema = z
  .strictObject({
    kind: z.literal('db'),
    version: z.literal('v3'),
    metadata: metadataOf(databaseName),
    spec: z
      .strictObject({
        protocol: z.enum(protocols),
        uri: z.string().min(1).max(2048),
        tls: optional(
          z.strictObject({
            mode: optional(tlsMode),
            server_name: optional(serverName),
            ca_cert: optional(pem),
            trust_system_cert_pool: optional(flag),
          }),
        ),
        ca_cert: optional(pem),
        password_file: optional(z.string().min(1).max(4096)),
        admin_user: optional(adminUser),
        mysql: optional(mysqlOptions),
        dynamic_labels: optional(
          z
            .unknown()
            .refine((value) => typeof value === 'object' && value !== null && Object.keys(value).length === 0, {
              error:
                'labels from commands are not supported: a rule that denies by such a label would not hold; use metadata.labels',
            }),
        ),
        ...keptKeys(['aws', 'gcp', 'azure', 'ad', 'oracle', 'mongo_atlas']),
      })
      .refine(isUriRight, uriRule)
      .transform(({ ca_cert: older, dynamic_labels: _none, tls, ...rest }) =>
        compact({
          ...rest,
          tls: compact({ ...tls, mode: tls?.mode ?? ('verify-full' as const), ca_cert: tls?.ca_cert ?? older }),
        }),
      ),
    ...envelope,
  })
  .transform(({ kind, version, metadata, spec }) => ({ kind, version, metadata, spec }));

/** For `refine` of an entry with `protocol` and `uri`; a `uri` that is not there is another rule's problem. */
export function isUriRight({ protocol, uri }: { readonly protocol: string; readonly uri: string }): boolean {
  return typeof uri !== 'string' || uri === '' || isDatabaseUri(protocol, uri);
}

/** What to say when `isDatabaseUri` refuses. Never repeats the text: it may hold a password. */
function uriProblem(protocol: string, uri: string): string {
  if (uri.includes('@')) return 'a uri must not name a user or a password: expected host:port';
  return `expected host:port such as db.internal:5432${uri.includes('://') && protocol !== 'mongodb' && protocol !== 'redis' ? ' without a scheme' : ''}`;
}
