// Sign-in at real SAML providers, their forms filled in without a browser: SimpleSAMLphp (Debian's, skipped when it can not be had) and the stand-in, which is always there.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { SamlConnector } from '../../src/resource/resource.ts';
import { makeSamlKeyPair } from '../../src/sso/saml/key-pair.ts';
import { samlProvider, type SamlDeps } from '../../src/sso/saml/provider.ts';
import { FormBrowser, formWith } from '../servers/saml-browser.ts';
import { startSamlStandIn } from '../servers/saml-stand-in.ts';
import { people, simpleSamlPhp, startSimpleSamlPhp } from '../servers/simplesamlphp.ts';

const ACS = 'https://tessera.example.com/v1/webapi/saml/acs/corp';
const ENTITY = 'https://tessera.example.com/sp';
const signing = await makeSamlKeyPair('signing', Date.now());
const assertion = await makeSamlKeyPair('assertion', Date.now());
const php = simpleSamlPhp();
const skip = typeof php === 'string' ? php : false;
const closing: (() => Promise<void>)[] = [];
after(() => Promise.all(closing.map((close) => close())));

type Idp = { readonly metadata: string; readonly metadataUrl: string; close(): Promise<void> };

function opened<T extends Idp>(idp: T): T {
  closing.push(() => idp.close());
  return idp;
}

function providerOf(idp: Idp, spec: Partial<SamlConnector['spec']> = {}, deps: Partial<SamlDeps> = {}) {
  const connector: SamlConnector = {
    kind: 'saml',
    version: 'v2',
    metadata: { name: 'corp' },
    spec: {
      acs: ACS,
      service_provider_issuer: ENTITY,
      entity_descriptor_url: idp.metadataUrl,
      attributes_to_roles: [],
      allow_idp_initiated: false,
      signing_key_pair: { cert: signing.cert },
      ...spec,
    },
  };
  const seen = new Set<string>();
  return samlProvider(
    connector,
    { signingKey: signing.private_key, assertionKey: assertion.private_key },
    {
      fetch,
      now: Date.now,
      assertionSeen: (id) => Promise.resolve(seen.size === seen.add(id).size),
      ...deps,
    },
  );
}

/** Signs in at the provider's form; gives the body that the browser would post to us. */
async function signIn(url: string, user: keyof typeof people): Promise<string> {
  const browser = new FormBrowser();
  const login = formWith('password', await browser.open(url));
  const page = await browser.open(
    login.action,
    new Map([...login.fields, ['username', user], ['password', people[user].password]]),
  );
  const answer = formWith('SAMLResponse', page);
  assert.equal(answer.action, ACS);
  const { SAMLResponse = '', RelayState } = Object.fromEntries(answer.fields);
  return new URLSearchParams({ SAMLResponse, ...(RelayState === undefined ? {} : { RelayState }) }).toString();
}

async function roundTrip(provider: ReturnType<typeof providerOf>, user: keyof typeof people) {
  const { redirectUrl, kept } = await provider.begin({ requestId: 'the-request' });
  const parameters = await signIn(redirectUrl, user);
  const answer = { parameters, kept, requestId: 'the-request' };
  const steps: string[] = [];
  const person = await provider.finish(answer, ({ name, ok, detail }) => void steps.push(`${name} ${ok} ${detail}`));
  return { person, answer, steps };
}

const providers = [
  { name: 'SimpleSAMLphp', skip, start: startSimpleSamlPhp },
  { name: 'the stand-in (samlp)', skip: false, start: startSamlStandIn },
] as const;
for (const { name, skip: without, start } of providers) {
  test(`${name}: alice and bob sign in; requests are signed; an answer is good once`, { skip: without }, async () => {
    const idp = opened(await start({ acs: ACS, entityId: ENTITY, signingCertificate: signing.cert }));
    const provider = providerOf(idp);
    const alice = await roundTrip(provider, 'alice');
    assert.equal(alice.person.username, 'alice');
    assert.deepEqual(alice.person.attributes['groups'], ['dba', 'dev']);
    assert.deepEqual(alice.person.attributes['email'], ['alice@example.com']);
    assert.ok(alice.steps.every((step) => step.includes(' true ')));
    const bob = await roundTrip(provider, 'bob');
    assert.equal(bob.person.username, 'bob');
    assert.deepEqual(bob.person.attributes['groups'], ['dev']);
    await assert.rejects(
      provider.finish(bob.answer, () => undefined),
      { code: 'SAML_REPLAY' },
    );
    await assert.rejects(
      provider.finish({ ...bob.answer, kept: { id: '_another' } }, () => undefined),
      {
        code: 'SAML_IN_RESPONSE_TO',
      },
    );
  });

  test(`${name}: only the assertion is signed; another audience is refused`, { skip: without }, async () => {
    const idp = opened(await start({ acs: ACS, entityId: ENTITY, signResponse: false }));
    const { steps } = await roundTrip(providerOf(idp, { username_attribute: 'email' }), 'alice');
    assert.ok(!steps.some((step) => step.includes('the response is signed too')));
    await assert.rejects(roundTrip(providerOf(idp, { audience: 'urn:another' }), 'alice'), { code: 'SAML_AUDIENCE' });
  });

  test(`${name}: a sign-in that begins there, where it is allowed`, { skip: without }, async () => {
    const idp = opened(await start({ acs: ACS, entityId: ENTITY }));
    const parameters = await signIn(idp.initiateUrl, 'alice');
    const answer = { parameters, kept: undefined, requestId: undefined };
    await assert.rejects(
      providerOf(idp).finish(answer, () => undefined),
      { code: 'SAML_UNSOLICITED' },
    );
    const person = await providerOf(idp, { allow_idp_initiated: true }).finish(answer, () => undefined);
    assert.equal(person.username, 'alice');
  });
}

test('SimpleSAMLphp refuses our request when another key signed it', { skip }, async () => {
  const idp = opened(await startSimpleSamlPhp({ acs: ACS, entityId: ENTITY, signingCertificate: assertion.cert }));
  const { redirectUrl } = await providerOf(idp).begin({ requestId: 'r' });
  await assert.rejects(signIn(redirectUrl, 'alice'), /no form with a field password/);
});

test('the stand-in (samlp): encrypted assertions', async () => {
  const idp = opened(await startSamlStandIn({ acs: ACS, entityId: ENTITY, encryptionCertificate: assertion.cert }));
  const { person, steps } = await roundTrip(providerOf(idp, { assertion_key_pair: { cert: assertion.cert } }), 'alice');
  assert.equal(person.username, 'alice');
  assert.ok(
    steps.some((step) => step.includes('was encrypted for us')),
    steps.join('\n'),
  );
});

test('SimpleSAMLphp 1.19 encrypts by AES-CBC, which is refused by name', { skip }, async () => {
  const idp = opened(await startSimpleSamlPhp({ acs: ACS, entityId: ENTITY, encryptionCertificate: assertion.cert }));
  await assert.rejects(roundTrip(providerOf(idp, { assertion_key_pair: { cert: assertion.cert } }), 'alice'), {
    code: 'SAML_ENCRYPTION_ALGORITHM',
    message: /AES-GCM.*aes128-cbc/,
  });
});
