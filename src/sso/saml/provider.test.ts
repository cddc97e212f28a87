import assert from 'node:assert/strict';
import { createPrivateKey, createVerify, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { inflateRawSync } from 'node:zlib';
import type { Trace } from '../connector.ts';
import {
  ACS,
  answerXml,
  assertionXml,
  encryptAssertion,
  formOf,
  idpMetadata,
  keys,
  NOW,
  responseXml,
  said,
  samlConnector,
  samlDeps,
  secrets,
  SIGN_IN_URL,
  signRoot,
} from './answer.fixture.ts';
import { makeSamlKeyPair } from './key-pair.ts';
import { serviceProviderMetadata } from './metadata.ts';
import { samlProvider, type SamlDeps } from './provider.ts';
import { SAML_LIMITS } from './limits.ts';
import { everyElement, readXml } from './xml.ts';

const quiet: Trace = () => undefined;

test('begin: a signed request by redirect to the provider, RelayState is the request id', async () => {
  const provider = samlProvider(samlConnector(), secrets, samlDeps());
  const { redirectUrl, kept } = await provider.begin({ requestId: 'the-request' });
  const url = new URL(redirectUrl);
  assert.equal(url.origin + url.pathname, SIGN_IN_URL);
  assert.equal(url.searchParams.get('RelayState'), 'the-request');
  assert.equal(url.searchParams.get('SigAlg'), 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256');
  const xml = inflateRawSync(Buffer.from(url.searchParams.get('SAMLRequest') ?? '', 'base64')).toString();
  const { root } = await readXml(xml, SAML_LIMITS);
  assert.equal(root.name, 'AuthnRequest');
  assert.deepEqual(kept, { id: root.attributes.get('ID') });
  assert.equal(root.attributes.get('AssertionConsumerServiceURL'), ACS);
  assert.equal(root.attributes.get('Destination'), SIGN_IN_URL);
  assert.deepEqual(
    root.children.map((child) => child.name),
    ['Issuer', 'NameIDPolicy'],
  );
  assert.equal(root.children[0]?.text, ACS);
  assert.equal(root.children[1]?.attributes.get('Format'), undefined);

  // What is signed: the query as it stands in the address, up to the signature (SAML bindings section 3.4.4.1).
  const [query, signature] = url.search.slice(1).split('&Signature=');
  const verify = createVerify('RSA-SHA256').update(query ?? '');
  assert.ok(
    verify.verify(new X509Certificate(keys.signing.cert).publicKey, decodeURIComponent(signature ?? ''), 'base64'),
  );
});

test('begin: every request has an id of its own, and a request id has a bound', async () => {
  const provider = samlProvider(samlConnector(), secrets, samlDeps());
  const [one, two] = await Promise.all([provider.begin({ requestId: 'r' }), provider.begin({ requestId: 'r' })]);
  assert.notDeepEqual(one.kept, two.kept);
  await assert.rejects(provider.begin({ requestId: 'r'.repeat(81) }), { code: 'SAML_RELAY_STATE' });
  await assert.rejects(provider.begin({ requestId: '' }), { code: 'SAML_RELAY_STATE' });
});

test('begin: the name at the provider is service_provider_issuer', async () => {
  const provider = samlProvider(samlConnector({ service_provider_issuer: 'urn:tessera' }), secrets, samlDeps());
  const { redirectUrl } = await provider.begin({ requestId: 'r' });
  const request = new URL(redirectUrl).searchParams.get('SAMLRequest') ?? '';
  assert.match(inflateRawSync(Buffer.from(request, 'base64')).toString(), />urn:tessera</);
});

test('begin: an address with a query keeps it', async () => {
  const connector = samlConnector({ entity_descriptor: idpMetadata({ signInUrl: `${SIGN_IN_URL}?tenant=1` }) });
  const { redirectUrl } = await samlProvider(connector, secrets, samlDeps()).begin({ requestId: 'r' });
  const { searchParams } = new URL(redirectUrl);
  assert.equal(searchParams.get('tenant'), '1');
  assert.ok(searchParams.has('Signature'));
});

test('finish: the person, and each step is told', async () => {
  const deps = samlDeps();
  const provider = samlProvider(samlConnector(), secrets, deps);
  const { kept } = await provider.begin({ requestId: 'r' });
  const steps: string[] = [];
  const xml = answerXml(said({ requestId: (kept as { id: string }).id }));
  const answer = { parameters: formOf(xml, 'r'), kept, requestId: 'r' };
  const person = await provider.finish(answer, ({ name, ok }) => void steps.push(`${name} ${ok}`));
  assert.deepEqual(person.attributes, { groups: ['dba', 'dev'], email: ['alice@example.com'] });
  assert.equal(person.subject, 'alice');
  assert.deepEqual(steps, [
    'answer true',
    'signature true',
    'assertion true',
    'attributes true',
    'username true',
    'first use true',
  ]);
  assert.deepEqual([...deps.seen.values()], [NOW + 6 * 60_000]);
  steps.length = 0;
  await assert.rejects(
    provider.finish(answer, ({ name, ok }) => void steps.push(`${name} ${ok}`)),
    { code: 'SAML_REPLAY' },
  );
  assert.equal(steps.at(-1), 'first use false');
});

const accepted = [
  { name: 'assertion and response signed', xml: (id: string) => signRoot(answerXml(said({ requestId: id }))) },
  {
    name: 'signed with SHA-512',
    xml: (id: string) => answerXml(said({ requestId: id }), { signatureAlgorithm: 'sha512' }),
  },
  { name: 'encrypted', xml: (id: string) => encrypted(id, {}) },
  { name: 'encrypted by AES-128-GCM', xml: (id: string) => encrypted(id, { content: 'aes128-gcm' }) },
  { name: 'encrypted by RSA-OAEP with SHA-256', xml: (id: string) => encrypted(id, { key: 'rsa-oaep' }) },
  {
    name: 'encrypted, the key beside the data',
    xml: (id: string) => encrypted(id, { beside: { id: '_k', uri: '#_k' } }),
  },
  { name: 'encrypted, and the response signed', xml: (id: string) => signRoot(encrypted(id, {})) },
  {
    name: 'no Destination and no Issuer in an unsigned response',
    xml: (id: string) => answerXml(said({ requestId: id, destination: undefined, responseIssuer: undefined })),
  },
  {
    name: 'a clock that is nearly a minute ahead',
    xml: (id: string) => answerXml(said({ requestId: id, notBeforeMs: NOW + 59_000, issuedMs: NOW + 59_000 })),
  },
  {
    name: 'a clock that is nearly a minute behind',
    xml: (id: string) =>
      answerXml(said({ requestId: id, notOnOrAfterMs: NOW - 59_000, confirmedUntilMs: NOW - 59_000 })),
  },
  { name: 'OneTimeUse', xml: (id: string) => answerXml(said({ requestId: id, extraCondition: '<saml:OneTimeUse/>' })) },
  {
    name: 'a confirmation that does not hold beside one that does',
    xml: (id: string) => {
      const what = said({ requestId: id });
      const other =
        '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData Recipient="https://other.example.com"/></saml:SubjectConfirmation>';
      return responseXml(
        what,
        signRoot(assertionXml(what).replace('<saml:SubjectConfirmation ', `${other}<saml:SubjectConfirmation `)),
      );
    },
  },
];
for (const { name, xml } of accepted)
  test(`accepted: ${name}`, async () => {
    const provider = samlProvider(samlConnector(), secrets, samlDeps());
    const { kept } = await provider.begin({ requestId: 'r' });
    const parameters = formOf(xml((kept as { id: string }).id), 'r');
    assert.equal((await provider.finish({ parameters, kept, requestId: 'r' }, quiet)).username, 'alice');
  });

test('the audience is the connector’s, else its name at the provider, else the address', async () => {
  const unsolicited = (spec: Parameters<typeof samlConnector>[0], audience: string) =>
    samlProvider(samlConnector({ ...spec, allow_idp_initiated: true }), secrets, samlDeps()).finish(
      { parameters: formOf(answerXml(said({ audience }))), kept: undefined, requestId: undefined },
      quiet,
    );
  assert.ok(await unsolicited({ audience: 'urn:a', service_provider_issuer: 'urn:b' }, 'urn:a'));
  assert.ok(await unsolicited({ service_provider_issuer: 'urn:b' }, 'urn:b'));
  assert.ok(await unsolicited({}, ACS));
  await assert.rejects(unsolicited({ audience: 'urn:a' }, ACS), { code: 'SAML_AUDIENCE' });
});

const forms = [
  { name: 'nothing', parameters: '' },
  { name: 'two answers', parameters: `${formOf('<a/>', 'r')}&SAMLResponse=x` },
  { name: 'two relay states', parameters: `${formOf('<a/>', 'r')}&RelayState=x` },
  { name: 'a request', parameters: `${formOf('<a/>', 'r')}&SAMLRequest=x` },
  { name: 'no base64', parameters: 'SAMLResponse=%3Ca%2F%3E&RelayState=r' },
];
for (const { name, parameters } of forms)
  test(`a form with ${name}`, () =>
    assert.rejects(
      samlProvider(samlConnector(), secrets, samlDeps()).finish(
        { parameters, kept: { id: '_r' }, requestId: 'r' },
        quiet,
      ),
      { code: 'SAML_FORM' },
    ));

test('what was kept must be of this provider', () =>
  assert.rejects(
    samlProvider(samlConnector(), secrets, samlDeps()).finish(
      { parameters: formOf('<a/>', 'r'), kept: { nonce: 'of OIDC' }, requestId: 'r' },
      quiet,
    ),
    { code: 'SAML_REQUEST_UNKNOWN' },
  ));

test('a provider by URL that changed its key: newer metadata is fetched, once', async () => {
  const deps = { ...samlDeps(), nowMs: NOW };
  let fetched = 0;
  const byUrl: SamlDeps = {
    ...deps,
    now: () => deps.nowMs,
    fetch: () => {
      fetched += 1;
      return Promise.resolve(
        new Response(idpMetadata({ certificates: [fetched === 1 ? keys.other.cert : keys.idp.cert] })),
      );
    },
  };
  const connector = samlConnector({
    entity_descriptor_url: 'https://idp.example.com/metadata',
    allow_idp_initiated: true,
  });
  const { entity_descriptor: _, ...spec } = connector.spec;
  const provider = samlProvider({ ...connector, spec }, secrets, byUrl);
  await provider.begin({ requestId: 'r' });
  const finish = () =>
    provider.finish({ parameters: formOf(answerXml(said())), kept: undefined, requestId: undefined }, quiet);
  await assert.rejects(finish(), { code: 'SAML_SIGNATURE_INVALID' }, 'not asked again within a minute');
  assert.equal(fetched, 1);
  deps.nowMs += 60_000;
  assert.equal((await finish()).username, 'alice');
  assert.equal(fetched, 2);
});

test('a connector without metadata', async () => {
  const connector = samlConnector();
  const { entity_descriptor: _, ...spec } = connector.spec;
  await assert.rejects(samlProvider({ ...connector, spec }, secrets, samlDeps()).begin({ requestId: 'r' }), {
    code: 'SAML_METADATA_MISSING',
  });
});

test('our own metadata: name, address, both keys, what we want; nothing private', async () => {
  const xml = serviceProviderMetadata(samlConnector({ service_provider_issuer: 'https://t.example.com/?a=1&b="2"' }));
  const { root } = await readXml(xml, SAML_LIMITS);
  assert.equal(root.attributes.get('entityID'), 'https://t.example.com/?a=1&b="2"');
  const elements = [...everyElement(root)];
  const descriptor = elements.find((element) => element.name === 'SPSSODescriptor');
  assert.equal(descriptor?.attributes.get('AuthnRequestsSigned'), 'true');
  assert.equal(descriptor?.attributes.get('WantAssertionsSigned'), 'true');
  assert.deepEqual(
    elements.filter((element) => element.name === 'KeyDescriptor').map((element) => element.attributes.get('use')),
    ['signing', 'encryption'],
  );
  assert.deepEqual(
    elements
      .filter((element) => element.name === 'X509Certificate')
      .map((element) => new X509Certificate(Buffer.from(element.text, 'base64')).subject),
    ['O=Tessera\nCN=saml signing', 'O=Tessera\nCN=saml assertion'],
  );
  assert.equal(
    elements.find((element) => element.name === 'AssertionConsumerService')?.attributes.get('Location'),
    ACS,
  );
  assert.ok(!/PRIVATE|cbc|1_5/.test(xml));
});

test('our own metadata without keys', () => {
  const connector = samlConnector();
  const { signing_key_pair: _, assertion_key_pair: __, ...spec } = connector.spec;
  const xml = serviceProviderMetadata({ ...connector, spec });
  assert.ok(xml.includes('AuthnRequestsSigned="false"'));
  assert.ok(!xml.includes('KeyDescriptor'));
});

test('a key pair: RSA, its certificate says its name and signs itself', async () => {
  const pair = await makeSamlKeyPair('x'.repeat(100), NOW);
  const certificate = new X509Certificate(pair.cert);
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.modulusLength, 3072);
  assert.ok(certificate.verify(certificate.publicKey));
  assert.match(certificate.subject, /CN=saml x{59}$/);
  assert.match(pair.private_key, /^-----BEGIN PRIVATE KEY-----/);
  assert.ok(certificate.checkPrivateKey(createPrivateKey(pair.private_key)));
});

function encrypted(id: string, options: Parameters<typeof encryptAssertion>[1]): string {
  const what = said({ requestId: id });
  return responseXml(what, encryptAssertion(signRoot(assertionXml(what)), options));
}
