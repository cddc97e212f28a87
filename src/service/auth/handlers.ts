import { followAudit, ingestAudit, searchAudit } from './audit.ts';
import { exportAuthority, ping, signDatabaseServer, status } from './cluster.ts';
import { issueDatabaseCertificate } from './database-certificates.ts';
import { listDatabases } from './databases.ts';
import type { Handlers } from './gate.ts';
import { acceptInvite, addUser, resetUser, startInvite } from './invites.ts';
import { addToken, join, renewHostCertificate } from './join.ts';
import { heartbeat } from './presence.ts';
import { deleteResource, getResource, listResources, putResource } from './resources.ts';
import { signIn } from './sign-in.ts';
import { issueUserCertificate } from './user-certificates.ts';
import { watch } from './watch.ts';
import { getSignInOptions, beginWebSignIn, beginPasskeySignIn, finishWebSignIn, endWebSession } from './web-sign-in.ts';
import { getMyself } from './myself.ts';
import { startClientLogin, pollClientLogin, startMfaConfirmation, getClientLogin } from './client-login-start.ts';
import { decideClientLogin } from './client-logins.ts';
import { listMfaDevices, beginMfaChallenge, beginMfaAdd, finishMfaAdd, removeMfaDevice } from './mfa-devices.ts';
import { listSessions, watchSessions, terminateSession, reportSessions } from './live-sessions.ts';
import { checkResource } from './check-resource.ts';
import { startSso, finishSso } from './sso.ts';
import { startSsoTest, getSsoTest } from './sso-tests.ts';
import { getSamlMetadata } from './saml-metadata.ts';
import { countAudit } from './audit-counts.ts';
import { explainAccess } from './explain-access.ts';

/** Which function answers which method; who may call stands in src/rpc/permissions.ts. */
export const handlers: Handlers = {
  ping,
  signIn,
  startInvite,
  acceptInvite,
  join,
  issueUserCertificate,
  listDatabases,
  renewHostCertificate,
  issueDatabaseCertificate,
  heartbeat,
  watch,
  ingestAudit,
  getResource,
  listResources,
  putResource,
  deleteResource,
  addUser,
  resetUser,
  addToken,
  signDatabaseServer,
  exportAuthority,
  searchAudit,
  followAudit,
  status,
  getSignInOptions,
  beginWebSignIn,
  beginPasskeySignIn,
  finishWebSignIn,
  endWebSession,
  getMyself,
  startClientLogin,
  pollClientLogin,
  startMfaConfirmation,
  getClientLogin,
  decideClientLogin,
  listMfaDevices,
  beginMfaChallenge,
  beginMfaAdd,
  finishMfaAdd,
  removeMfaDevice,
  listSessions,
  watchSessions,
  terminateSession,
  reportSessions,
  checkResource,
  startSso,
  finishSso,
  startSsoTest,
  getSsoTest,
  getSamlMetadata,
  countAudit,
  explainAccess,
};
