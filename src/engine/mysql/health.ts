import type { Database } from '../../resource/resource.ts';
import type { HealthTarget, ServerFacts } from '../engine.ts';
import { dialMysql } from './dial.ts';
import { formatCapabilities } from './greet.ts';
import { leaveUnsigned, probeFlags } from './probe.ts';
import { boundedVersion } from './version.ts';

/**
 * TCP, the greeting, SSLRequest and the TLS handshake, verified as for a session; then a sign-in that is meant to be refused (see `leaveUnsigned`). Version and capabilities are the greeting's, which comes in clear: good
 * enough for greetings of our own, proof of nothing. Throws UpstreamError.
 */
export async function checkMysql(database: Database, target: HealthTarget, signal: AbortSignal): Promise<ServerFacts> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(target.connectTimeoutMs)]);
  const { secureContext } = target;
  const dialled = await dialMysql({ database, secureContext, choose: probeFlags, signal: limit });
  await leaveUnsigned(dialled, limit);
  const { capabilities: flags, extended, serverVersion } = dialled.greeting;
  const version = boundedVersion(serverVersion);
  return {
    ...(version === undefined ? {} : { serverVersion: version }),
    capabilities: formatCapabilities({ flags, extended }),
  };
}
