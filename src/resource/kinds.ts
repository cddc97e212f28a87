import type { z } from 'zod';
import type { Kind, Resource, ResourceOf } from './resource.ts';
import { githubSchema, oidcSchema, samlSchema } from './schema/connector.ts';
import { databaseSchema } from './schema/database.ts';
import {
  authorityTypes,
  authoritySchema,
  authPreferenceSchema,
  databaseServerSchema,
  lockSchema,
  proxyServerSchema,
  tokenSchema,
} from './schema/others.ts';
import { roleSchema } from './schema/role.ts';
import { userSchema } from './schema/user.ts';

/** What the programs know about a kind beside its schema. */
export type KindInfo = {
  /** Words that mean the kind on a command line: the kind itself, its plural, short forms. */
  readonly aliases: readonly string[];
  /** Written by people (`tessera create`); the others are made by the services. */
  readonly editable: boolean;
  /** The version that new resources of the kind have. */
  readonly version: string;
  /** The only names there can be. */
  readonly names?: readonly string[];
};

/** Every kind, complete by type. */
export const kinds: { readonly [K in Kind]: KindInfo } = {
  role: { aliases: ['role', 'roles'], editable: true, version: 'v8' },
  user: { aliases: ['user', 'users'], editable: true, version: 'v2' },
  db: { aliases: ['db', 'dbs', 'database', 'databases'], editable: true, version: 'v3' },
  token: { aliases: ['token', 'tokens'], editable: true, version: 'v2' },
  lock: { aliases: ['lock', 'locks'], editable: true, version: 'v2' },
  cluster_auth_preference: {
    aliases: ['cluster_auth_preference', 'cluster_authentication_preferences', 'cap'],
    editable: true,
    version: 'v2',
    names: ['cluster-auth-preference'],
  },
  oidc: { aliases: ['oidc', 'oidc_connector', 'oidc_connectors'], editable: true, version: 'v3' },
  saml: { aliases: ['saml', 'saml_connector', 'saml_connectors'], editable: true, version: 'v2' },
  github: { aliases: ['github', 'github_connector', 'github_connectors'], editable: true, version: 'v3' },
  db_server: { aliases: ['db_server', 'db_servers'], editable: false, version: 'v3' },
  proxy_server: { aliases: ['proxy_server', 'proxy_servers', 'proxy', 'proxies'], editable: false, version: 'v2' },
  authority: {
    aliases: ['authority', 'authorities', 'cert_authority', 'cas', 'ca'],
    editable: false,
    version: 'v2',
    names: authorityTypes,
  },
};

/** The kind that a word on a command line means, in any case; undefined when none. */
export function kindOf(word: string): Kind | undefined {
  const lower = word.toLowerCase();
  return kindNames.find((kind) => kinds[kind].aliases.includes(lower));
}

export const kindNames = Object.keys(kinds) as Kind[];

/** The schema of every kind: text shapes in, typed resources out. */
export const schemas: { readonly [K in Kind]: z.ZodType<ResourceOf<K>, unknown> } = {
  role: roleSchema,
  user: userSchema,
  db: databaseSchema,
  token: tokenSchema,
  lock: lockSchema,
  cluster_auth_preference: authPreferenceSchema,
  oidc: oidcSchema,
  saml: samlSchema,
  github: githubSchema,
  db_server: databaseServerSchema,
  proxy_server: proxyServerSchema,
  authority: authoritySchema,
} as unknown as { readonly [K in Kind]: z.ZodType<Extract<Resource, { kind: K }>, unknown> };
