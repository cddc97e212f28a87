import { X509Certificate } from 'node:crypto';
import { failure } from '../failure.ts';
import type { Profile } from './profile.ts';

/** What a sign-in gives, whichever way it went. */
export type SignedIn = {
  readonly profile: Profile;
  readonly certificate: string;
  readonly privateKey: string;
  readonly hostAuthorities: readonly string[];
  readonly messageOfTheDay: string;
};

/** A certificate for a key that is not ours would be useless later with a puzzling error: say it now. */
export function checkIssued(certificate: string, publicKey: Uint8Array): string {
  const got = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  if (!got.equals(publicKey))
    throw failure(
      'WRONG_CERTIFICATE',
      'the Auth Service answered with a certificate for another key',
      'report this to the administrator',
    );
  return certificate;
}

/** Whom a certificate names. */
export function userOf(certificate: string): string {
  // One line for each part of the name; ours has one, and a name that would need escaping is never signed.
  return /^CN=(.+)$/m.exec(new X509Certificate(certificate).subject)?.[1] ?? '';
}
