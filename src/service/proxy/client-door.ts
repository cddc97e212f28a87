import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ProxyLimits } from '../../config/schema.ts';
import type { Engine, Refusal } from '../../engine/engine.ts';
import { lastAnswer } from '../../engine/last-answer.ts';
import { engineOf } from '../../engine/registry.ts';
import { signOpening } from '../../pki/opening.ts';
import type { DatabaseProtocol, UserIdentity, VerifiedCertificate } from '../../resource/identity.ts';
import type { Lock } from '../../resource/resource.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Instruments } from '../../telemetry/instruments.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Hub } from '../../tunnel/hub.ts';
import type { Channel } from '../../wire/channel.ts';
import { SocketChannel } from '../../wire/socket-channel.ts';
import { admitClient, type RoutedCertificate } from './admission.ts';
import { protocolOfAlpn } from './alpn.ts';
import { chooseAgent } from './agent-choice.ts';
import type { CancelRelay } from './cancel.ts';
import { formatAddress } from './client-address.ts';
import { EarlyBytes } from './early-bytes.ts';
import { isCancelRequest } from './first-bytes.ts';
import type { HostKey } from './host-key.ts';
import type { LiveSessions } from './live-sessions.ts';
import type { ProxyRefusals } from './refusals.ts';
import { presentedCertificate } from './tls-door.ts';
import type { Visit } from './visit.ts';

export type ClientDoorOptions = {
  readonly limits: () => ProxyLimits;
  readonly verify: (der: Buffer) => VerifiedCertificate<UserIdentity>;
  readonly locks: () => Iterable<Lock>;
  /** The cluster knows the database, though no agent here serves it. */
  readonly isKnownDatabase: (name: string) => boolean;
  readonly hub: Pick<Hub, 'route' | 'knows'>;
  readonly hostKey: () => HostKey;
  readonly sessions: LiveSessions;
  readonly cancel: CancelRelay;
  readonly refusals: ProxyRefusals;
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Pick<Instruments, 'dbErrors' | 'proxyDialAttempts' | 'proxySetupSeconds'>;
};

/** Where clients of databases come in after TLS: looks at the certificate, finds an agent, joins the two. */
export class ClientDoor {
  readonly #options: ClientDoorOptions;
  #draining = false;

  constructor(options: ClientDoorOptions) {
    this.#options = options;
  }

  /** From now on every client is refused with `shutdown`. */
  drain(): void {
    this.#draining = true;
  }

  /** Refuses a client that speaks its database's protocol in clear: with `answer`, or with what the protocol says once it heard the client out. */
  refusePlaintext(socket: Socket, visit: Visit, protocol: DatabaseProtocol, answer?: Buffer): void {
    const message = 'TLS is required';
    const hint = 'use sslmode=verify-full with the certificate that "tsh db login" made';
    const refusal: Refusal = { reason: 'no-tls', message, hint };
    const record = (): void => this.#options.refusals.plaintext(visit.client, protocol, refusal);
    this.#run(new Entry(new SocketChannel(socket), visit, protocol, this.#options), async (entry) => {
      if (answer === undefined) {
        await entry.refuse(refusal, (said) => {
          if (said) record();
        });
      } else {
        record();
        await entry.answer(refusal, answer);
      }
    });
  }

  /** Takes a connection whose TLS is done. What was said in clear says which protocol it speaks, else the ALPN name that both agreed on. */
  accept(socket: TLSSocket, visit: Visit): void {
    const { clock, verify, locks, refusals, log } = this.#options;
    const protocol = visit.inClear?.protocol ?? protocolOfAlpn(socket.alpnProtocol);
    if (protocol === undefined) {
      log.debug(
        { client: formatAddress(visit.client) },
        'refused a connection: TLS ended without a name of a database protocol',
      );
      socket.destroy();
      return;
    }
    const certificateDer = presentedCertificate(socket);
    const admission = admitClient({
      certificateDer,
      protocol,
      clientIp: visit.client.ip,
      verify,
      locks: locks(),
      nowMs: clock.now(),
    });
    this.#run(new Entry(new SocketChannel(socket), visit, protocol, this.#options), (entry) => {
      // Nobody is kept out by that: the client comes back to another proxy, which decides.
      if (this.#draining)
        return entry.refuse({ reason: 'shutdown', message: 'this proxy is shutting down', hint: 'connect again' });
      if (admission.type === 'admitted') return entry.open(admission.certificate);
      const { refusal, fault } = admission;
      return entry.refuse(refusal, (said) => {
        // A load balancer's look at the port: TLS, no certificate, not a word.
        if (said || certificateDer !== undefined)
          refusals.notAdmitted(visit.client, refusal, fault, { protocol, certificateDer });
      });
    });
  }

  #run(entry: Entry, work: (entry: Entry) => Promise<void>): void {
    work(entry).catch((error: unknown) => {
      this.#options.log.error({ err: error }, 'a client connection failed inside');
      entry.destroy();
    });
  }
}

/** One client from TLS to its session or refusal. */
class Entry {
  readonly #client: SocketChannel;
  readonly #visit: Visit;
  readonly #protocol: DatabaseProtocol;
  readonly #engine: Engine;
  readonly #options: ClientDoorOptions;
  readonly #gone = new AbortController();

  constructor(client: SocketChannel, visit: Visit, protocol: DatabaseProtocol, options: ClientDoorOptions) {
    this.#client = client;
    this.#visit = visit;
    this.#protocol = protocol;
    this.#engine = engineOf(protocol);
    this.#options = options;
  }

  destroy(): void {
    this.#client.destroy();
  }

  async open(certificate: RoutedCertificate): Promise<void> {
    const { service } = certificate.identity.route;
    const agents = this.#options.hub.route(service);
    if (agents.length === 0) {
      const refusal = this.#nobodyServes(service);
      await this.refuse(refusal, () => this.#options.refusals.denied(this.#visit.client, certificate, refusal));
      return;
    }
    const sessionId = randomUUID();
    const early = new EarlyBytes(this.#client, {
      maxReplayBytes: this.#options.limits().maxReplayBytes,
      onFirst: (bytes) => this.#isSession(bytes),
      onGone: () => this.#gone.abort(),
    });
    const choice = await chooseAgent({
      agents,
      openingFor: (agentHostId) => this.#opening(sessionId, agentHostId, certificate),
      onTry: (stream) => early.sendTo(stream),
      clock: this.#options.clock,
      acceptTimeoutMs: this.#options.limits().agentAcceptTimeoutMs,
      signal: this.#gone.signal,
      onAttempt: (result) => (this.#options.instruments.proxyDialAttempts.of({ result }).value += 1),
    });
    if (choice.type === 'gone') {
      early.settle();
      this.#client.destroy();
    } else if (choice.type === 'refused') {
      this.#logRefusal(choice.refusal, { sid: sessionId, agent: choice.agentHostId, err: choice.error });
      this.#options.refusals.denied(this.#visit.client, certificate, choice.refusal, {
        sessionId,
        ...(choice.error === undefined ? {} : { error: choice.error }),
      });
      await this.#say(early.giveBack(), choice.refusal);
    } else {
      const earlyBytes = early.settle();
      this.#observeSetup();
      this.#options.sessions.begin({
        sessionId,
        certificate,
        client: this.#client,
        stream: choice.stream,
        agentHostId: choice.agent.agent.hostId,
        clientAddress: formatAddress(this.#visit.client),
        // A client that says nothing at all after TLS is ended by the visit's deadline, any other by the agent's.
        silence: this.#visit.deadline,
        earlyBytes,
      });
    }
  }

  /**
   * Hears the client out, as its protocol wants it, and says no in the protocol's words. `record` is called before that, once, unless it was a cancel request, whose key alone
   * counts; `said`: it asked for something before it left.
   */
  async refuse(refusal: Refusal, record?: (said: boolean) => void): Promise<void> {
    this.#logRefusal(refusal, {});
    await this.#say(this.#client, refusal, record);
  }

  /** Says a refusal that somebody put into the protocol's words already. What the client said in clear is thrown away unread. */
  async answer(refusal: Refusal, answer: Buffer): Promise<void> {
    this.#logRefusal(refusal, {});
    this.#count(refusal);
    await lastAnswer(this.#client, answer);
  }

  async #say(client: Channel, refusal: Refusal, record?: (said: boolean) => void): Promise<void> {
    this.#count(refusal);
    // The visit's deadline destroys the socket, which ends this too.
    const accepted = await this.#engine.accept(client, {
      route: { service: '', protocol: this.#protocol },
      signal: this.#gone.signal,
      maxStartupBytes: this.#options.limits().maxStartupBytes,
      ...this.#greeting(),
    });
    if (accepted.type !== 'cancel') record?.(accepted.type !== 'gone');
    if (accepted.type === 'cancel') {
      await this.#options.cancel.relay(accepted.packet, this.#visit.client.ip);
      this.#client.destroy();
    } else if (accepted.type === 'gone') this.#client.destroy();
    else await this.#engine.refuse(client, accepted.request, refusal);
  }

  #greeting(): { readonly greeting?: Buffer } {
    const greeting = this.#visit.inClear?.greeting;
    return greeting === undefined ? {} : { greeting };
  }

  #count({ reason }: Refusal): void {
    this.#options.instruments.dbErrors.of({ component: 'proxy', db_protocol: this.#protocol, reason }).value += 1;
  }

  /** A cancel request may come over TLS too; its key says which agent, so it is not for the one that serves the route. */
  #isSession(first: Buffer): boolean {
    if (this.#protocol !== 'postgres' || !isCancelRequest(first)) return true;
    void this.#options.cancel.relay(Buffer.from(first), this.#visit.client.ip);
    this.#gone.abort();
    return false;
  }

  #opening(sessionId: string, agentHostId: string, certificate: RoutedCertificate): Buffer {
    const { key, certificateDer } = this.#options.hostKey();
    return signOpening(
      {
        sessionId,
        timeMs: this.#options.clock.now(),
        protocol: this.#protocol,
        clientAddress: formatAddress(this.#visit.client),
        agentHostId,
        clientCertificateDer: certificate.der,
        ...this.#greeting(),
      },
      key,
      certificateDer,
    );
  }

  #nobodyServes(service: string): Refusal {
    const name = JSON.stringify(service);
    if (this.#options.hub.knows(service) || this.#options.isKnownDatabase(service)) {
      return {
        reason: 'no-agent',
        message: `no database service that serves ${name} is connected now`,
        hint: 'try again in a moment',
      };
    }
    return {
      reason: 'unknown-database',
      message: `there is no database ${name}`,
      hint: '"tsh db ls" lists the databases that you may reach',
    };
  }

  #logRefusal(refusal: Refusal, fields: Record<string, unknown>): void {
    const client = formatAddress(this.#visit.client);
    this.#options.log.info(
      { client, db_protocol: this.#protocol, reason: refusal.reason, ...fields },
      'refused a client',
    );
  }

  #observeSetup(): void {
    const seconds = (this.#options.clock.monotonic() - this.#visit.sinceMs) / 1000;
    this.#options.instruments.proxySetupSeconds.observe({ db_protocol: this.#protocol }, seconds);
  }
}
