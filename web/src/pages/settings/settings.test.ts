import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseResourceJson } from '../../../../src/resource/parse.ts';
import { toJson } from '../../../../src/resource/print.ts';
import { itemOf } from '../../parts/resources/item.ts';
import { settingsJson, settingsOf, settingsProblems, settingsWarnings, type Settings } from './settings.ts';

const stored = JSON.stringify(
  toJson(
    parseResourceJson(
      JSON.stringify({
        kind: 'cluster_auth_preference',
        version: 'v2',
        metadata: { name: 'cluster-auth-preference', labels: { a: 'b' } },
        spec: { message_of_the_day: 'hello', webauthn: { rp_id: 'access.example.com' } },
      }),
    ),
  ),
);
const settings = settingsOf(itemOf({ json: stored, revision: 1n }));

test('settings: unchanged they are the same document', () => {
  assert.deepEqual(settingsProblems(settings), {});
  const after = parseResourceJson(settingsJson(stored, settings));
  const before = parseResourceJson(stored);
  assert.ok(after.kind === 'cluster_auth_preference' && before.kind === 'cluster_auth_preference');
  assert.deepEqual(after, { ...before, spec: { ...before.spec, disconnect_expired_cert: false } });
});

test('settings: every field arrives, empty ones are left out', () => {
  const wanted: Settings = {
    type: 'oidc',
    connectorName: 'okta',
    allowLocalAuth: false,
    allowPasswordless: false,
    secondFactors: ['webauthn'],
    requireSessionMfa: true,
    sessionMfaTtl: '2m',
    defaultSessionTtl: '8h',
    webIdleTimeout: '1h30m',
    disconnectExpiredCert: true,
    lockingMode: 'strict',
    messageOfTheDay: ' ',
    rpId: '',
  };
  assert.deepEqual(settingsProblems(wanted), {});
  const json = settingsJson(stored, wanted);
  const resource = parseResourceJson(json);
  assert.ok(resource.kind === 'cluster_auth_preference');
  assert.equal(resource.spec.message_of_the_day, undefined);
  assert.equal(resource.spec.webauthn, undefined);
  assert.deepEqual(settingsOf(itemOf({ json: JSON.stringify(toJson(resource)), revision: 1n })), {
    ...wanted,
    messageOfTheDay: '',
  });
});

const wrong: readonly (readonly [name: string, change: Partial<Settings>, field: keyof Settings])[] = [
  ['a duration without a unit', { defaultSessionTtl: '12' }, 'defaultSessionTtl'],
  ['no time at all', { webIdleTimeout: '0m' }, 'webIdleTimeout'],
  ['no second factor', { secondFactors: [] }, 'secondFactors'],
  ['a provider without a connector', { type: 'saml' }, 'connectorName'],
  ['nobody could sign in', { allowLocalAuth: false }, 'allowLocalAuth'],
  ['an address for a domain', { rpId: '10.0.0.1' }, 'rpId'],
  ['a URL for a domain', { rpId: 'https://a.example' }, 'rpId'],
];
for (const [name, change, field] of wrong)
  test(`settings: ${name} is told beside its field`, () =>
    assert.notEqual(settingsProblems({ ...settings, ...change })[field], undefined));

test('settings: what locks people out is said', () => {
  assert.equal(settingsWarnings(settings, settings).length, 0);
  assert.equal(
    settingsWarnings(settings, { ...settings, allowLocalAuth: false, rpId: 'b.example', secondFactors: [] }).length,
    3,
  );
});
