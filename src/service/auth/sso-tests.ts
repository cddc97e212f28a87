import { UnsupportedError } from '../../errors.ts';
import type { Handlers } from './gate.ts';

export const startSsoTest: Handlers['startSsoTest'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'startSsoTest is not built yet'));
export const getSsoTest: Handlers['getSsoTest'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'getSsoTest is not built yet'));
