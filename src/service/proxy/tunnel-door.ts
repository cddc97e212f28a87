import type { TLSSocket } from 'node:tls';
import { TesseraError } from '../../errors.ts';
import type { HostIdentity, VerifiedCertificate } from '../../resource/identity.ts';
import type { LockHit } from '../../access/locks.ts';
import type { Log } from '../../telemetry/log.ts';
import type { AgentIdentity } from '../../tunnel/agent-tunnel.ts';
import { formatAddress } from './client-address.ts';
import { presentedCertificate } from './tls-door.ts';
import type { Visit } from './visit.ts';

export type TunnelDoorOptions = {
  /** src/pki/verify.ts: a host certificate of role `database`, used as a client. Throws LoginError. */
  readonly verifyAgent: (der: Buffer) => VerifiedCertificate<HostIdentity>;
  /** A lock on the agent's host id. */
  readonly lockOn: (hostId: string) => LockHit | undefined;
  /** `Hub.add`. */
  readonly add: (socket: TLSSocket, agent: AgentIdentity) => void;
  /** For the audit log. */
  readonly onRefused: (code: string, reason: string, certificateDer: Buffer | undefined) => void;
  readonly log: Log;
};

/** Lets an agent's connection into the hub once its host certificate is proven; anybody else is closed without a word. */
export function enterTunnel(socket: TLSSocket, visit: Visit, options: TunnelDoorOptions): void {
  const address = formatAddress(visit.client);
  const der = presentedCertificate(socket);
  const refuse = (code: string, reason: string): void => {
    options.log.warn({ client: address, reason }, 'refused a tunnel');
    options.onRefused(code, reason, der);
    socket.destroy();
  };
  if (der === undefined || socket.alpnProtocol !== 'tessera-tunnel') {
    if (der === undefined) refuse('NO_CERTIFICATE', 'no certificate');
    else refuse('NO_ALPN', 'no ALPN tessera-tunnel');
    return;
  }
  let certificate: VerifiedCertificate<HostIdentity>;
  try {
    certificate = options.verifyAgent(der);
  } catch (error) {
    if (error instanceof TesseraError) refuse(error.code, error.message);
    else refuse('CERT_UNVERIFIABLE', 'certificate can not be verified');
    return;
  }
  const { hostId, hostName } = certificate.identity;
  const hit = options.lockOn(hostId);
  if (hit !== undefined) {
    refuse('LOCKED', hit.message);
    return;
  }
  visit.deadline.cancel();
  options.add(socket, { hostId, hostName, address });
}
