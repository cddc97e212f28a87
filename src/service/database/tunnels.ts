import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';

import type { Address, TunnelConfig } from '../../config/schema.ts';
import { verifyHostCertificate } from '../../pki/verify.ts';
import type { ProxyServer } from '../../resource/resource.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Instruments } from '../../telemetry/instruments.ts';
import type { Log } from '../../telemetry/log.ts';
import { dialTunnel } from '../../tunnel/dial.ts';
import { Dialer } from '../../tunnel/dialer.ts';
import { DEFAULT_MUX_LIMITS, newTunnelCounters } from '../../tunnel/limits.ts';
import type { Announcement } from '../../tunnel/tunnel.ts';
import type { HostIdentityHolder } from '../identity.ts';
import { ProxyAddresses } from './proxies.ts';
import type { Sessions } from './sessions.ts';
import type { Trust } from '../trust.ts';

export type TunnelsOptions = {
  readonly settings: TunnelConfig;
  readonly identity: HostIdentityHolder;
  readonly trust: Trust;
  readonly sessions: Sessions;
  readonly announcement: () => Announcement;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly instruments: Instruments;
};

/** This agent's tunnels: one to every proxy it knows of; what they bring goes to the sessions. */
export class Tunnels {
  readonly dialer: Dialer;
  readonly #options: TunnelsOptions;
  readonly #proxies: ProxyAddresses;
  #context: { readonly key: string; readonly context: SecureContext } | undefined;

  constructor(options: TunnelsOptions) {
    const { settings, identity, sessions, announcement, clock, log, random, instruments } = options;
    this.#options = options;
    const counters = newTunnelCounters();
    this.dialer = new Dialer({
      connect: (address, signal) => this.#connect(address, signal),
      announcement,
      onSession: (session) => sessions.open(session),
      onCancel: (message) => sessions.cancel(message),
      onKill: (message, proxyAddress) => sessions.kill(message, proxyAddress),
      clock,
      random,
      onLink: ({ address, state, error }) => log.info({ proxy: address, state, reason: error?.message }, 'tunnel'),
      onFault: (error) => log.error({ err: error }, 'tunnel fault'),
      counters,
      limits: {
        ...DEFAULT_MUX_LIMITS,
        maxStreams: settings.maxStreams,
        maxStreamWindowBytes: settings.maxStreamWindowBytes,
        keepAliveMs: settings.keepAliveIntervalMs,
        keepAliveTimeoutMs: settings.keepAliveTimeoutMs,
      },
    });
    this.#proxies = new ProxyAddresses((addresses) => {
      this.dialer.setProxies(addresses);
      identity.useAddresses(addresses);
    });
    const { metrics } = instruments;
    metrics.gauge('tessera_agent_tunnels', 'Tunnels to proxies that are up.', () => this.dialer.connectedCount);
    metrics.gauge(
      'tessera_agent_tunnel_credit_stalls',
      'Times a tunnel stream had bytes to send and no credit.',
      () => counters.creditStalls,
    );
  }

  configure(addresses: readonly Address[]): void {
    this.#proxies.configure(addresses);
  }

  useKnown(proxies: readonly ProxyServer[]): void {
    this.#proxies.useKnown(proxies);
  }

  async #connect(address: string, signal: AbortSignal): Promise<TLSSocket> {
    let hostId: string | undefined;
    const dial = dialTunnel({
      secureContext: () => this.#secureContext(),
      verifyProxy: (certificate) => {
        hostId = this.#verifyProxy(certificate);
      },
    });
    const socket = await dial(address, signal);
    const answered = hostId;
    // After this turn: it may retire the very link that is being made.
    if (answered !== undefined) setImmediate(() => this.#proxies.answered(address, answered));
    return socket;
  }

  #verifyProxy(certificate: Buffer): string {
    const { trust, clock } = this.#options;
    const options = { authorities: trust.of('host'), nowMs: clock.now(), roles: ['proxy'], usage: 'server' } as const;
    return verifyHostCertificate(certificate, options).identity.hostId;
  }

  #secureContext(): SecureContext {
    const { certificate, privateKey } = this.#options.identity.current();
    const ca = this.#options.trust.of('host').certificates;
    const key = `${certificate}\n${ca.join('\n')}`;
    if (this.#context?.key !== key) {
      const context = createSecureContext({ cert: certificate, key: privateKey, ca: [...ca], minVersion: 'TLSv1.3' });
      this.#context = { key, context };
    }
    return this.#context.context;
  }
}
