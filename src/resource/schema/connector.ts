import { z } from 'zod';
import { compilePattern } from '../pattern.ts';
import { duration, flag, kept, keptKeys, listOf, nameOf, optional, text } from './fields.ts';
import { compact, envelope, metadataOf } from './metadata.ts';

/** Connectors: how people sign in at a provider. */

// `$1` and `${1}` stand for what a group or a `*` of the value stood for; Auth checks that there is such a group (sso/mapping.ts).
const roles = listOf(
  nameOf('role name', /^(?:[A-Za-z0-9_@+]|\$\d|\$\{\d\})(?:[A-Za-z0-9_.@+:=-]|\$\d|\$\{\d\})*$/),
).pipe(z.array(z.string()).min(1).max(100));
const match = z
  .string()
  .max(1024)
  .superRefine((value, context) => {
    const { kind, problem } = compilePattern(value);
    if (kind === 'invalid') context.addIssue({ code: 'custom', message: problem ?? 'not a regular expression' });
  });
const secret = z.string().min(1).max(4096);
const httpsUrl = z
  .string()
  .max(2048)
  .refine((value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol), {
    error: 'expected a URL such as https://id.example.com',
  });
const clientRedirect = optional(
  z.strictObject({
    allowed_https_hostnames: listOf(z.string().max(253)),
    ...keptKeys(['insecure_allowed_cidr_ranges']),
  }),
);
const githubName = z
  .string()
  .max(256)
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?$/, { error: 'expected a name as in https://github.com/<name>' });
const githubTeam = z
  .string()
  .max(256)
  .regex(/^(?:\*|[A-Za-z0-9][A-Za-z0-9_.-]*)$/, {
    error: "expected a team's short name as in https://github.com/orgs/<organization>/teams/<team>, or * for any",
  });
const words = listOf(z.string().min(1).max(256));

export const oidcSchema = z
  .strictObject({
    kind: z.literal('oidc'),
    version: z.literal('v3'),
    metadata: metadataOf(nameOf('connector name')),
    spec: z
      .strictObject({
        display: optional(text),
        issuer_url: httpsUrl,
        client_id: z.string().min(1).max(1024),
        client_secret: optional(secret),
        redirect_url: listOf(httpsUrl).pipe(z.array(z.string()).min(1).max(20)),
        scope: optional(words),
        claims_to_roles: optional(
          z.array(z.strictObject({ claim: z.string().min(1).max(256), value: match, roles })).max(1000),
        ),
        username_claim: optional(z.string().min(1).max(256)),
        prompt: optional(z.string().max(256)),
        acr_values: optional(z.string().max(1024)),
        max_age: optional(duration),
        client_redirect_settings: clientRedirect,
        allow_unverified_email: optional(flag),
        provider: kept,
      })
      .transform((spec) =>
        compact({
          ...spec,
          scope: [...new Set(['openid', ...(spec.scope ?? ['email', 'profile'])])],
          claims_to_roles: spec.claims_to_roles ?? [],
          allow_unverified_email: spec.allow_unverified_email ?? false,
        }),
      ),
    ...envelope,
  })
  .transform(({ kind, version, metadata, spec }) => ({ kind, version, metadata, spec }));

const keyPair = optional(z.strictObject({ private_key: optional(secret.max(16_384)), cert: z.string().max(16_384) }));

export const samlSchema = z
  .strictObject({
    kind: z.literal('saml'),
    version: z.literal('v2'),
    metadata: metadataOf(nameOf('connector name')),
    spec: z
      .strictObject({
        display: optional(text),
        acs: httpsUrl,
        audience: optional(z.string().min(1).max(2048)),
        service_provider_issuer: optional(z.string().min(1).max(2048)),
        entity_descriptor: optional(z.string().max(512 * 1024)),
        entity_descriptor_url: optional(httpsUrl),
        attributes_to_roles: optional(
          z.array(z.strictObject({ name: z.string().min(1).max(256), value: match, roles })).max(1000),
        ),
        username_attribute: optional(z.string().min(1).max(256)),
        allow_idp_initiated: optional(flag),
        signing_key_pair: keyPair,
        assertion_key_pair: keyPair,
        client_redirect_settings: clientRedirect,
        ...keptKeys(['provider', 'cert', 'issuer', 'sso']),
      })
      .transform((spec) =>
        compact({
          ...spec,
          attributes_to_roles: spec.attributes_to_roles ?? [],
          allow_idp_initiated: spec.allow_idp_initiated ?? false,
        }),
      ),
    ...envelope,
  })
  .transform(({ kind, version, metadata, spec }) => ({ kind, version, metadata, spec }));

export const githubSchema = z
  .strictObject({
    kind: z.literal('github'),
    version: z.literal('v3'),
    metadata: metadataOf(nameOf('connector name')),
    spec: z
      .strictObject({
        display: optional(text),
        client_id: z.string().min(1).max(1024),
        client_secret: optional(secret),
        redirect_url: httpsUrl,
        teams_to_roles: z
          .array(z.strictObject({ organization: githubName, team: githubTeam, roles }))
          .min(1)
          .max(1000),
        endpoint_url: optional(httpsUrl),
        api_endpoint_url: optional(httpsUrl),
        client_redirect_settings: clientRedirect,
      })
      .transform(compact),
    ...envelope,
  })
  .transform(({ kind, version, metadata, spec }) => ({ kind, version, metadata, spec }));
