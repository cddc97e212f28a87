import { UnsupportedError } from '../../errors.ts';
import type { Handlers } from './gate.ts';

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
