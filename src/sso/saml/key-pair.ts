// First: the X.509 library's dependency injection needs it.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

/** `private_key`: PKCS#8 PEM, to be sealed by the caller; `cert`: PEM, public. As `signing_key_pair` of a SAML connector. */
export type SamlKeyPair = { readonly private_key: string; readonly cert: string };

/**
 * A fresh RSA key (3072 bits, some 300 ms on another thread) with a self-signed certificate, for a connector that has none: it signs requests, or decrypts assertions. Providers take the key
 * from the certificate and nothing else, so it is good for ten years; a new one is made by removing it from the connector.
 */
export async function makeSamlKeyPair(name: string, nowMs: number): Promise<SamlKeyPair> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)('rsa', { modulusLength: MODULUS_BITS });
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  x509.cryptoProvider.set(crypto);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    // A leading digit below 8 keeps the number positive.
    serialNumber: `01${randomBytes(15).toString('hex')}`,
    name: new x509.Name([
      { O: [{ utf8String: 'Tessera' }] },
      { CN: [{ utf8String: `saml ${name}`.slice(0, MAX_COMMON_NAME) }] },
    ]),
    notBefore: new Date(nowMs - CLOCK_SKEW_MS),
    notAfter: new Date(nowMs + LIFETIME_MS),
    signingAlgorithm: algorithm,
    // Node's own type of a key knows usages that a browser's does not; the library is typed for whichever is there.
    keys: {
      privateKey: privateKey.toCryptoKey(algorithm, false, ['sign']),
      publicKey: publicKey.toCryptoKey(algorithm, true, ['verify']),
    } as object as Keys,
  });
  return {
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: certificate.toString('pem'),
  };
}

type Keys = x509.X509CertificateCreateSelfSignedParams['keys'];
const MODULUS_BITS = 3072;
/** RFC 5280 appendix A: ub-common-name. */
const MAX_COMMON_NAME = 64;
const CLOCK_SKEW_MS = 5 * 60_000;
const LIFETIME_MS = 10 * 365 * 24 * 60 * 60_000;
