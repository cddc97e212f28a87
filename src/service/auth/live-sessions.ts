import { UnsupportedError } from '../../errors.ts';
import type { Handlers } from './gate.ts';

export const listSessions: Handlers['listSessions'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'listSessions is not built yet'));
export const watchSessions: Handlers['watchSessions'] = () => {
  throw new UnsupportedError('NOT_BUILT', 'watchSessions is not built yet');
};
export const terminateSession: Handlers['terminateSession'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'terminateSession is not built yet'));
export const reportSessions: Handlers['reportSessions'] = () =>
  Promise.reject(new UnsupportedError('NOT_BUILT', 'reportSessions is not built yet'));
