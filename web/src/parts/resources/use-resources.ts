import { createConnectQueryKey, useQuery } from '@connectrpc/connect-query';
import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useMemo } from 'react';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { useMay } from '../../api/session.ts';
import { byName, itemOf } from './item.ts';

const { listResources, getResource } = AuthService.method;

/** All of one kind, by name. `items` is empty until the answer is there. */
export function useResources(kind: string, options: { readonly enabled?: boolean } = {}) {
  const { data, isPending, error, refetch } = useQuery(
    listResources,
    { kind },
    { enabled: options.enabled ?? true, refetchInterval: EVERY_MS },
  );
  const items = useMemo(() => (data?.resources ?? []).map(itemOf).toSorted(byName), [data]);
  return { items, isPending, error, retry: () => void refetch() };
}

/** One of them; fresh each time a page is opened, as it is about to be edited. */
export function useResource(kind: string, name: string) {
  const { data, isPending, error, refetch } = useQuery(
    getResource,
    { kind, name },
    { staleTime: 0, refetchOnWindowFocus: false },
  );
  const item = useMemo(() => (data?.resource === undefined ? undefined : itemOf(data.resource)), [data]);
  return { item, isPending, error, retry: () => void refetch() };
}

/** To be called when something of a kind was written: lists and documents are asked for anew. */
export function useRefresh(): (kind: string) => Promise<void> {
  const client = useQueryClient();
  return useCallback(
    async (kind) => {
      await Promise.all([
        client.invalidateQueries({
          queryKey: createConnectQueryKey({ schema: listResources, input: { kind }, cardinality: 'finite' }),
        }),
        client.invalidateQueries({ queryKey: createConnectQueryKey({ schema: getResource, cardinality: 'finite' }) }),
      ]);
    },
    [client],
  );
}

/** Whether the person may read all that access is explained by. */
export function useMayExplain(): boolean {
  const may = useMay();
  return may('role', 'read') && may('user', 'read') && may('db', 'list');
}

const EVERY_MS = 60_000;
