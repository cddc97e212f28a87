import { createHash, X509Certificate } from 'node:crypto';
import { UpstreamError } from '../../errors.ts';
import { isSecure } from '../bounded-fetch.ts';
import { samlInstant } from './instant.ts';
import type { SamlLimits } from './limits.ts';
import {
  childrenOf,
  everyElement,
  isElement,
  leafText,
  readXml,
  SAML_METADATA,
  SAML_PROTOCOL,
  XML_SIGNATURE,
  type XmlElement,
} from './xml.ts';

/** What a provider says of itself (SAML metadata section 2.4.3), as far as sign-in needs it. */

export type IdpMetadata = {
  readonly entityId: string;
  /** Where requests go, by redirect. */
  readonly signInUrl: string;
  /** PEM: any of them may have signed an answer. At least one. */
  readonly certificates: readonly string[];
  /** The earliest validUntil of the document. */
  readonly validUntilMs?: number;
  /** How often to take it again, when it says so. */
  readonly cacheMs?: number;
};

/** Throws UpstreamError `SAML_METADATA_INVALID` or `SAML_METADATA_EXPIRED`: what is missing, in words for the administrator. */
export async function parseIdpMetadata(xml: string, nowMs: number, limits: SamlLimits): Promise<IdpMetadata> {
  if (Buffer.byteLength(xml) > limits.maxMetadataBytes)
    throw invalid(`larger than maxMetadataBytes ${limits.maxMetadataBytes}`);
  let root: XmlElement;
  try {
    const bounds = { maxDepth: limits.maxDepth, maxNodes: limits.maxMetadataNodes };
    ({ root } = await readXml(xml, bounds, { comments: true }));
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message.replace(/^saml answer: /, '') : 'not XML', cause);
  }
  const [entity, ...others] = [...everyElement(root)].filter(isProvider);
  if (entity === undefined || others.length > 0)
    throw invalid(`expected one EntityDescriptor with an IDPSSODescriptor, got ${others.length + (entity ? 1 : 0)}`);
  const provider = only(entity, 'IDPSSODescriptor');
  const validUntilMs = earliest([root, entity, provider]);
  if (validUntilMs !== undefined && validUntilMs <= nowMs)
    throw new UpstreamError(
      'SAML_METADATA_EXPIRED',
      `saml metadata: was valid until ${new Date(validUntilMs).toISOString()}; get the provider's newer one`,
    );
  const entityId = entity.attributes.get('entityID') ?? '';
  if (entityId === '' || entityId.length > MAX_ENTITY_ID)
    throw invalid('expected an entityID of at most 1024 characters');
  const cacheMs = cacheOf(entity) ?? cacheOf(root);
  return {
    entityId,
    signInUrl: signInUrlOf(provider),
    certificates: certificatesOf(provider, limits),
    ...(validUntilMs === undefined ? {} : { validUntilMs }),
    ...(cacheMs === undefined ? {} : { cacheMs }),
  };
}

function isProvider(element: XmlElement): boolean {
  return (
    isElement(element, SAML_METADATA, 'EntityDescriptor') &&
    childrenOf(element, SAML_METADATA, 'IDPSSODescriptor').length > 0
  );
}

function only(element: XmlElement, name: string): XmlElement {
  const [first, ...others] = childrenOf(element, SAML_METADATA, name);
  if (first === undefined || others.length > 0) throw invalid(`expected one ${name}`);
  const protocols = first.attributes.get('protocolSupportEnumeration')?.split(/\s+/) ?? [];
  if (!protocols.includes(SAML_PROTOCOL)) throw invalid(`expected a ${name} of SAML 2.0`);
  return first;
}

function signInUrlOf(provider: XmlElement): string {
  const url = childrenOf(provider, SAML_METADATA, 'SingleSignOnService')
    .find((service) => service.attributes.get('Binding') === REDIRECT)
    ?.attributes.get('Location');
  if (url === undefined) throw invalid('expected a SingleSignOnService with the binding HTTP-Redirect');
  if (url.length > MAX_URL || !isSafe(url))
    throw invalid('expected an https URL as Location of the SingleSignOnService');
  return url;
}

/** https, or http of this very machine (tests, a sidecar). */
function isSafe(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return isSecure(url) && url.username === '' && url.password === '';
}

function certificatesOf(provider: XmlElement, limits: SamlLimits): readonly string[] {
  const found = new Map<string, string>();
  const unusable: string[] = [];
  for (const descriptor of childrenOf(provider, SAML_METADATA, 'KeyDescriptor')) {
    const use = descriptor.attributes.get('use');
    if (use !== undefined && use !== 'signing') continue;
    for (const element of everyElement(descriptor)) {
      if (!isElement(element, XML_SIGNATURE, 'X509Certificate')) continue;
      const certificate = readCertificate(leafText(element) ?? '');
      if (typeof certificate === 'string') unusable.push(certificate);
      else found.set(createHash('sha256').update(certificate.raw).digest('hex'), certificate.toString());
    }
  }
  if (found.size === 0)
    throw invalid(
      `expected a signing certificate (RSA, 2048 bits or more)${unusable[0] === undefined ? '' : `, got ${unusable[0]}`}`,
    );
  if (found.size > limits.maxCertificates)
    throw invalid(`more signing certificates than maxCertificates ${limits.maxCertificates}`);
  return [...found.values()];
}

/**
 * The certificate, or what is wrong with it. Dates and issuer mean nothing here: the metadata is what says that the key is the provider's (SAML V2.0 metadata interoperability
 * profile, section 2.6.1).
 */
function readCertificate(base64: string): X509Certificate | string {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(Buffer.from(base64, 'base64'));
  } catch {
    return 'one that cannot be read';
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = certificate.publicKey;
  if (type !== 'rsa') return `a key of type ${type ?? 'unknown'}`;
  if ((details?.modulusLength ?? 0) < MIN_MODULUS_BITS) return `an RSA key of ${details?.modulusLength ?? 0} bits`;
  return certificate;
}

function earliest(elements: readonly XmlElement[]): number | undefined {
  const times = elements.flatMap((element) => {
    const text = element.attributes.get('validUntil');
    if (text === undefined) return [];
    const time = samlInstant(text);
    if (time === undefined) throw invalid('expected validUntil as a time such as 2027-01-31T00:00:00Z');
    return [time];
  });
  return times.length === 0 ? undefined : Math.min(...times);
}

/** ISO 8601 durations as providers write them; months and years are none that a cache needs. */
function cacheOf(element: XmlElement): number | undefined {
  const match = /^P(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,9})(?:\.\d+)?S)?)?$/.exec(
    element.attributes.get('cacheDuration') ?? '',
  );
  if (match === null) return undefined;
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = match.slice(1).map((part) => Number(part ?? 0));
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000;
}

function invalid(text: string, cause?: unknown): UpstreamError {
  return new UpstreamError('SAML_METADATA_INVALID', `saml metadata: ${text}`, cause === undefined ? {} : { cause });
}

const REDIRECT = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect';
const MAX_URL = 2048;
/** SAML core section 8.3.6. */
const MAX_ENTITY_ID = 1024;
const MIN_MODULUS_BITS = 2048;
