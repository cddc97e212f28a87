import type { KeyObject } from 'node:crypto';
import { X509Certificate } from 'node:crypto';
import { parsePrivateKey } from '../../pki/keys.ts';
import type { HostCredentials } from '../identity.ts';

/** One generation of the proxy's host identity, parsed once: what it signs with. */
export type HostKey = { readonly key: KeyObject; readonly certificateDer: Buffer };

/** Parses a generation. */
export function hostKeyOf(credentials: HostCredentials): HostKey {
  return {
    key: parsePrivateKey(credentials.privateKey),
    certificateDer: new X509Certificate(credentials.certificate).raw,
  };
}
