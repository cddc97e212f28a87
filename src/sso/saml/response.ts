import { decryptAssertion } from './decrypt.ts';
import { fault, shown } from './fault.ts';
import type { IdpMetadata } from './idp-metadata.ts';
import type { SamlLimits } from './limits.ts';
import { isSigned, signedText } from './signature.ts';
import {
  childrenOf,
  decodeUtf8,
  everyElement,
  isElement,
  leafText,
  readXml,
  SAML_ASSERTION,
  SAML_PROTOCOL,
  type XmlDocument,
  type XmlElement,
} from './xml.ts';

/**
 * From an answer's XML to the one assertion in it, as its provider signed it. The Response around it may be anybody's: what it says can only lead to a refusal.
 */

export type ResponseExpectation = {
  readonly provider: IdpMetadata;
  /** The address that the answer came to. */
  readonly acs: string;
  /** The id of our request; undefined: nobody asked, and the answer must not claim otherwise. */
  readonly requestId: string | undefined;
  /** PEM. */
  readonly decryptionKey: string | undefined;
};

/** The assertion from its signed bytes and nothing else. */
export type SignedAssertion = {
  readonly assertion: XmlElement;
  readonly encrypted: boolean;
  readonly responseSigned: boolean;
};

/** Throws LoginError `SAML_*`. */
export async function signedAssertion(
  xml: string,
  expected: ResponseExpectation,
  limits: SamlLimits,
): Promise<SignedAssertion> {
  const document = await readXml(xml, limits);
  const { root } = document;
  if (!isElement(root, SAML_PROTOCOL, 'Response') || root.attributes.get('Version') !== '2.0')
    throw fault('SAML_RESPONSE_SHAPE', `expected a Response of SAML 2.0, got ${shown(root.name)}`);
  checkStatus(root);
  checkEnvelope(root, expected);
  const found = onlyAssertion(root);
  checkNothingElse(root, found);
  const responseSigned = isSigned(root);
  if (responseSigned && signedText(document, root, expected.provider.certificates) === undefined)
    throw untrusted('Response');
  const encrypted = found.name === 'EncryptedAssertion';
  const holder = encrypted ? await decrypted(found, expected, limits) : { document, assertion: found };
  return { assertion: await fromSignedBytes(holder, expected, limits), encrypted, responseSigned };
}

type Holder = { readonly document: XmlDocument; readonly assertion: XmlElement };

/** Whatever stood around the assertion is gone after this: the signature's own bytes are read anew. */
async function fromSignedBytes(
  { document, assertion }: Holder,
  expected: ResponseExpectation,
  limits: SamlLimits,
): Promise<XmlElement> {
  const text = signedText(document, assertion, expected.provider.certificates);
  if (text === undefined) throw untrusted('Assertion');
  const { root } = await readXml(text, limits);
  if (!isElement(root, SAML_ASSERTION, 'Assertion') || root.attributes.get('ID') !== assertion.attributes.get('ID'))
    throw fault('SAML_SIGNATURE_SHAPE', 'what is signed is not the assertion');
  checkNothingElse(root, root);
  if (isSigned(root)) throw fault('SAML_SIGNATURE_SHAPE', 'the signature is inside of what it signs');
  return root;
}

async function decrypted(found: XmlElement, expected: ResponseExpectation, limits: SamlLimits): Promise<Holder> {
  const plain = decryptAssertion(found, expected.decryptionKey);
  const document = await readXml(decodeUtf8(plain), limits);
  if (!isElement(document.root, SAML_ASSERTION, 'Assertion'))
    throw fault('SAML_ENCRYPTION_SHAPE', `expected an encrypted Assertion, got ${shown(document.root.name)}`);
  checkNothingElse(document.root, document.root);
  return { document, assertion: document.root };
}

function checkStatus(root: XmlElement): void {
  const [status, ...others] = childrenOf(root, SAML_PROTOCOL, 'Status');
  const [code, ...codes] = status === undefined ? [] : childrenOf(status, SAML_PROTOCOL, 'StatusCode');
  if (status === undefined || code === undefined || others.length + codes.length > 0)
    throw fault('SAML_RESPONSE_SHAPE', 'expected one Status with one StatusCode');
  const value = code.attributes.get('Value');
  if (value === SUCCESS) return;
  const second = childrenOf(code, SAML_PROTOCOL, 'StatusCode')[0]?.attributes.get('Value');
  throw fault(
    'SAML_STATUS',
    `the provider refused: ${shown(lastWord(value))} ${second === undefined ? '' : shown(lastWord(second))}`.trim(),
  );
}

/** None of it is signed when only the assertion is; the assertion says the same again (assertion.ts). */
function checkEnvelope(root: XmlElement, expected: ResponseExpectation): void {
  const destination = root.attributes.get('Destination');
  if (destination === undefined ? isSigned(root) : destination !== expected.acs)
    throw fault('SAML_DESTINATION', `expected Destination ${shown(expected.acs)}, got ${shown(destination)}`);
  const [issuer, ...issuers] = childrenOf(root, SAML_ASSERTION, 'Issuer');
  if (issuers.length > 0 || (issuer !== undefined && leafText(issuer) !== expected.provider.entityId))
    throw fault('SAML_ISSUER', `expected Issuer ${shown(expected.provider.entityId)}, got ${shown(issuer?.text)}`);
  checkInResponseTo(root.attributes.get('InResponseTo'), expected.requestId);
}

/** A claimed request must be ours, and the one that this browser waits for; an answer to nothing must not claim one. */
export function checkInResponseTo(got: string | undefined, requestId: string | undefined): void {
  if (got === requestId) return;
  if (requestId === undefined)
    throw fault(
      'SAML_IN_RESPONSE_TO',
      'the answer is to a request, and no such request waits (it expired, or was answered already)',
    );
  throw fault(
    'SAML_IN_RESPONSE_TO',
    `expected an answer to the request of this sign-in, got InResponseTo ${shown(got)}`,
  );
}

function onlyAssertion(root: XmlElement): XmlElement {
  const found = [
    ...childrenOf(root, SAML_ASSERTION, 'Assertion'),
    ...childrenOf(root, SAML_ASSERTION, 'EncryptedAssertion'),
  ];
  const [first, ...others] = found;
  if (first === undefined || others.length > 0)
    throw fault('SAML_ASSERTION_COUNT', `expected one assertion, got ${found.length}`);
  return first;
}

/**
 * Signature wrapping needs a second Response, Assertion or Signature somewhere (Somorovsky et al., "On Breaking SAML", 2012), under any name space. So none may be anywhere but in
 * the one place that is read.
 */
function checkNothingElse(root: XmlElement, assertion: XmlElement): void {
  for (const element of everyElement(root)) {
    if (element !== root && element !== assertion && WRAPPED.has(element.name))
      throw fault('SAML_WRAPPING', `another ${element.name} is inside of the answer`);
    for (const child of element.children)
      if (child.name === 'Signature' && element !== root && element !== assertion)
        throw fault('SAML_WRAPPING', 'a Signature is where none belongs');
  }
  const parts = root === assertion ? [] : root.children.filter((child) => !RESPONSE_PARTS.has(child.name));
  if (parts[0] !== undefined) throw fault('SAML_RESPONSE_SHAPE', `a Response has no ${shown(parts[0].name)}`);
}

function untrusted(what: string): Error {
  return fault(
    'SAML_SIGNATURE_INVALID',
    `the signature of the ${what} is not of any certificate in the provider's metadata, or what it signed was changed`,
  );
}

function lastWord(value: string | undefined): string | undefined {
  return value?.slice(value.lastIndexOf(':') + 1);
}

const SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success';
const WRAPPED: ReadonlySet<string> = new Set(['Assertion', 'EncryptedAssertion', 'Response', 'ArtifactResponse']);
const RESPONSE_PARTS: ReadonlySet<string> = new Set([
  'Issuer',
  'Signature',
  'Extensions',
  'Status',
  'Assertion',
  'EncryptedAssertion',
]);
