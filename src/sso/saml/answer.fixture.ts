import { constants, createCipheriv, publicEncrypt, randomBytes, X509Certificate } from 'node:crypto';
import { signXml } from '@node-saml/node-saml/lib/xml.js';
import type { SamlConnector } from '../../resource/resource.ts';
import { makeSamlKeyPair, type SamlKeyPair } from './key-pair.ts';
import type { SamlDeps } from './provider.ts';

/** A provider of our own making, for tests: it says and signs whatever it is asked to, also what no honest one would. */

export const NOW = Date.UTC(2026, 0, 15, 12);
export const ACS = 'https://tessera.example.com/v1/webapi/saml/acs/corp';
export const IDP = 'https://idp.example.com/metadata';
export const SIGN_IN_URL = 'https://idp.example.com/sso';

const [idpKeys, otherKeys, signingKeys, assertionKeys] = await Promise.all(
  ['idp', 'other', 'signing', 'assertion'].map((name) => makeSamlKeyPair(name, NOW)),
);
if (!idpKeys || !otherKeys || !signingKeys || !assertionKeys) throw new Error('no keys');
export const keys = { idp: idpKeys, other: otherKeys, signing: signingKeys, assertion: assertionKeys };

export type MetadataOptions = {
  readonly certificates?: readonly string[];
  readonly entityId?: string;
  readonly signInUrl?: string;
  /** Attributes of the EntityDescriptor, as text. */
  readonly attributes?: string;
};

export function idpMetadata(options: MetadataOptions = {}): string {
  const { certificates = [keys.idp.cert], entityId = IDP, signInUrl = SIGN_IN_URL, attributes = '' } = options;
  return `<?xml version="1.0"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="${entityId}" ${attributes}>
  <!-- providers like to comment here -->
  <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    ${certificates.map((pem) => `<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>${base64Of(pem)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`).join('\n    ')}
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/post"/>
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="${signInUrl}"/>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>`;
}

export function samlConnector(spec: Partial<SamlConnector['spec']> = {}): SamlConnector {
  return {
    kind: 'saml',
    version: 'v2',
    metadata: { name: 'corp' },
    spec: {
      acs: ACS,
      entity_descriptor: idpMetadata(),
      attributes_to_roles: [],
      allow_idp_initiated: false,
      signing_key_pair: { cert: keys.signing.cert },
      assertion_key_pair: { cert: keys.assertion.cert },
      ...spec,
    },
  };
}

export const secrets = { signingKey: keys.signing.private_key, assertionKey: keys.assertion.private_key };

/** A clock that can be set and a memory of assertions. */
export function samlDeps(): SamlDeps & { nowMs: number; readonly seen: Map<string, number> } {
  const seen = new Map<string, number>();
  const deps = {
    nowMs: NOW,
    seen,
    now: () => deps.nowMs,
    fetch: () => Promise.reject(new Error('nothing is to be fetched')),
    assertionSeen: (id: string, untilMs: number) => {
      const known = seen.has(id);
      seen.set(id, untilMs);
      return Promise.resolve(known);
    },
  };
  return deps;
}

/** Everything that an answer says; a test changes one thing. undefined leaves it out. */
export type Said = {
  readonly responseIssuer: string | undefined;
  readonly issuer: string;
  readonly destination: string | undefined;
  readonly recipient: string | undefined;
  readonly audience: string | undefined;
  readonly inResponseTo: string | undefined;
  readonly subjectInResponseTo: string | undefined;
  readonly status: string;
  readonly nameId: string;
  readonly nameIdFormat: string;
  readonly attributes: string;
  readonly issuedMs: number;
  readonly notBeforeMs: number;
  readonly notOnOrAfterMs: number;
  readonly confirmedUntilMs: number | undefined;
  readonly sessionUntilMs: number;
  readonly responseId: string;
  readonly assertionId: string;
  readonly extraCondition: string;
  readonly authnStatement: boolean;
};

export function said(change: Partial<Said> & { readonly requestId?: string | undefined } = {}): Said {
  const minute = 60_000;
  return {
    responseIssuer: IDP,
    issuer: IDP,
    destination: ACS,
    recipient: ACS,
    audience: ACS,
    inResponseTo: change.requestId,
    subjectInResponseTo: change.requestId,
    status: 'urn:oasis:names:tc:SAML:2.0:status:Success',
    nameId: 'alice',
    nameIdFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    attributes: attribute('groups', ['dba', 'dev']) + attribute('email', ['alice@example.com']),
    issuedMs: NOW,
    notBeforeMs: NOW - minute,
    notOnOrAfterMs: NOW + 5 * minute,
    confirmedUntilMs: NOW + 5 * minute,
    sessionUntilMs: NOW + 480 * minute,
    responseId: `_r${randomBytes(8).toString('hex')}`,
    assertionId: `_a${randomBytes(8).toString('hex')}`,
    extraCondition: '',
    authnStatement: true,
    ...change,
  };
}

export function attribute(name: string, values: readonly string[]): string {
  return `<saml:Attribute Name="${name}">${values.map((value) => `<saml:AttributeValue>${value}</saml:AttributeValue>`).join('')}</saml:Attribute>`;
}

export function assertionXml(what: Said): string {
  const data = [
    optional('InResponseTo', what.subjectInResponseTo),
    optional('Recipient', what.recipient),
    what.confirmedUntilMs === undefined ? '' : ` NotOnOrAfter="${iso(what.confirmedUntilMs)}"`,
  ].join('');
  return [
    `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${what.assertionId}" Version="2.0" IssueInstant="${iso(what.issuedMs)}">`,
    `<saml:Issuer>${what.issuer}</saml:Issuer>`,
    `<saml:Subject><saml:NameID Format="${what.nameIdFormat}">${what.nameId}</saml:NameID>`,
    `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData${data}/></saml:SubjectConfirmation></saml:Subject>`,
    `<saml:Conditions NotBefore="${iso(what.notBeforeMs)}" NotOnOrAfter="${iso(what.notOnOrAfterMs)}">`,
    what.audience === undefined
      ? ''
      : `<saml:AudienceRestriction><saml:Audience>${what.audience}</saml:Audience></saml:AudienceRestriction>`,
    `${what.extraCondition}</saml:Conditions>`,
    what.authnStatement
      ? `<saml:AuthnStatement AuthnInstant="${iso(what.issuedMs)}" SessionIndex="_s1" SessionNotOnOrAfter="${iso(what.sessionUntilMs)}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`
      : '',
    `<saml:AttributeStatement>${what.attributes}</saml:AttributeStatement>`,
    '</saml:Assertion>',
  ].join('');
}

export function responseXml(what: Said, assertion: string): string {
  return [
    `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="${what.responseId}" Version="2.0" IssueInstant="${iso(what.issuedMs)}"${optional('Destination', what.destination)}${optional('InResponseTo', what.inResponseTo)}>`,
    what.responseIssuer === undefined
      ? ''
      : `<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">${what.responseIssuer}</saml:Issuer>`,
    `<samlp:Status><samlp:StatusCode Value="${what.status}"/></samlp:Status>`,
    assertion,
    '</samlp:Response>',
  ].join('');
}

export type SigningOptions = {
  readonly keys?: SamlKeyPair;
  readonly signatureAlgorithm?: 'sha1' | 'sha256' | 'sha512';
  readonly digestAlgorithm?: 'sha1' | 'sha256' | 'sha512';
  readonly transforms?: readonly string[];
};

/** Signs the element at the root, after its Issuer; the signer's certificate goes into KeyInfo. */
export function signRoot(xml: string, options: SigningOptions = {}): string {
  const { keys: pair = keys.idp, signatureAlgorithm = 'sha256', digestAlgorithm = signatureAlgorithm } = options;
  return signXml(
    xml,
    '/*',
    { reference: "/*/*[local-name()='Issuer']", action: 'after' },
    {
      privateKey: pair.private_key,
      publicCert: pair.cert,
      signatureAlgorithm,
      digestAlgorithm,
      ...(options.transforms === undefined ? {} : { xmlSignatureTransforms: [...options.transforms] }),
    },
  );
}

/** The ordinary answer: the assertion is signed, the response is not. */
export function answerXml(what: Said, signing: SigningOptions = {}): string {
  return responseXml(what, signRoot(assertionXml(what), signing));
}

export type EncryptionOptions = {
  readonly cert?: string;
  readonly content?: 'aes128-gcm' | 'aes256-gcm' | 'aes256-cbc';
  readonly key?: 'rsa-oaep-mgf1p' | 'rsa-oaep' | 'rsa-1_5';
  /** The key stands beside the data, under this id, and the data names it by this URI. */
  readonly beside?: { readonly id: string; readonly uri: string };
};

/** An EncryptedAssertion of the text. */
export function encryptAssertion(xml: string, options: EncryptionOptions = {}): string {
  const { cert = keys.assertion.cert, content = 'aes256-gcm', key = 'rsa-oaep-mgf1p', beside } = options;
  const cbc = content === 'aes256-cbc';
  const secret = randomBytes(content === 'aes128-gcm' ? 16 : 32);
  const iv = randomBytes(cbc ? 16 : 12);
  const sealed = cbc ? cbcOf(secret, iv, xml) : gcmOf(secret, iv, xml);
  const sealedKey = publicEncrypt(
    {
      key: new X509Certificate(cert).publicKey,
      padding: key === 'rsa-1_5' ? constants.RSA_PKCS1_PADDING : constants.RSA_PKCS1_OAEP_PADDING,
      ...(key === 'rsa-1_5' ? {} : { oaepHash: key === 'rsa-oaep' ? 'sha256' : 'sha1' }),
    },
    secret,
  );
  const space = content.endsWith('gcm') ? 'http://www.w3.org/2009/xmlenc11#' : 'http://www.w3.org/2001/04/xmlenc#';
  const method =
    key === 'rsa-oaep'
      ? '<xenc:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#rsa-oaep"><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><MGF xmlns="http://www.w3.org/2009/xmlenc11#" Algorithm="http://www.w3.org/2009/xmlenc11#mgf1sha256"/></xenc:EncryptionMethod>'
      : `<xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#${key}"/>`;
  const keyXml = (attributes: string): string =>
    `<xenc:EncryptedKey${attributes}>${method}<xenc:CipherData><xenc:CipherValue>${sealedKey.toString('base64')}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>`;
  return [
    '<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">',
    '<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Type="http://www.w3.org/2001/04/xmlenc#Element">',
    `<xenc:EncryptionMethod Algorithm="${space}${content}"/>`,
    beside === undefined
      ? `<ds:KeyInfo>${keyXml('')}</ds:KeyInfo>`
      : `<ds:KeyInfo><ds:RetrievalMethod Type="http://www.w3.org/2001/04/xmlenc#EncryptedKey" URI="${beside.uri}"/></ds:KeyInfo>`,
    `<xenc:CipherData><xenc:CipherValue>${Buffer.concat([iv, sealed]).toString('base64')}</xenc:CipherValue></xenc:CipherData>`,
    '</xenc:EncryptedData>',
    beside === undefined
      ? ''
      : keyXml(
          ` Id="${beside.id}" xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"`,
        ),
    '</saml:EncryptedAssertion>',
  ].join('');
}

function gcmOf(secret: Buffer, iv: Buffer, text: string): Buffer {
  const cipher = createCipheriv(secret.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm', secret, iv);
  return Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

function cbcOf(secret: Buffer, iv: Buffer, text: string): Buffer {
  const cipher = createCipheriv('aes-256-cbc', secret, iv);
  return Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
}

/** The form that a browser posts. */
export function formOf(xml: string | Buffer, relayState?: string): string {
  const fields = new URLSearchParams({ SAMLResponse: Buffer.from(xml).toString('base64') });
  if (relayState !== undefined) fields.set('RelayState', relayState);
  return fields.toString();
}

export function base64Of(pem: string): string {
  return pem.replaceAll(/-----[^-]+-----|\s/g, '');
}

function optional(name: string, value: string | undefined): string {
  return value === undefined ? '' : ` ${name}="${value}"`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
