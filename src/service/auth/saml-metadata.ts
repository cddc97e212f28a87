import { UnsupportedError } from '../../errors.ts';
import type { Handlers } from './gate.ts';

export const getSamlMetadata: Handlers['getSamlMetadata'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'getSamlMetadata is not built yet'));
