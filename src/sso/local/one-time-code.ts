import { Secret, TOTP } from 'otpauth';

/** One-time codes by time: RFC 6238, six digits, 30 seconds, SHA-1 (what every authenticator app can). */

const PERIOD_SECONDS = 30;
const DIGITS = 6;
/** Steps before and after the present one that are accepted, for clocks that are off. */
const WINDOW = 1;

/** A fresh secret of 160 bits, base32. */
export function newOneTimeSecret(): string {
  return new Secret({ size: 20 }).base32;
}

/** The `otpauth://` URI that authenticator apps read from a QR code. */
export function oneTimeCodeUri(secret: string, of: { readonly clusterName: string; readonly user: string }): string {
  return totpOf(secret, of.clusterName, of.user).toString();
}

/**
 * The step (30-second period since 1970) that `code` is of, undefined when it is wrong or of a step not after `lastStep`: the caller stores the step with its
 * next write, so that no code is good twice.
 */
export function matchOneTimeCode(
  secret: string,
  code: string,
  at: { readonly nowMs: number; readonly lastStep: number },
): number | undefined {
  if (!/^\d{6}$/u.test(code)) return undefined;
  const delta = totpOf(secret, 'tessera', 'user').validate({ token: code, timestamp: at.nowMs, window: WINDOW });
  if (delta === null) return undefined;
  const step = Math.floor(at.nowMs / 1000 / PERIOD_SECONDS) + delta;
  return step > at.lastStep ? step : undefined;
}

function totpOf(secret: string, issuer: string, label: string): TOTP {
  return new TOTP({
    issuer,
    label,
    algorithm: 'SHA1',
    digits: DIGITS,
    period: PERIOD_SECONDS,
    secret: Secret.fromBase32(secret),
  });
}
