import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import * as z from 'zod';
import { ConfigError, StorageError } from '../../errors.ts';
import type { Connector, Resource, SamlConnector } from '../../resource/resource.ts';
import { isSecure } from '../../sso/bounded-fetch.ts';
import type { ConnectorSecrets, Provider } from '../../sso/connector.ts';
import { hasGroups, ruleProblem, rulesOf } from '../../sso/mapping.ts';
import type { Json } from '../../state/store.ts';
import { makeSamlKeyPair } from '../../sso/saml/key-pair.ts';
import type { AuthContext } from './context.ts';

/** Connectors as they are stored: the record without its secrets, and these sealed under `/connector_secret/<kind>/<name>`. */

const CONNECTOR_KINDS = ['oidc', 'saml', 'github'] as const;
/** Where a client secret is sent, and for whom. */
const DESTINATION = ['issuer_url', 'client_id', 'endpoint_url', 'api_endpoint_url'] as const;
const SECRET_KEYS = ['clientSecret', 'signingKey', 'assertionKey'] as const;
type Context = Pick<AuthContext, 'store' | 'records' | 'sealer' | 'clock' | 'providers'>;
/** A connector that is fit to be written, and its secrets, sealed. */
export type PreparedConnector = { readonly record: Connector; readonly sealed: SealedSecrets };

/** Secrets of a connector, each sealed under its name. */
export const sealedSchema = z.strictObject({
  clientSecret: z.string().optional(),
  signingKey: z.string().optional(),
  assertionKey: z.string().optional(),
});
type SealedSecrets = Readonly<z.infer<typeof sealedSchema>>;

/** True for the kinds that people sign in by. */
export function isConnector(resource: Resource): resource is Connector {
  return resource.kind === 'oidc' || resource.kind === 'saml' || resource.kind === 'github';
}

/**
 * Takes the secrets out. Those that are not said again are kept, unless the connector would send them elsewhere than before. A SAML connector without a key that signs requests gets one (once: the same pair
 * stays). Throws ConfigError with every problem: rules that can not work, roles that do not exist, secrets that are missing.
 */
export async function prepareConnector(wanted: Connector, context: Context): Promise<PreparedConnector> {
  const problems = [...rulesOf(wanted).flatMap((rule) => ruleProblem(rule) ?? []), ...addressProblems(wanted)];
  for (const role of new Set(rulesOf(wanted).flatMap((rule) => rule.roles)))
    if (!hasGroups(role) && (await context.records.read('role', role)) === undefined)
      problems.push(`role ${role} does not exist`);
  const { kind } = wanted;
  problems.push(...(await sharedNames(wanted, context)), ...(await sharedAddresses(wanted, context)));
  if ((wanted.spec.client_redirect_settings?.allowed_https_hostnames ?? []).length > 0)
    problems.push(
      "spec.client_redirect_settings.allowed_https_hostnames: is not supported: tsh's answer goes to the person's own machine and nowhere else; on another machine, sign in with a code",
    );
  const before = (await context.records.read(kind, wanted.metadata.name))?.resource;
  const known = before === undefined ? {} : await readSealed(wanted, context);
  const prepared =
    wanted.kind === 'saml'
      ? await prepareSaml(
          wanted,
          { before: before?.kind === 'saml' ? before : undefined, known },
          { context, problems },
        )
      : await prepareClient(wanted, { before, known }, { context, problems });
  if (problems.length > 0)
    throw new ConfigError(problems.map((problem) => `${kind} ${wanted.metadata.name}: ${problem}`));
  return prepared;
}

/** Writes what `prepareConnector` sealed; after the record, so that a lost race changes no secret. */
export async function keepSecrets(
  { record, sealed }: PreparedConnector,
  context: Pick<Context, 'store'>,
): Promise<void> {
  await context.store.put(keyOf(record), sealed as Json, { expect: 'any' });
}

export async function removeSecrets(connector: Connector, context: Pick<Context, 'store'>): Promise<void> {
  await context.store.remove(keyOf(connector));
}

/** The provider of a stored connector; undefined: there is none of this name. */
export async function openConnector(
  kind: Connector['kind'],
  name: string,
  context: Context,
): Promise<{ readonly connector: Connector; readonly provider: Provider } | undefined> {
  const stored = await context.records.read(kind, name);
  if (stored === undefined) return undefined;
  const connector: Connector = stored.resource;
  const item = await context.store.read(keyOf(connector));
  const secrets = await openSecrets(connector, parseSealed(item?.value), context);
  const version = `${stored.revision}.${item?.revision ?? 0}`;
  return { connector, provider: context.providers.of(connector, secrets, version) };
}

/** The connector of this name, whatever its kind: names are one space for sign-in. */
export async function findConnector(name: string, context: Context): ReturnType<typeof openConnector> {
  for (const kind of CONNECTOR_KINDS) {
    const found = await openConnector(kind, name, context);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The provider of a connector as it was prepared, stored or not. */
export async function providerOf({ record, sealed }: PreparedConnector, context: Context): Promise<Provider> {
  return context.providers.of(record, await openSecrets(record, sealed, context), undefined);
}

type Before<C> = { readonly before: C | undefined; readonly known: SealedSecrets };
type Checks = { readonly context: Context; readonly problems: string[] };

async function prepareClient(
  wanted: Exclude<Connector, SamlConnector>,
  { before, known }: Before<Connector>,
  { context, problems }: Checks,
): Promise<PreparedConnector> {
  const { client_secret: secret, ...spec } = wanted.spec;
  // The same spec less one key; the compiler does not follow the union.
  const record = { ...wanted, spec } as Connector;
  const sealed =
    secret === undefined
      ? keptSecret(wanted, before, known, problems)
      : await seal(wanted, 'clientSecret', secret, context);
  if (sealed === undefined && wanted.kind === 'github') problems.push('spec.client_secret: is missing');
  return { record, sealed: sealed === undefined ? {} : { clientSecret: sealed } };
}

// Whoever may change a connector need not know its secret, and must not learn it by having it sent to a server of theirs.
function keptSecret(
  wanted: Connector,
  before: Connector | undefined,
  known: SealedSecrets,
  problems: string[],
): string | undefined {
  if (before === undefined || known.clientSecret === undefined) return undefined;
  const moved = changedKeys(wanted, before);
  if (moved.length === 0) return known.clientSecret;
  problems.push(`spec.client_secret: must be said again, as ${moved.join(' and ')} changed`);
  return known.clientSecret;
}

function changedKeys(wanted: Connector, before: Connector): readonly string[] {
  const now: Readonly<Record<string, unknown>> = wanted.spec;
  const then: Readonly<Record<string, unknown>> = before.spec;
  return DESTINATION.filter((key) => now[key] !== then[key]);
}

async function prepareSaml(
  wanted: SamlConnector,
  { before, known }: Before<SamlConnector>,
  { context, problems }: Checks,
): Promise<PreparedConnector> {
  const { signing_key_pair: signing, assertion_key_pair: assertion, ...rest } = wanted.spec;
  if ((rest.entity_descriptor === undefined) === (rest.entity_descriptor_url === undefined))
    problems.push('spec: expected one of entity_descriptor and entity_descriptor_url');
  const name = wanted.metadata.name;
  const of = async (
    key: 'signingKey' | 'assertionKey',
    pair: KeyPair | undefined,
    former: KeyPair | undefined,
  ): Promise<KeptPair | undefined> => {
    if (pair === undefined) return undefined;
    const path = key === 'signingKey' ? 'signing_key_pair' : 'assertion_key_pair';
    if (pair.private_key !== undefined) {
      const problem = pairProblem(pair);
      if (problem !== undefined) problems.push(`spec.${path}: ${problem}`);
      return { cert: pair.cert, sealed: await seal(wanted, key, pair.private_key, context) };
    }
    const kept = known[key];
    if (kept === undefined || former?.cert.trim() !== pair.cert.trim())
      problems.push(`spec.${path}.private_key: is missing for this cert`);
    return { cert: pair.cert, sealed: kept ?? '' };
  };
  const made =
    signing === undefined && before?.spec.signing_key_pair === undefined
      ? await makeSamlKeyPair(name, context.clock.now())
      : undefined;
  const signingPair = await of(
    'signingKey',
    signing ?? made ?? before?.spec.signing_key_pair,
    before?.spec.signing_key_pair,
  );
  const assertionPair = await of('assertionKey', assertion, before?.spec.assertion_key_pair);
  const record: SamlConnector = {
    ...wanted,
    spec: {
      ...rest,
      ...(signingPair === undefined ? {} : { signing_key_pair: { cert: signingPair.cert } }),
      ...(assertionPair === undefined ? {} : { assertion_key_pair: { cert: assertionPair.cert } }),
    },
  };
  return {
    record,
    sealed: {
      ...(signingPair === undefined ? {} : { signingKey: signingPair.sealed }),
      ...(assertionPair === undefined ? {} : { assertionKey: assertionPair.sealed }),
    },
  };
}

type KeyPair = { readonly private_key?: string; readonly cert: string };
type KeptPair = { readonly cert: string; readonly sealed: string };

function pairProblem({ private_key: key = '', cert }: KeyPair): string | undefined {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
      ? undefined
      : 'private_key is not of this cert';
  } catch {
    return 'expected a private key and a certificate as PEM';
  }
}

function addressProblems(connector: Connector): string[] {
  const { spec, kind } = connector;
  const urls: readonly (readonly [string, string | undefined])[] =
    kind === 'oidc'
      ? [['issuer_url', spec.issuer_url], ...spec.redirect_url.map((url) => ['redirect_url', url] as const)]
      : kind === 'github'
        ? [
            ['redirect_url', spec.redirect_url],
            ['endpoint_url', spec.endpoint_url],
            ['api_endpoint_url', spec.api_endpoint_url],
          ]
        : [
            ['acs', spec.acs],
            ['entity_descriptor_url', spec.entity_descriptor_url],
          ];
  return urls.flatMap(([key, url]) =>
    url === undefined || isSecure(new URL(url))
      ? []
      : [`spec.${key}: expected https (http only on the machine itself)`],
  );
}

async function sharedNames({ kind, metadata }: Connector, { records }: Pick<Context, 'records'>): Promise<string[]> {
  const problems: string[] = [];
  for (const other of CONNECTOR_KINDS)
    if (other !== kind && (await records.read(other, metadata.name)) !== undefined)
      problems.push(
        `the name is a connector's of kind ${other} already, and people name connectors without their kind`,
      );
  return problems;
}

/**
 * Two providers must not answer to one address: the one could send a browser on to the other and be given the other's code, which signs in whoever it is of (mix-up, RFC 9700 section 4.4.2). SAML's answers name their
 * issuer and request under the signature.
 */
async function sharedAddresses(wanted: Connector, { records }: Pick<Context, 'records'>): Promise<string[]> {
  if (wanted.kind === 'saml') return [];
  const { kind } = wanted;
  const own = new Set(redirectsOf(wanted));
  const stored: readonly { readonly resource: Connector }[] = await records.list(kind);
  return stored.flatMap(({ resource }) => {
    const shared = redirectsOf(resource).find((url) => own.has(url));
    const isOther = resource.metadata.name !== wanted.metadata.name && providerKey(resource) !== providerKey(wanted);
    if (shared === undefined || !isOther) return [];
    return [
      `spec.redirect_url: ${shared} is connector ${resource.metadata.name}'s too, and one provider's answers could pass for the other's; give this one its own, which ends in /v1/webapi/${kind}/callback/${wanted.metadata.name}`,
    ];
  });
}

function redirectsOf(connector: Connector): readonly string[] {
  if (connector.kind === 'saml') return [];
  return connector.kind === 'oidc' ? connector.spec.redirect_url : [connector.spec.redirect_url];
}

function providerKey(connector: Connector): string | undefined {
  if (connector.kind === 'saml') return undefined;
  return connector.kind === 'oidc' ? connector.spec.issuer_url : (connector.spec.endpoint_url ?? '');
}

function seal(connector: Connector, key: keyof SealedSecrets, secret: string, context: Context): Promise<string> {
  return context.sealer.seal(sealName(connector, key), Buffer.from(secret, 'utf8'));
}

async function openSecrets(connector: Connector, sealed: SealedSecrets, context: Context): Promise<ConnectorSecrets> {
  const opened: { clientSecret?: string; signingKey?: string; assertionKey?: string } = {};
  for (const key of SECRET_KEYS) {
    const text = sealed[key];
    if (text !== undefined) opened[key] = (await context.sealer.open(sealName(connector, key), text)).toString('utf8');
  }
  return opened;
}

async function readSealed(connector: Connector, context: Context): Promise<SealedSecrets> {
  return parseSealed((await context.store.read(keyOf(connector)))?.value);
}

function parseSealed(value: unknown): SealedSecrets {
  if (value === undefined) return {};
  const parsed = sealedSchema.safeParse(value);
  if (!parsed.success)
    throw new StorageError(
      'CONNECTOR_SECRET_INVALID',
      'stored secrets of a connector are not what this version writes',
    );
  return parsed.data;
}

// A client secret opens only for the place it was said for: record and secrets are two writes, and between them (or when the second is lost) the former secret must not go to the new record's addresses.
function sealName(connector: Connector, key: keyof SealedSecrets): string {
  const name = `connector/${connector.kind}/${connector.metadata.name}/${key}`;
  if (key !== 'clientSecret') return name;
  const spec: Readonly<Record<string, unknown>> = connector.spec;
  const place = JSON.stringify(DESTINATION.map((part) => spec[part] ?? null));
  return `${name}/${createHash('sha256').update(place).digest('base64url')}`;
}

function keyOf({ kind, metadata }: Connector): string {
  return `/connector_secret/${kind}/${encodeURIComponent(metadata.name)}`;
}
