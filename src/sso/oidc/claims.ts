import { LoginError } from '../../errors.ts';
import type { OidcConnector } from '../../resource/resource.ts';
import type { Json } from '../../state/store.ts';
import { attributesOf } from '../attributes.ts';
import type { ProviderAnswer, Trace } from '../connector.ts';

/** Claims of one sign-in, after the token was verified: what the connector demands of them, and the person. */

export type Claims = Readonly<Record<string, unknown>>;

/**
 * The person, from the ID token's claims and userinfo's (`{}`: not asked). The signed ones win. Throws LoginError: `SSO_GROUPS_OVERAGE`, `SSO_EMAIL_UNVERIFIED`, `SSO_NO_USERNAME`, `SSO_ACR`, and those of `attributesOf`.
 */
export function readClaims(
  of: { readonly idToken: Claims; readonly userInfo: Claims },
  spec: OidcConnector['spec'],
  trace: Trace,
): ProviderAnswer {
  const claims: Claims = { ...of.userInfo, ...of.idToken };
  checkAcr(of.idToken, spec.acr_values, trace);
  refuseOverage(claims, trace);
  const { attributes: all, dropped } = attributesOf(without(claims, PROTOCOL_CLAIMS));
  trace({ name: 'claims', ok: true, detail: JSON.stringify(all) });
  if (dropped.length > 0)
    trace({
      name: 'claims',
      ok: false,
      detail: `left out, as they are too long or no text: ${dropped.slice(0, 20).join(', ')}`,
    });
  const { username, wanted } = usernameOf(claims, spec);
  const emailCounts = isVerified(claims['email'], of) || spec.allow_unverified_email;
  if (wanted === 'email' && !emailCounts) throw unverified(claims, trace);
  if (username === undefined) throw noUsername(wanted, Object.keys(all), trace);
  trace({ name: 'username', ok: true, detail: `claim ${wanted} is ${JSON.stringify(username)}` });
  const attributes = emailCounts ? all : without(all, ['email']);
  if (!emailCounts && 'email' in all)
    trace({
      name: 'email',
      ok: false,
      detail: 'the provider does not say email_verified: the claim email is not looked at (allow_unverified_email)',
    });
  return { subject: String(claims['sub']), username, attributes, raw: attributes as Json };
}

// Of one piece: what userinfo says of its address is no word on another one in the token.
function isVerified(email: unknown, { idToken, userInfo }: { readonly idToken: Claims; readonly userInfo: Claims }) {
  return [idToken, userInfo].some(
    (piece) => piece['email'] === email && (piece['email_verified'] === true || piece['email_verified'] === 'true'),
  );
}

function usernameOf(
  claims: Claims,
  spec: OidcConnector['spec'],
): { readonly username: string | undefined; readonly wanted: string } {
  const wanted = spec.username_claim ?? (typeof claims['email'] === 'string' ? 'email' : 'sub');
  const value = Object.hasOwn(claims, wanted) ? claims[wanted] : undefined;
  return { username: typeof value === 'string' && value !== '' ? value : undefined, wanted };
}

// A demand that nobody checks is a wish: the provider may answer with less.
function checkAcr(idToken: Claims, wanted: string | undefined, trace: Trace): void {
  if (wanted === undefined || wanted.trim() === '') return;
  const good = wanted.split(/\s+/).filter((value) => value !== '');
  const got = idToken['acr'];
  const ok = typeof got === 'string' && good.includes(got);
  const detail = `acr is ${shown(got)}: expected ${good.map((value) => JSON.stringify(value)).join(' or ')}`;
  trace({ name: 'acr', ok, detail });
  if (!ok)
    throw new LoginError('SSO_ACR', `oidc answer: ${detail} (acr_values)`, {
      publicMessage: 'the identity provider did not check you as strictly as this cluster asks for',
    });
}

/**
 * A provider that leaves claims out because they are many says so in `_claim_names` (OIDC core 5.6.2; Entra ID beyond 200 groups) or `hasgroups`. Going on with what is there could take a person out of a group that a
 * rule denies something to, so nothing is decided on half an answer; the distributed claim is not fetched, as its address would be the provider's choice and Entra's needs another permission.
 */
function refuseOverage(claims: Claims, trace: Trace): void {
  const names = claims['_claim_names'];
  const missing = typeof names === 'object' && names !== null ? Object.keys(names) : [];
  if (claims['hasgroups'] === true || claims['hasgroups'] === 'true') missing.push('groups');
  if (missing.length === 0) return;
  const detail = `the provider left out ${[...new Set(missing)].slice(0, 10).map(shown).join(', ')}, as the person has too many values of it (groups overage): have it send only the groups assigned to the application, or app roles instead (docs/guide/sso/entra.md)`;
  trace({ name: 'groups', ok: false, detail });
  throw new LoginError('SSO_GROUPS_OVERAGE', `oidc answer: ${detail}`, {
    publicMessage:
      'the identity provider left out your groups, as you are in too many; an administrator has to change what it sends',
  });
}

function unverified(claims: Claims, trace: Trace): LoginError {
  const detail = `email_verified is ${shown(claims['email_verified'])}: expected true, as the user name is the email; take another username_claim, or set allow_unverified_email where only the company itself sets addresses`;
  trace({ name: 'username', ok: false, detail });
  return new LoginError('SSO_EMAIL_UNVERIFIED', `oidc answer: ${detail}`, {
    publicMessage: 'the identity provider does not say that your email address is yours',
  });
}

function noUsername(wanted: string, got: readonly string[], trace: Trace): LoginError {
  const detail = `expected a text in the claim ${JSON.stringify(wanted)} (username_claim), got ${got.slice(0, 30).join(', ')}`;
  trace({ name: 'username', ok: false, detail });
  return new LoginError('SSO_NO_USERNAME', `oidc answer: ${detail}`, {
    publicMessage: 'the identity provider does not say your user name',
  });
}

function without<V>(claims: Readonly<Record<string, V>>, names: readonly string[]): Readonly<Record<string, V>> {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => !names.includes(name)));
}

function shown(value: unknown): string {
  return value === undefined ? 'missing' : (JSON.stringify(value) ?? 'nothing').slice(0, 100);
}

/** Of the token, not of the person. */
const PROTOCOL_CLAIMS = [
  'iss',
  'aud',
  'exp',
  'iat',
  'nbf',
  'nonce',
  'at_hash',
  'c_hash',
  's_hash',
  'azp',
  'auth_time',
  'jti',
  'sid',
  'uti',
  'rh',
  'aio',
  'ver',
  '_claim_names',
  '_claim_sources',
  'hasgroups',
  'updated_at',
  'picture',
];
