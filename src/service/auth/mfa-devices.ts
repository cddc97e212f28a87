import { UnsupportedError } from '../../errors.ts';
import type { Handlers } from './gate.ts';

export const listMfaDevices: Handlers['listMfaDevices'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'listMfaDevices is not built yet'));
export const beginMfaChallenge: Handlers['beginMfaChallenge'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'beginMfaChallenge is not built yet'));
export const beginMfaAdd: Handlers['beginMfaAdd'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'beginMfaAdd is not built yet'));
export const finishMfaAdd: Handlers['finishMfaAdd'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'finishMfaAdd is not built yet'));
export const removeMfaDevice: Handlers['removeMfaDevice'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'removeMfaDevice is not built yet'));
