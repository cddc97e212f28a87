import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { TesseraError } from '../../errors.ts';
import { parseResourceOf } from '../../resource/parse.ts';
import type { OidcConnector } from '../../resource/resource.ts';
import { boundedFetch } from '../bounded-fetch.ts';
import type { ProviderAnswer, SsoStep } from '../connector.ts';
import { newRequestId } from '../requests.ts';
import { DISCOVERY_AGE_MS } from './discovery.ts';
import { oidcProvider } from './provider.ts';
import { OidcStandIn } from './stand-in.fixture.ts';

/** What an answer must be to be taken; one test for each way in which it is not. */

let far: OidcStandIn;
let nowMs: number;
beforeEach(async () => {
  far = await OidcStandIn.start();
  nowMs = Date.now();
});
afterEach(() => far.close());

const CALLBACK = 'https://access.example.com:3080/v1/webapi/oidc/callback';

function connectorOf(more: object = {}): OidcConnector {
  return parseResourceOf('oidc', {
    kind: 'oidc',
    version: 'v3',
    metadata: { name: 'corp' },
    spec: {
      issuer_url: far.issuer,
      client_id: 'tessera',
      redirect_url: [CALLBACK, 'https://other.example.com/v1/webapi/oidc/callback'],
      claims_to_roles: [{ claim: 'groups', value: 'dba', roles: ['access'] }],
      username_claim: 'preferred_username',
      ...more,
    },
  });
}

type Attempt = {
  readonly spec?: object;
  /** Of the query that comes back. */
  readonly answer?: Readonly<Record<string, string>>;
  readonly suffix?: string;
  readonly kept?: object;
  readonly requestId?: string;
};

async function signIn(
  { spec, answer, suffix = '', kept, requestId }: Attempt = {},
  steps: SsoStep[] = [],
): Promise<ProviderAnswer> {
  const provider = oidcProvider(
    connectorOf(spec),
    { clientSecret: 'secret' },
    { fetch: boundedFetch(), now: () => nowMs },
  );
  const id = newRequestId();
  const began = await provider.begin({ requestId: id });
  const parameters = `${far.authorize(began.redirectUrl, answer)}${suffix}`;
  const remembered = { ...(began.kept as object), ...kept } as typeof began.kept;
  return provider.finish({ parameters, kept: remembered, requestId: requestId ?? id }, (step) => steps.push(step));
}

async function refusal(
  attempt: Attempt = {},
  steps: SsoStep[] = [],
): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await signIn(attempt, steps);
  } catch (error) {
    assert.ok(error instanceof TesseraError, String(error));
    return error;
  }
  throw new Error('was taken');
}

const HONEST = { preferred_username: 'alice', groups: ['dba', 'dev'] };

test('an honest answer is the person: signed claims win over userinfo, paths reach into objects, what is of the token stays out', async () => {
  far.idToken = { ...HONEST, realm_access: { roles: ['r1'] }, 'https://corp/x': 7, acr: '1', auth_time: 1 };
  far.userInfo = { groups: ['from-userinfo'], department: 'sales' };
  const steps: SsoStep[] = [];
  const person = await signIn({}, steps);
  assert.equal(person.subject, 'subject-1');
  assert.equal(person.username, 'alice');
  assert.deepEqual(person.attributes, {
    sub: ['subject-1'],
    preferred_username: ['alice'],
    groups: ['dba', 'dev'],
    'realm_access.roles': ['r1'],
    'https://corp/x': ['7'],
    acr: ['1'],
    department: ['sales'],
  });
  assert.deepEqual(
    steps.map(({ name, ok }) => `${name} ${ok}`),
    ['discovery true', 'answer true', 'userinfo true', 'claims true', 'username true'],
  );
});

test('the browser is sent with PKCE, state, nonce, and what the connector demands', async () => {
  const provider = oidcProvider(
    connectorOf({ prompt: 'login', acr_values: 'mfa', max_age: '15m', scope: ['groups'] }),
    { clientSecret: 'secret' },
    { fetch: boundedFetch(), now: () => nowMs },
  );
  const id = newRequestId();
  const { redirectUrl } = await provider.begin({ requestId: id, origin: 'https://other.example.com' });
  const asked = Object.fromEntries(new URL(redirectUrl).searchParams);
  const { nonce, code_challenge: challenge, ...rest } = asked;
  assert.match(nonce ?? '', /^[\w-]{43}$/);
  assert.match(challenge ?? '', /^[\w-]{43}$/);
  assert.deepEqual(rest, {
    redirect_uri: 'https://other.example.com/v1/webapi/oidc/callback',
    response_type: 'code',
    client_id: 'tessera',
    scope: 'openid groups',
    state: id,
    code_challenge_method: 'S256',
    prompt: 'login',
    acr_values: 'mfa',
    max_age: '900',
  });
});

test("a provider's metadata leads nowhere on Auth's own machine", async () => {
  const issuer = 'https://id.example.com';
  for (const name of ['token_endpoint', 'jwks_uri', 'authorization_endpoint']) {
    const asked: string[] = [];
    const metadata = {
      issuer,
      authorization_endpoint: `${issuer}/a`,
      token_endpoint: `${issuer}/t`,
      jwks_uri: `${issuer}/j`,
      [name]: 'http://127.0.0.1:9200/_shutdown',
    };
    const fetch = (url: string): Promise<Response> => {
      asked.push(url);
      return Promise.resolve(Response.json(metadata));
    };
    const provider = oidcProvider(connectorOf({ issuer_url: issuer }), {}, { fetch, now: () => nowMs });
    await assert.rejects(provider.begin({ requestId: newRequestId() }), {
      code: 'PROVIDER_METADATA',
      message: /on this machine/,
    });
    assert.deepEqual(asked, [`${issuer}/.well-known/openid-configuration`]);
  }
});

const now = (): number => Math.floor(Date.now() / 1000);
type Lie = {
  readonly name: string;
  readonly set: () => void;
  readonly attempt?: Attempt;
  readonly code?: string;
  readonly why: RegExp;
};
const lies: readonly Lie[] = [
  { name: 'another state', set: () => {}, attempt: { answer: { state: newRequestId() } }, why: /state/ },
  { name: 'two states', set: () => {}, attempt: { suffix: '&state=x' }, why: /state/ },
  {
    name: 'another nonce',
    set: () => {
      far.idToken = { ...HONEST, nonce: 'of-another-sign-in' };
    },
    why: /nonce/,
  },
  {
    name: 'no nonce',
    set: () => {
      far.idToken = { ...HONEST, nonce: undefined };
    },
    why: /nonce/,
  },
  {
    name: 'another audience',
    set: () => {
      far.idToken = { ...HONEST, aud: 'somebody-else' };
    },
    why: /audience/,
  },
  {
    name: 'several audiences without being the authorized party',
    set: () => {
      far.idToken = { ...HONEST, aud: ['tessera', 'x'], azp: 'x' };
    },
    why: /azp|authorized party/,
  },
  {
    name: 'another issuer',
    set: () => {
      far.idToken = { ...HONEST, iss: 'https://evil.example.com' };
    },
    why: /issuer/,
  },
  {
    name: 'expired',
    set: () => {
      far.idToken = { ...HONEST, exp: now() - 300, iat: now() - 600 };
    },
    why: /expir|timestamp/i,
  },
  {
    name: 'signed by a foreign key',
    set: () => {
      far.foreignKey = true;
    },
    why: /signature/i,
  },
  {
    name: 'not signed (alg none)',
    set: () => {
      far.algorithm = 'none';
    },
    why: /./,
  },
  {
    name: 'signed with the client secret (alg HS256)',
    set: () => {
      far.algorithm = 'HS256';
    },
    why: /./,
  },
  {
    name: 'another code verifier',
    set: () => {},
    attempt: { kept: { verifier: 'v'.repeat(43) } },
    why: /invalid_grant/,
  },
  {
    name: 'userinfo of another person',
    set: () => {
      far.userInfo = { sub: 'subject-2' };
    },
    why: /sub/,
  },
  {
    name: 'the provider says no',
    set: () => {},
    attempt: { answer: { error: 'access_denied' } },
    why: /access_denied/,
  },
  {
    name: 'mix-up: the answer is of another issuer',
    set: () => {},
    attempt: { answer: { iss: 'https://evil.example.com' } },
    why: /iss/,
  },
  {
    name: 'mix-up: the provider always says its issuer, the answer does not',
    set: () => {
      far.metadata = { authorization_response_iss_parameter_supported: true };
    },
    why: /iss/,
  },
  {
    name: 'a weaker sign-in than demanded',
    set: () => {
      far.idToken = { ...HONEST, acr: 'password' };
    },
    attempt: { spec: { acr_values: 'mfa phr' } },
    code: 'SSO_ACR',
    why: /acr is "password": expected "mfa" or "phr"/,
  },
  {
    name: 'no word on how the person signed in',
    set: () => {},
    attempt: { spec: { acr_values: 'mfa' } },
    code: 'SSO_ACR',
    why: /acr is missing/,
  },
  {
    name: 'signed in too long ago',
    set: () => {
      far.idToken = { ...HONEST, auth_time: now() - 1000 };
    },
    attempt: { spec: { max_age: '10m' } },
    why: /auth/i,
  },
  {
    name: 'no word on when the person signed in',
    set: () => {},
    attempt: { spec: { max_age: '10m' } },
    why: /auth_time/,
  },
  {
    name: 'email not verified',
    set: () => {
      far.idToken = { ...HONEST, email: 'boss@example.com', email_verified: false };
    },
    attempt: { spec: { username_claim: 'email' } },
    code: 'SSO_EMAIL_UNVERIFIED',
    why: /email_verified is false/,
  },
  {
    name: 'email without a word on it',
    set: () => {
      far.idToken = { ...HONEST, email: 'boss@example.com' };
    },
    attempt: { spec: { username_claim: 'email' } },
    code: 'SSO_EMAIL_UNVERIFIED',
    why: /missing/,
  },
  {
    name: 'no user name',
    set: () => {
      far.idToken = { groups: ['dba'] };
    },
    code: 'SSO_NO_USERNAME',
    why: /preferred_username/,
  },
  {
    name: 'groups overage of Entra ID',
    set: () => {
      far.idToken = {
        preferred_username: 'alice',
        _claim_names: { groups: 'src1' },
        _claim_sources: { src1: { endpoint: 'https://graph.example.com/' } },
      };
    },
    code: 'SSO_GROUPS_OVERAGE',
    why: /"groups".*entra\.md/,
  },
  {
    name: 'more values than can be looked at',
    set: () => {
      far.idToken = { ...HONEST, groups: Array.from({ length: 1001 }, (_, index) => `g${index}`) };
    },
    code: 'SSO_ATTRIBUTES_TOO_MANY',
    why: /maxAttributeValues/,
  },
  { name: 'nobody asked', set: () => {}, attempt: { kept: { verifier: 7 } }, code: 'SSO_UNSOLICITED', why: /nobody/ },
];
for (const { name, set, attempt, code = 'SSO_ANSWER_REFUSED', why } of lies)
  test(`refused: ${name}`, async () => {
    far.idToken = HONEST;
    set();
    const error = await refusal(attempt);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, why);
  });

test('a code is good once', async () => {
  far.idToken = HONEST;
  const provider = oidcProvider(connectorOf(), { clientSecret: 's' }, { fetch: boundedFetch(), now: () => nowMs });
  const requestId = newRequestId();
  const { redirectUrl, kept } = await provider.begin({ requestId });
  const parameters = far.authorize(redirectUrl);
  await provider.finish({ parameters, kept, requestId }, () => {});
  await assert.rejects(
    provider.finish({ parameters, kept, requestId }, () => {}),
    { code: 'SSO_ANSWER_REFUSED', message: /invalid_grant/ },
  );
});

test('an unverified email is no attribute either, unless the connector says so', async () => {
  far.idToken = { ...HONEST, email: 'boss@example.com', email_verified: false };
  const steps: SsoStep[] = [];
  assert.equal((await signIn({}, steps)).attributes['email'], undefined);
  assert.ok(steps.some(({ name, ok }) => name === 'email' && !ok));
  const spec = { allow_unverified_email: true, username_claim: 'email' };
  assert.equal((await signIn({ spec })).username, 'boss@example.com');
});

test('an address counts as verified only where that very address is said to be', async () => {
  far.idToken = { ...HONEST, email: 'boss@example.com' };
  far.userInfo = { email: 'mallory@example.com', email_verified: true };
  assert.equal((await refusal({ spec: { username_claim: 'email' } })).code, 'SSO_EMAIL_UNVERIFIED');
  assert.equal((await signIn()).attributes['email'], undefined);
  far.userInfo = { email: 'boss@example.com', email_verified: true };
  assert.equal((await signIn({ spec: { username_claim: 'email' } })).username, 'boss@example.com');
});

test('without a username_claim: the verified email, else the subject', async () => {
  far.idToken = { email: 'a@example.com', email_verified: true };
  assert.equal((await signIn({ spec: { username_claim: null } })).username, 'a@example.com');
  far.idToken = {};
  assert.equal((await signIn({ spec: { username_claim: null } })).username, 'subject-1');
});

test('what the provider says of itself is asked once an hour, and serves on while it is away', async () => {
  far.idToken = HONEST;
  const provider = oidcProvider(connectorOf(), { clientSecret: 's' }, { fetch: boundedFetch(), now: () => nowMs });
  const begin = (): Promise<unknown> => provider.begin({ requestId: newRequestId() });
  await Promise.all([begin(), begin(), begin()]);
  assert.equal(far.discoveries, 1);
  nowMs += DISCOVERY_AGE_MS + 1;
  await begin();
  assert.equal(far.discoveries, 2);
  far.away = true;
  nowMs += DISCOVERY_AGE_MS + 1;
  await begin();
  nowMs += 24 * DISCOVERY_AGE_MS;
  await assert.rejects(begin(), { code: 'PROVIDER_METADATA' });
});

const bad: readonly {
  readonly name: string;
  readonly metadata?: object;
  readonly padding?: number;
  readonly issuer?: string;
  readonly code: string;
}[] = [
  { name: 'says another issuer', metadata: { issuer: 'https://evil.example.com' }, code: 'PROVIDER_METADATA' },
  {
    name: 'has a token endpoint in clear elsewhere',
    metadata: { token_endpoint: 'http://id.example.com/token' },
    code: 'PROVIDER_METADATA',
  },
  { name: 'has no keys', metadata: { jwks_uri: undefined }, code: 'PROVIDER_METADATA' },
  {
    name: 'knows PKCE without S256 only',
    metadata: { code_challenge_methods_supported: ['plain'] },
    code: 'PROVIDER_METADATA',
  },
  { name: 'says too much', padding: 1024 * 1024, code: 'PROVIDER_ANSWER_TOO_LARGE' },
  { name: 'is in clear elsewhere', issuer: 'http://id.example.com', code: 'CONFIG_INVALID' },
];
for (const { name, metadata, padding, issuer, code } of bad)
  test(`not begun: the provider ${name}`, async () => {
    far.metadata = { ...metadata };
    far.padding = padding ?? 0;
    const error = await refusal(issuer === undefined ? {} : { spec: { issuer_url: issuer } });
    assert.equal(error.code, code, error.message);
  });
