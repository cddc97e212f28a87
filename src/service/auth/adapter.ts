import { constants } from 'node:http2';
import { createContextValues } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { AuthService } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { verifyHostCertificate, verifyUserCertificate } from '../../pki/verify.ts';
import type { AuthContext } from './context.ts';
import { connectionKey, gated } from './gate.ts';
import { handlers } from './handlers.ts';
import { connectionOf, type Connection } from './listener.ts';
import { WEB_HEADERS } from './web-call.ts';

type Handler = ReturnType<typeof connectNodeAdapter>;

/**
 * The API as a handler of HTTP/2 requests. A message is read whole before the gate can ask who calls, so who shows no certificate of this cluster may send little, and not
 * many at once: the memory of this process is not theirs to fill. Nor is it a browser's, whose calls a member passes on.
 */
export function apiHandler(context: AuthContext): Handler {
  const { maxRequestBytes } = context.config.limits;
  const members = adapter(context, maxRequestBytes);
  const browsers = adapter(context, Math.min(maxRequestBytes, MAX_WEB_BYTES));
  const guests = adapter(context, Math.min(maxRequestBytes, MAX_STRANGER_BYTES));
  const strangers = limitedTo(MAX_STRANGER_REQUESTS, adapter(context, Math.min(maxRequestBytes, MAX_STRANGER_BYTES)));
  const known = new WeakMap<Connection, boolean>();
  return (request, response) => {
    const connection = 'stream' in request ? connectionOf(request.stream.session) : undefined;
    let member = connection !== undefined && known.get(connection);
    if (connection !== undefined && member === undefined)
      known.set(connection, (member = isMember(connection, context)));
    if (member !== true) strangers(request, response);
    else if (WEB_HEADERS.web in request.headers)
      (WEB_HEADERS.session in request.headers ? browsers : guests)(request, response);
    else members(request, response);
  };
}

/** maxStrangerRequestBytes: of one message without a certificate; a join with the most names has 17 KiB. */
export const MAX_STRANGER_BYTES = 32 * 1024;
/** maxWebRequestBytes: of one message of a browser with a cookie; a connector's metadata may have half of it. The proxy bounds how many are under way. */
const MAX_WEB_BYTES = 1024 * 1024;
/** maxStrangerRequests: at once over one connection. */
export const MAX_STRANGER_REQUESTS = 16;

function adapter(context: AuthContext, readMaxBytes: number): Handler {
  return connectNodeAdapter({
    routes: (router) => router.service(AuthService, gated(handlers, context)),
    contextValues: (request) =>
      createContextValues().set(connectionKey, 'stream' in request ? connectionOf(request.stream.session) : undefined),
    readMaxBytes,
    // A batch of audit events is compressed already, and nothing else is large.
    acceptCompression: [],
  });
}

// The rights of the caller are asked at every call (caller.ts); this is only about size.
function isMember({ certificateDer }: Connection, { authorities, clock }: AuthContext): boolean {
  if (certificateDer === undefined) return false;
  const nowMs = clock.now();
  try {
    verifyHostCertificate(certificateDer, {
      authorities: authorities.hosts,
      nowMs,
      roles: ['proxy', 'database', 'admin'],
      usage: 'client',
    });
    return true;
  } catch {
    try {
      verifyUserCertificate(certificateDer, { authorities: authorities.users, nowMs });
      return true;
    } catch {
      return false;
    }
  }
}

function limitedTo(max: number, handler: Handler): Handler {
  const open = new WeakMap<object, number>();
  return (request, response) => {
    if (!('stream' in request)) return;
    const { stream } = request;
    const { session } = stream;
    if (session === undefined) return;
    const count = open.get(session) ?? 0;
    if (count >= max) {
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    open.set(session, count + 1);
    stream.once('close', () => open.set(session, (open.get(session) ?? 1) - 1));
    handler(request, response);
  };
}
