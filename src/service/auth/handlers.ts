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
};
