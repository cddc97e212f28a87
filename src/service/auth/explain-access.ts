import { UnsupportedError } from '../../errors.ts';
import type { Handlers } from './gate.ts';

export const explainAccess: Handlers['explainAccess'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'explainAccess is not built yet'));
