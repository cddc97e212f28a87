import { UnsupportedError } from '../../errors.ts';
import type { Handlers } from './gate.ts';

export const countAudit: Handlers['countAudit'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'countAudit is not built yet'));
