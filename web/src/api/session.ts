import { callUnaryMethod, createConnectQueryKey, useQuery } from '@connectrpc/connect-query';
import type { QueryClient } from '@tanstack/react-query';
import { AuthService, type GetMyselfResponse } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { transport } from './transport.ts';

/** The signed-in person as the server says it. It decides what the pages offer; the server decides again at every call what is allowed. */
export type Session = GetMyselfResponse;
export type Verb = 'list' | 'create' | 'read' | 'update' | 'delete' | 'use';

const { getMyself } = AuthService.method;

/** Asks the server once per page load and keeps the answer; throws ConnectError `unauthenticated` when nobody is signed in. */
export function loadSession(client: QueryClient): Promise<Session> {
  return client.ensureQueryData({
    queryKey: createConnectQueryKey({ schema: getMyself, transport, input: {}, cardinality: 'finite' }),
    queryFn: ({ signal }) => callUnaryMethod(transport, getMyself, {}, { signal }),
    staleTime: Infinity,
  });
}

/** The signed-in person. Only below the shell, whose route has loaded it. */
export function useSession(): Session {
  const { data } = useQuery(getMyself, {}, { staleTime: Infinity });
  if (data === undefined) throw new Error('useSession is only for pages below the shell');
  return data;
}

/**
 * Whether the person's roles give `verb` on `resource` ("role", "user", "event", "auth_connector", ...): for hiding what the server would refuse. Without a person (before sign-in) nothing
 * is allowed.
 */
export function useMay(): (resource: string, verb: Verb) => boolean {
  const session = useSession();
  return (resource, verb) => may(session, resource, verb);
}

/** `useMay` for places that are no components. */
export function may(session: Session, resource: string, verb: Verb): boolean {
  return session.allowed.some(
    (rule) =>
      (rule.resource === resource || rule.resource === '*') && (rule.verbs.includes(verb) || rule.verbs.includes('*')),
  );
}
