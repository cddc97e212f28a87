import type { Instruments } from '../../telemetry/instruments.ts';
import { newTunnelCounters, type TunnelCounters } from '../../tunnel/limits.ts';

/** The counters of the hub, shown as metrics; credit stalls are counted straight into theirs. */
export function countersFor({ tunnelCreditStalls, metrics }: Instruments): TunnelCounters {
  const counters = newTunnelCounters();
  Object.defineProperty(counters, 'creditStalls', {
    enumerable: true,
    get: () => tunnelCreditStalls.value,
    set(value: number) {
      tunnelCreditStalls.value = value;
    },
  });
  metrics.gauge('tessera_tunnel_streams', 'Streams open on tunnels now.', () => counters.streams);
  metrics.gauge(
    'tessera_tunnel_sent_bytes',
    'Bytes of streams sent on tunnels since the start.',
    () => counters.bytesSent,
  );
  metrics.gauge(
    'tessera_tunnel_received_bytes',
    'Bytes received on tunnels since the start.',
    () => counters.bytesReceived,
  );
  metrics.gauge(
    'tessera_tunnel_violations',
    'Tunnels ended for a broken rule or limit since the start.',
    () => counters.violations,
  );
  return counters;
}
