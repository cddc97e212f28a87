import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { parseResourceOf } from '../../resource/parse.ts';
import type { GithubConnector } from '../../resource/resource.ts';
import { boundedFetch } from '../bounded-fetch.ts';
import type { ProviderAnswer } from '../connector.ts';
import { mapRoles, rulesOf } from '../mapping.ts';
import { newRequestId } from '../requests.ts';
import { githubProvider } from './provider.ts';
import { GithubStandIn } from './stand-in.fixture.ts';

let github: GithubStandIn;
beforeEach(async () => {
  github = await GithubStandIn.start();
});
afterEach(() => github.close());

function connectorOf(more: object = {}): GithubConnector {
  return parseResourceOf('github', {
    kind: 'github',
    version: 'v3',
    metadata: { name: 'github' },
    spec: {
      client_id: 'id',
      redirect_url: 'https://access.example.com/v1/webapi/github/callback',
      endpoint_url: github.url,
      teams_to_roles: [
        { organization: 'Acme', team: 'dba', roles: ['admin'] },
        { organization: 'acme', team: '*', roles: ['access'] },
      ],
      ...more,
    },
  });
}

async function signIn(
  change: (parameters: string) => string = (same) => same,
  secret = 'secret',
): Promise<ProviderAnswer> {
  const provider = githubProvider(connectorOf(), { clientSecret: secret }, { fetch: boundedFetch() });
  const requestId = newRequestId();
  const { redirectUrl, kept } = await provider.begin({ requestId });
  return provider.finish({ parameters: change(github.authorize(redirectUrl)), kept, requestId }, () => {});
}

test('the person, and the teams of the organisations that the connector names', async () => {
  github.teams = [
    ['acme', 'dba'],
    ['ACME', 'web'],
    ['evil', 'dba'],
  ];
  const answer = await signIn();
  assert.deepEqual([answer.subject, answer.username], ['42', 'alice']);
  assert.deepEqual(answer.attributes, {
    github_login: ['alice'],
    github_orgs: ['acme'],
    github_teams: ['dba', 'web'],
    github_team_paths: ['acme/dba', 'acme/web'],
  });
  assert.deepEqual(mapRoles(rulesOf(connectorOf()), answer.attributes).roles, ['admin', 'access']);
});

test("a team of the same name in somebody else's organisation gives nothing", async () => {
  github.teams = [
    ['evil', 'dba'],
    ['acme-evil', 'dba'],
  ];
  assert.deepEqual(mapRoles(rulesOf(connectorOf()), (await signIn()).attributes).roles, []);
});

test('every page of teams is read', async () => {
  github.teams = Array.from({ length: 250 }, (_, index) => ['acme', `t${index}`] as const);
  assert.equal((await signIn()).attributes['github_teams']?.length, 250);
  assert.deepEqual(github.asked, [
    '/api/v3/user',
    '/api/v3/user/teams?per_page=100&page=1',
    '/api/v3/user/teams?per_page=100&page=2',
    '/api/v3/user/teams?per_page=100&page=3',
  ]);
});

const refusals: readonly {
  readonly name: string;
  readonly change?: (parameters: string) => string;
  readonly secret?: string;
  readonly why: RegExp;
}[] = [
  { name: 'another state', change: (text) => text.replace(/state=.*/, `state=${newRequestId()}`), why: /state/ },
  { name: 'two states', change: (text) => `${text}&state=x`, why: /state/ },
  { name: 'no code', change: (text) => text.replace(/code=\w+/, ''), why: /one code/ },
  { name: 'two codes', change: (text) => `${text}&code=x`, why: /one code/ },
  {
    name: 'a code that was not given',
    change: (text) => text.replace(/code=\w+/, 'code=stolen'),
    why: /bad_verification_code/,
  },
  { name: 'a wrong client secret', secret: 'wrong', why: /incorrect_client_credentials/ },
  {
    name: 'the person said no',
    change: (text) => text.replace(/code=\w+/, 'error=access_denied'),
    why: /access_denied/,
  },
  { name: 'too long', change: (text) => `${text}&x=${'x'.repeat(5000)}`, why: /maxProviderParametersLength/ },
];
for (const { name, change, secret, why } of refusals)
  test(`refused: ${name}`, () => assert.rejects(signIn(change, secret), { code: 'SSO_ANSWER_REFUSED', message: why }));

test('an account that can not be read is no sign-in', async () => {
  github.user = undefined;
  await assert.rejects(signIn(), { code: 'PROVIDER_REFUSED', message: /\/api\/v3\/user answered 404/ });
});

test('an organisation is named, never matched: anybody can make one', () => {
  const rule = { organization: '*', team: 'dba', roles: ['admin'] };
  assert.throws(() => connectorOf({ teams_to_roles: [rule] }), /expected a name as in/);
});
