import { UnsupportedError } from '../../errors.ts';
import type { Handlers } from './gate.ts';

export const checkResource: Handlers['checkResource'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'checkResource is not built yet'));
