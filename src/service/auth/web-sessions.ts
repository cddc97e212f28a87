import { UnsupportedError } from '../../errors.ts';
import type { UserIdentity } from '../../resource/identity.ts';
import type { Person } from './caller.ts';
import type { AuthContext } from './context.ts';
import type { Call } from './gate.ts';

/** Where a session is used from. */
export type WebPlace = { readonly address: string; readonly userAgent: string };

/** Makes a session of `ttlMs`: an identity certificate whose key nobody has, kept under the hash of the token. The oldest of the person's go when there are too many. */
export function createWebSession(
  _identity: UserIdentity,
  _ttlMs: number,
  _where: WebPlace,
  _context: AuthContext,
): Promise<{ readonly token: string; readonly seconds: number }> {
  throw notBuilt();
}

/** Who the token's session is of. Throws LoginError `NOT_SIGNED_IN`, or what `identifyPerson` throws. `quiet`: the call is no sign of life. */
export function openWebSession(
  _token: string,
  _where: { readonly address: string; readonly quiet?: boolean },
  _context: AuthContext,
): Promise<Person> {
  throw notBuilt();
}

/** Ends the session of a token; whose it was, undefined when there was none. */
export function endWebSession(_token: string, _context: AuthContext): Promise<string | undefined> {
  throw notBuilt();
}

/** Ends every session of a person, and sign-ins that are half done: a reset, a new password, a removed user. */
export function endWebSessionsOf(_user: string, _context: AuthContext): Promise<void> {
  throw notBuilt();
}

/** Gives the browser a session; ends the one that it came with, so that nobody keeps a session planted before. */
export function setSession(
  _call: Pick<Call, 'responseHeader' | 'web' | 'context'>,
  _session: { readonly token: string; readonly seconds: number },
): Promise<void> {
  throw notBuilt();
}

/** Takes the cookie away. */
export function clearSession(_call: Pick<Call, 'responseHeader'>): void {
  throw notBuilt();
}

function notBuilt(): UnsupportedError {
  return new UnsupportedError('NOT_BUILT', 'web sessions are not built yet');
}
