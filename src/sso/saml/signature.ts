import { getVerifiedXml } from '@node-saml/node-saml/lib/xml.js';
import { fault, shown } from './fault.ts';
import { childrenOf, isElement, leafText, XML_SIGNATURE, type XmlDocument, type XmlElement } from './xml.ts';

/**
 * XML signatures in the one shape that SAML allows (SAML core section 5.4): enveloped, of the whole element by its id, exclusive canonicalization, SHA-2. The shape is checked here; the
 * cryptography and the canonical bytes are xml-crypto's, by way of node-saml. Only those bytes are ever read afterwards.
 */

/**
 * The canonical text of `element` as one of the certificates signed it, without the signature; undefined when none of them did. What a KeyInfo says is not looked at.
 * Throws LoginError `SAML_SIGNATURE_*` for a signature of another shape, and `SAML_SIGNATURE_MISSING` when there is none.
 */
export function signedText(
  document: XmlDocument,
  element: XmlElement,
  certificates: readonly string[],
): string | undefined {
  const [signature, ...others] = childrenOf(element, XML_SIGNATURE, 'Signature');
  if (signature === undefined) throw fault('SAML_SIGNATURE_MISSING', `the ${element.name} is not signed`);
  if (others.length > 0) throw fault('SAML_SIGNATURE_SHAPE', `the ${element.name} has several signatures`);
  checkShape(signature, element);
  try {
    return getVerifiedXml(document.text, document.nodeOf(element) as never, [...certificates]) ?? undefined;
  } catch (cause) {
    throw fault('SAML_SIGNATURE_SHAPE', `the signature of the ${element.name} cannot be checked`, cause);
  }
}

/** How many signatures stand directly in an element. */
export function isSigned(element: XmlElement): boolean {
  return childrenOf(element, XML_SIGNATURE, 'Signature').length > 0;
}

function checkShape(signature: XmlElement, element: XmlElement): void {
  const [info, value, keyInfo, ...rest] = signature.children;
  if (
    info === undefined ||
    !isElement(info, XML_SIGNATURE, 'SignedInfo') ||
    value === undefined ||
    !isElement(value, XML_SIGNATURE, 'SignatureValue') ||
    leafText(value) === undefined ||
    (keyInfo !== undefined && !isElement(keyInfo, XML_SIGNATURE, 'KeyInfo')) ||
    rest.length > 0
  )
    throw shape('expected SignedInfo, SignatureValue and at most a KeyInfo');
  checkSignedInfo(info, element);
}

function checkSignedInfo(info: XmlElement, element: XmlElement): void {
  const [canonicalization, method, reference, ...rest] = info.children;
  if (
    !isOf(canonicalization, 'CanonicalizationMethod') ||
    !isOf(method, 'SignatureMethod') ||
    !isOf(reference, 'Reference') ||
    rest.length > 0
  )
    throw shape('expected a SignedInfo with one Reference');
  if (algorithmOf(canonicalization) !== EXCLUSIVE || hasOther(canonicalization.children, 'InclusiveNamespaces'))
    throw shape('expected exclusive canonicalization without comments');
  const algorithm = algorithmOf(method);
  if (!SIGNATURES.has(algorithm) || method.children.length > 0)
    throw fault(
      'SAML_SIGNATURE_ALGORITHM',
      `expected a signature by RSA with SHA-256 or SHA-512, got ${shown(algorithm)}`,
    );
  const id = element.attributes.get('ID');
  if (id === undefined || id === '' || reference.attributes.get('URI') !== `#${id}`)
    throw shape(`expected a Reference to the ${element.name} that it stands in`);
  checkReference(reference);
}

function checkReference(reference: XmlElement): void {
  const [transforms, digestMethod, digest, ...rest] = reference.children;
  if (
    !isOf(transforms, 'Transforms') ||
    !isOf(digestMethod, 'DigestMethod') ||
    !isOf(digest, 'DigestValue') ||
    rest.length > 0
  )
    throw shape('expected a Reference with Transforms, DigestMethod and DigestValue');
  checkTransforms(transforms);
  // Whatever else stood in it was how a forged digest got past a check (CVE-2025-29775).
  if (leafText(digest) === undefined || !/^\s*[A-Za-z\d+/]+={0,2}\s*$/.test(digest.text))
    throw shape('expected a DigestValue in base64 and nothing else');
  const algorithm = algorithmOf(digestMethod);
  if (!DIGESTS.has(algorithm) || digestMethod.children.length > 0)
    throw fault('SAML_SIGNATURE_ALGORITHM', `expected a digest by SHA-256 or SHA-512, got ${shown(algorithm)}`);
}

function checkTransforms(transforms: XmlElement): void {
  const [enveloped, exclusive, ...more] = transforms.children;
  if (
    !isOf(enveloped, 'Transform') ||
    algorithmOf(enveloped) !== ENVELOPED ||
    enveloped.children.length > 0 ||
    !isOf(exclusive, 'Transform') ||
    algorithmOf(exclusive) !== EXCLUSIVE ||
    hasOther(exclusive.children, 'InclusiveNamespaces') ||
    more.length > 0
  )
    throw shape('expected the transforms enveloped-signature and exclusive canonicalization');
}

function isOf(element: XmlElement | undefined, name: string): element is XmlElement {
  return element !== undefined && isElement(element, XML_SIGNATURE, name);
}

function hasOther(elements: readonly XmlElement[], allowed: string): boolean {
  return elements.length > 1 || elements.some((element) => !isElement(element, EXCLUSIVE, allowed));
}

function algorithmOf(element: XmlElement): string {
  return element.attributes.get('Algorithm') ?? '';
}

function shape(text: string): Error {
  return fault('SAML_SIGNATURE_SHAPE', text);
}

const EXCLUSIVE = 'http://www.w3.org/2001/10/xml-exc-c14n#';
const ENVELOPED = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature';
/** No SHA-1, no HMAC (a public key taken for a shared secret). ECDSA is nothing that xml-crypto has. */
const SIGNATURES: ReadonlySet<string> = new Set([
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
  'http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1',
]);
const DIGESTS: ReadonlySet<string> = new Set([
  'http://www.w3.org/2001/04/xmlenc#sha256',
  'http://www.w3.org/2001/04/xmlenc#sha512',
]);
