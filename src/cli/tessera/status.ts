import type { StatusResponse } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import type { Outcome } from '../command.ts';
import { printDuration, printTime } from '../duration.ts';
import type { Format } from '../format.ts';
import { print } from '../format.ts';
import type { Io } from '../io.ts';
import { outputWidth } from '../io.ts';
import { withProgress } from '../progress.ts';
import { renderPairs, renderTable } from '../table.ts';
import type { Globals } from './admin.ts';
import { withAuth } from './admin.ts';

/** The cluster: its name, pins, authorities, services and their audit backlog. */
export async function status(io: Io, globals: Globals, options: { readonly format: Format }): Promise<Outcome> {
  const reply = await withAuth(io, globals, (connection) =>
    withProgress(io, 'asking the Auth Service', connection.client.status({})),
  );
  await print(io, options.format, machineForm(reply), () => statusText(io, reply));
}

function statusText(io: Io, reply: StatusResponse): string {
  const width = outputWidth(io);
  const services = reply.services.map((service) => [
    service.hostName,
    service.role,
    service.version,
    [service.publicAddr, service.mysqlPublicAddr === '' ? '' : `${service.mysqlPublicAddr} (MySQL)`]
      .filter((address) => address !== '')
      .join(', '),
    service.lastHeartbeat === '' ? 'never' : `${printDuration(io.nowMs() - Date.parse(service.lastHeartbeat))} ago`,
    printBytes(service.auditBacklogBytes),
    printDuration(Number(service.auditLagMilliseconds)),
    service.databases.join(', '),
    service.hostId,
  ]);
  return [
    renderPairs([
      ['Cluster', reply.clusterName],
      ['Version', reply.version],
      ...reply.caPins.map((pin) => ['CA pin', pin] as const),
    ]),
    '',
    renderTable(
      [{ title: 'Authority' }, { title: 'Algorithm' }, { title: 'Expires' }, { title: 'Pin', shrink: true }],
      reply.authorities.map((authority) => [
        authority.type,
        authority.algorithm,
        printTime(authority.expires),
        authority.pin,
      ]),
      width,
    ),
    '',
    services.length === 0
      ? 'No service has reported yet. Next: tessera tokens add --type=proxy'
      : renderTable(
          [
            { title: 'Service' },
            { title: 'Role' },
            { title: 'Version' },
            { title: 'Address', shrink: true },
            { title: 'Seen' },
            { title: 'Audit Backlog' },
            { title: 'Audit Lag' },
            { title: 'Databases', shrink: true },
            { title: 'Host ID', shrink: true },
          ],
          services,
          width,
        ),
  ].join('\n');
}

function machineForm(reply: StatusResponse): unknown {
  return {
    cluster_name: reply.clusterName,
    version: reply.version,
    ca_pins: reply.caPins,
    authorities: reply.authorities.map(({ type, algorithm, expires, pin }) => ({ type, algorithm, expires, pin })),
    services: reply.services.map((service) => ({
      host_id: service.hostId,
      host_name: service.hostName,
      role: service.role,
      last_heartbeat: service.lastHeartbeat,
      audit_backlog_bytes: Number(service.auditBacklogBytes),
      audit_lag_milliseconds: Number(service.auditLagMilliseconds),
      version: service.version,
      databases: service.databases,
      ...(service.publicAddr === '' ? {} : { public_addr: service.publicAddr }),
      ...(service.mysqlPublicAddr === '' ? {} : { mysql_public_addr: service.mysqlPublicAddr }),
    })),
  };
}

function printBytes(count: bigint): string {
  const bytes = Number(count);
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
