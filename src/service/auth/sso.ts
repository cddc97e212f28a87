import { UnsupportedError } from '../../errors.ts';
import type { Handlers } from './gate.ts';

export const startSso: Handlers['startSso'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'startSso is not built yet'));
export const finishSso: Handlers['finishSso'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'finishSso is not built yet'));
