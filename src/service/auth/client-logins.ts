import { UnsupportedError } from '../../errors.ts';
import type { AuthContext } from './context.ts';
import type { Handlers } from './gate.ts';
import type { SignedInPerson } from './sign-in.ts';

export const startClientLogin: Handlers['startClientLogin'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'startClientLogin is not built yet'));
export const pollClientLogin: Handlers['pollClientLogin'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'pollClientLogin is not built yet'));
export const startMfaConfirmation: Handlers['startMfaConfirmation'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'startMfaConfirmation is not built yet'));
export const getClientLogin: Handlers['getClientLogin'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'getClientLogin is not built yet'));
export const decideClientLogin: Handlers['decideClientLogin'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'decideClientLogin is not built yet'));

/**
 * Gives tsh what a finished sign-in is worth: a certificate for its key, sealed. Once for a request. Where the browser goes then; empty when tsh polls. Throws LoginError
 * `CLIENT_LOGIN_GONE` when the request is not there (any more).
 */
export function completeClientLogin(
  _requestId: string,
  _person: SignedInPerson,
  _context: AuthContext,
): Promise<{ readonly redirectUrl: string }> {
  throw new UnsupportedError('NOT_BUILT', 'completeClientLogin is not built yet');
}

/** Tells tsh that nothing comes of it. Where the browser goes then; empty when tsh polls or the request is gone. */
export function refuseClientLogin(
  _requestId: string,
  _context: AuthContext,
): Promise<{ readonly redirectUrl: string }> {
  throw new UnsupportedError('NOT_BUILT', 'refuseClientLogin is not built yet');
}
