/** The three ways to one PostgreSQL that are compared: direct TLS, a chain of two stunnels (the C floor), Tessera. */
import { chmodSync } from 'node:fs';
import type { Cluster } from '../../test/kit/cluster.ts';
import type { Person } from '../../test/kit/person.ts';
import { freePort } from '../../test/servers/postgres.ts';
import type { BenchCertificates } from '../certificates.ts';
import type { TargetId } from '../rounds.ts';
import { findStunnel, service, startChain, tlsClient, tlsServer } from '../stunnel.ts';

export type Target = {
  readonly id: TargetId;
  /** libpq's variables: pgbench and psql need nothing else. */
  readonly env: Readonly<Record<string, string>>;
  /** The relaying processes, nearest to the client first. */
  readonly pids: readonly number[];
  close(): void;
};

export function directTarget(cluster: Cluster, certificates: BenchCertificates): Target {
  return {
    id: 'direct',
    env: libpqEnv(cluster.postgres.port, certificates.databaseAuthorities, certificates),
    pids: [],
    close: () => undefined,
  };
}

/** The way a person goes: `tsh db login`, then the variables of `tsh db env`. */
export async function tesseraTarget(cluster: Cluster, person: Person): Promise<Target> {
  await person.tsh('db', 'login', 'orders', '--db-user=bench', '--db-name=bench');
  const text = await person.tsh('db', 'env', 'orders');
  const env: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(/^export (\w+)='?([^'\n]*)'?$/gm)) env[name] = value;
  return {
    id: 'tessera',
    env,
    pids: [cluster.proxies[0]?.pid ?? 0, cluster.agents[0]?.pid ?? 0],
    close: () => undefined,
  };
}

/**
 * Two stunnels, as many TLS legs as ours: client TLS to A, TLS to B, TLS with a client certificate to PostgreSQL. A stunnel service has one TLS side, so each process needs two services and a
 * loopback connection in clear between them: that is what an off-the-shelf C chain costs. A text says why there is none.
 */
export async function floorTarget(
  cluster: Cluster,
  certificates: BenchCertificates,
  folder: string,
): Promise<Target | string> {
  const stunnel = findStunnel();
  if (typeof stunnel === 'string') return stunnel;
  const [front, innerA, middle, innerB] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const near = [
    service('front', front, innerA, `protocol = pgsql\n${tlsServer(certificates)}`),
    service('out', innerA, middle, tlsClient(certificates, certificates.serverAuthorityFile)),
  ];
  const database = `protocol = pgsql\n${tlsClient(certificates, certificates.databaseAuthorities)}`;
  const far = [
    service('in', middle, innerB, tlsServer(certificates)),
    service('database', innerB, cluster.postgres.port, database),
  ];
  const chain = await startChain(stunnel, folder, [near, far], [front, middle]);
  return { id: 'floor', env: libpqEnv(front, certificates.serverAuthorityFile, certificates), ...chain };
}

function libpqEnv(port: number, authorities: string, certificates: BenchCertificates): Record<string, string> {
  chmodSync(certificates.keyFile, 0o600);
  return {
    PGHOST: 'localhost',
    PGPORT: String(port),
    PGUSER: 'bench',
    PGDATABASE: 'bench',
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: authorities,
    PGSSLCERT: certificates.certificateFile,
    PGSSLKEY: certificates.keyFile,
    PGGSSENCMODE: 'disable',
  };
}
