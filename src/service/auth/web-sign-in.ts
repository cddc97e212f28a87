import { UnsupportedError } from '../../errors.ts';
import type { Handlers } from './gate.ts';

export const getSignInOptions: Handlers['getSignInOptions'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'getSignInOptions is not built yet'));
export const beginWebSignIn: Handlers['beginWebSignIn'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'beginWebSignIn is not built yet'));
export const beginPasskeySignIn: Handlers['beginPasskeySignIn'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'beginPasskeySignIn is not built yet'));
export const finishWebSignIn: Handlers['finishWebSignIn'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'finishWebSignIn is not built yet'));
export const endWebSession: Handlers['endWebSession'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'endWebSession is not built yet'));
export const getMyself: Handlers['getMyself'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'getMyself is not built yet'));
