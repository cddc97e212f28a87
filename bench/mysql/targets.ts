/** The three ways to one MariaDB that are compared: direct TLS, a chain of stunnels (the C floor), Tessera. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '../../test/kit/cluster.ts';
import { mysqlAddress } from '../../test/kit/mysql-client.ts';
import type { Person } from '../../test/kit/person.ts';
import { freePort } from '../../test/servers/postgres.ts';
import type { BenchCertificates } from '../certificates.ts';
import type { TargetId } from '../rounds.ts';
import { findStunnel, service, startChain, tlsClient, tlsServer } from '../stunnel.ts';

/** The database's name in the cluster. */
export const databaseService = 'goods';
/** Signs in with a certificate of this name. */
export const certificateUser = 'bench';
/** Signs in without anything: behind the floor nobody can show a certificate inside MySQL's protocol. */
export const clearUser = 'bench_clear';

export type Target = {
  readonly id: TargetId;
  readonly port: number;
  readonly user: string;
  /** Has cacert.pem, client-cert.pem and client-key.pem, as sysbench looks for them in its working folder; undefined: it speaks in clear. */
  readonly tlsFolder: string | undefined;
  close(): void;
};

export function directTarget(cluster: Cluster, certificates: BenchCertificates, folder: string): Target {
  const { databaseAuthorities: ca, certificateFile: cert, keyFile: key } = certificates;
  return {
    id: 'direct',
    port: cluster.mysql(databaseService).port,
    user: certificateUser,
    tlsFolder: tlsFolder(join(folder, 'direct'), { ca, cert, key }),
    close: () => undefined,
  };
}

/** The way a person goes: `tsh db login`, then the listener for MySQL. */
export async function tesseraTarget(person: Person, folder: string): Promise<Target> {
  const address = await mysqlAddress(person, databaseService, certificateUser, 'bench');
  return {
    id: 'tessera',
    port: address.port,
    user: certificateUser,
    tlsFolder: tlsFolder(join(folder, 'tessera'), address),
    close: () => undefined,
  };
}

/**
 * As many TLS legs as ours, three. MySQL begins in clear and asks for TLS inside its own protocol, which stunnel does not speak on either side; so MySQL's protocol is in clear inside, and a stunnel
 * stands where the client and the server do their own TLS with us: sysbench in clear, stunnel, TLS, stunnel, TLS, stunnel, TLS, stunnel, MariaDB in clear. That is one more loopback hop at each end
 * than we have, and TLS is there before the greeting, so connecting takes no extra turn. A text says why there is none.
 */
export async function floorTarget(
  cluster: Cluster,
  certificates: BenchCertificates,
  folder: string,
): Promise<Target | string> {
  const stunnel = findStunnel();
  if (typeof stunnel === 'string') return stunnel;
  const ports = await Promise.all(Array.from({ length: 6 }, () => freePort()));
  const [entry = 0, first = 0, near = 0, second = 0, far = 0, third = 0] = ports;
  const out = tlsClient(certificates, certificates.serverAuthorityFile);
  const into = tlsServer(certificates);
  const processes = [
    [service('client', entry, first, out)],
    [service('near-in', first, near, into), service('near-out', near, second, out)],
    [service('far-in', second, far, into), service('far-out', far, third, out)],
    [service('server', third, cluster.mysql(databaseService).port, into)],
  ];
  const chain = await startChain(stunnel, folder, processes, ports.slice(0, 5));
  return { id: 'floor', port: entry, user: clearUser, tlsFolder: undefined, ...chain };
}

function tlsFolder(
  folder: string,
  files: { readonly ca: string; readonly cert: string; readonly key: string },
): string {
  mkdirSync(folder);
  copyFileSync(files.ca, join(folder, 'cacert.pem'));
  copyFileSync(files.cert, join(folder, 'client-cert.pem'));
  copyFileSync(files.key, join(folder, 'client-key.pem'));
  return folder;
}
