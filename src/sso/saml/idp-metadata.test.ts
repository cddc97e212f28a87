import 'reflect-metadata';
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import * as x509 from '@peculiar/x509';
import { IDP, idpMetadata, keys, NOW, SIGN_IN_URL } from './answer.fixture.ts';
import { parseIdpMetadata } from './idp-metadata.ts';
import { SAML_LIMITS } from './limits.ts';

const parse = (xml: string, limits = {}) => parseIdpMetadata(xml, NOW, { ...SAML_LIMITS, ...limits });
const honest = idpMetadata();

test('name, address by redirect, certificates', async () => {
  const found = await parse(honest);
  assert.deepEqual(
    { ...found, certificates: found.certificates.length },
    { entityId: IDP, signInUrl: SIGN_IN_URL, certificates: 1 },
  );
  assert.equal(found.certificates[0]?.trim(), keys.idp.cert.trim());
});

test('several signing certificates (rollover), each once; keys for encryption are not taken', async () => {
  const xml = idpMetadata({ certificates: [keys.idp.cert, keys.other.cert, keys.idp.cert] }).replace(
    '<md:SingleSignOnService',
    `<md:KeyDescriptor use="encryption"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>${keys.assertion.cert.replaceAll(/-----[^-]+-----|\s/g, '')}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:SingleSignOnService`,
  );
  assert.equal((await parse(xml)).certificates.length, 2);
});

test('a key descriptor without a use signs too', async () =>
  assert.equal((await parse(honest.replace(' use="signing"', ''))).certificates.length, 1));

test('the provider of an EntitiesDescriptor, when there is one', async () => {
  const entity = honest.replace(/^<\?xml[^>]*>\n/, '');
  const of = (...entities: readonly string[]): string =>
    `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">${entities.join('')}</md:EntitiesDescriptor>`;
  const other = '<md:EntityDescriptor entityID="urn:sp"><md:SPSSODescriptor/></md:EntityDescriptor>';
  assert.equal((await parse(of(other, entity))).entityId, IDP);
  await assert.rejects(parse(of(entity, entity)), { code: 'SAML_METADATA_INVALID', message: /got 2/ });
});

test('validUntil: kept, and refused when it is over', async () => {
  const until = (ms: number): string => idpMetadata({ attributes: `validUntil="${new Date(ms).toISOString()}"` });
  assert.equal((await parse(until(NOW + 1))).validUntilMs, NOW + 1);
  await assert.rejects(parse(until(NOW)), { code: 'SAML_METADATA_EXPIRED' });
  await assert.rejects(parse(until(NOW).replace(/validUntil="[^"]*"/, 'validUntil="tomorrow"')), {
    code: 'SAML_METADATA_INVALID',
  });
});

test('the earliest validUntil counts', async () => {
  const xml = idpMetadata({ attributes: `validUntil="${new Date(NOW + 9).toISOString()}"` }).replace(
    '<md:IDPSSODescriptor',
    `<md:IDPSSODescriptor validUntil="${new Date(NOW + 5).toISOString()}"`,
  );
  assert.equal((await parse(xml)).validUntilMs, NOW + 5);
});

for (const [text, want] of [
  ['PT1H30M', 5_400_000],
  ['P1D', 86_400_000],
  ['PT10.5S', 10_000],
  ['P1M', undefined],
  ['soon', undefined],
] as const)
  test(`cacheDuration ${text}`, async () =>
    assert.equal((await parse(idpMetadata({ attributes: `cacheDuration="${text}"` }))).cacheMs, want));

const refused = [
  { name: 'no XML', xml: 'not found', says: /root/ },
  { name: 'a page', xml: '<html><body/></html>', says: /one EntityDescriptor/ },
  { name: 'a DOCTYPE', xml: `<!DOCTYPE x>${honest.replace(/^<\?xml[^>]*>\n/, '')}`, says: /DOCTYPE/ },
  { name: 'no entityID', xml: idpMetadata({ entityId: '' }), says: /entityID/ },
  { name: 'a long entityID', xml: idpMetadata({ entityId: 'x'.repeat(1025) }), says: /entityID/ },
  {
    name: 'SAML 1.1',
    xml: honest.replace('urn:oasis:names:tc:SAML:2.0:protocol', 'urn:oasis:names:tc:SAML:1.1:protocol'),
    says: /SAML 2.0/,
  },
  {
    name: 'no redirect binding',
    xml: honest.replace('bindings:HTTP-Redirect', 'bindings:SOAP'),
    says: /HTTP-Redirect/,
  },
  { name: 'http', xml: idpMetadata({ signInUrl: 'http://idp.example.com/sso' }), says: /https/ },
  { name: 'a script', xml: idpMetadata({ signInUrl: 'javascript:alert(1)' }), says: /https/ },
  { name: 'no certificate', xml: idpMetadata({ certificates: [] }), says: /signing certificate/ },
  { name: 'no certificate in X509Certificate', xml: idpMetadata({ certificates: ['AAAA'] }), says: /cannot be read/ },
  {
    name: 'too many certificates',
    xml: idpMetadata({ certificates: [keys.idp.cert, keys.other.cert] }),
    limits: { maxCertificates: 1 },
    says: /maxCertificates 1/,
  },
  { name: 'too large', xml: honest, limits: { maxMetadataBytes: 100 }, says: /maxMetadataBytes 100/ },
];
for (const { name, xml, limits, says } of refused)
  test(`refused: ${name}`, () =>
    assert.rejects(parse(xml, limits), { name: 'UpstreamError', code: 'SAML_METADATA_INVALID', message: says }));

test('refused: keys that no signature of ours can be checked with', async () => {
  const cert = async (
    pair: { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
    algorithm: { name: string; hash: string; namedCurve?: string },
  ) =>
    (
      await x509.X509CertificateGenerator.createSelfSigned({
        name: 'CN=x',
        serialNumber: '01',
        notBefore: new Date(NOW),
        notAfter: new Date(NOW + 1000),
        signingAlgorithm: algorithm,
        keys: {
          privateKey: pair.privateKey.toCryptoKey(algorithm, false, ['sign']),
          publicKey: pair.publicKey.toCryptoKey(algorithm, true, ['verify']),
        },
      })
    ).toString('pem');
  const small = await cert(generateKeyPairSync('rsa', { modulusLength: 1024 }), {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
  });
  const curve = await cert(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }), {
    name: 'ECDSA',
    hash: 'SHA-256',
    namedCurve: 'P-256',
  });
  await assert.rejects(parse(idpMetadata({ certificates: [small] })), { message: /RSA key of 1024 bits/ });
  await assert.rejects(parse(idpMetadata({ certificates: [curve] })), { message: /type ec/ });
  assert.equal((await parse(idpMetadata({ certificates: [small, curve, keys.idp.cert] }))).certificates.length, 1);
});

for (const [url, want] of [
  ['https://idp.example.com/x', true],
  ['http://127.0.0.1:8080/x', true],
  ['http://[::1]/x', true],
  ['http://localhost/x', true],
  ['http://localhost.example.com/x', false],
  ['http://10.0.0.1/x', false],
  ['https://user:secret@idp.example.com/', false],
  ['file:///etc/passwd', false],
  ['nothing', false],
] as const)
  test(`address ${url}`, async () => {
    const found = parse(idpMetadata({ signInUrl: url }));
    if (want) assert.equal((await found).signInUrl, url);
    else await assert.rejects(found, { message: /https URL/ });
  });
