import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { ConfigError, StorageError } from '../../errors.ts';
import { parseClusterName } from '../../pki/names.ts';
import { presetRoles } from '../../resource/presets.ts';
import type { Resource } from '../../resource/resource.ts';
import type { Store } from '../../state/store.ts';
import { DEFAULT_PREFERENCE } from './context.ts';
import { isConflict, type Records } from './records.ts';

/** What makes an empty store a cluster, once: its name, Auth's host id, the preset roles, the sign-in settings. */

const KEY = '/cluster';
const schema = z.object({ cluster_name: z.string(), host_id: z.uuid(), created: z.string() });

export type Cluster = { readonly clusterName: string; readonly hostId: string };

/** Throws ConfigError when the store belongs to a cluster of another name. */
export async function openCluster(
  clusterName: string,
  deps: { readonly store: Store; readonly records: Records; readonly now: () => number },
): Promise<Cluster> {
  const known = await readCluster(deps.store);
  if (known === undefined) return makeCluster(parseClusterName(clusterName), deps);
  if (known.clusterName !== clusterName) {
    throw new ConfigError([
      `auth_service.cluster_name: the data folder belongs to cluster ${known.clusterName}, the configuration says ${clusterName}; the name can not change after the first start: put the old name back, or start with an empty data_dir`,
    ]);
  }
  return known;
}

async function readCluster(store: Store): Promise<Cluster | undefined> {
  const item = await store.read(KEY);
  if (item === undefined) return undefined;
  const parsed = schema.safeParse(item.value);
  if (!parsed.success)
    throw new StorageError(
      'CLUSTER_RECORD_INVALID',
      'the stored record of the cluster is not what this version writes',
    );
  return { clusterName: parsed.data.cluster_name, hostId: parsed.data.host_id };
}

async function makeCluster(
  clusterName: string,
  deps: { readonly store: Store; readonly records: Records; readonly now: () => number },
): Promise<Cluster> {
  // The cluster's own record comes last: a start that was cut short is done again.
  for (const resource of [...presetRoles(), DEFAULT_PREFERENCE]) await putIfAbsent(resource, deps.records);
  const hostId = randomUUID();
  try {
    await deps.store.put(
      KEY,
      { cluster_name: clusterName, host_id: hostId, created: new Date(deps.now()).toISOString() },
      { expect: 'absent' },
    );
    return { clusterName, hostId };
  } catch (error) {
    const other = isConflict(error) ? await readCluster(deps.store) : undefined;
    if (other === undefined || other.clusterName !== clusterName) throw error;
    return other;
  }
}

async function putIfAbsent(resource: Resource, records: Records): Promise<void> {
  try {
    await records.put(resource, { expect: 'absent' });
  } catch (error) {
    if (!isConflict(error)) throw error;
  }
}
