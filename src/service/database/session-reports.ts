import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LiveSessionSchema, ReportSessionsRequestSchema } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import type { AdmittedSession } from '../../engine/engine.ts';
import type { VerifiedOpening } from '../../pki/opening.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import { ToldAgain } from './told-again.ts';

/** One session of this agent as it goes on. */
export type LiveSession = AdmittedSession & { readonly opening: VerifiedOpening };

type Report = MessageInitShape<typeof LiveSessionSchema>;
/** Sends one part of a picture; `nextMs`: when Auth wants the next picture. Rejects with one of our errors. */
export type SendReport = (
  part: MessageInitShape<typeof ReportSessionsRequestSchema>,
) => Promise<{ readonly nextMs: number }>;

export type SessionReportsOptions = {
  readonly sessions: () => ReadonlySet<LiveSession>;
  readonly send: SendReport;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to 1. */
  readonly random: () => number;
};

/**
 * Tells Auth which sessions this agent has and what they do: soon after one began or ended, and again and again as often as Auth asks for (more often while somebody looks).
 * Everything is read off the sessions' counters at that moment; the path of their bytes does nothing for it. A picture that Auth does not get is not kept: the next one is whole.
 */
export class SessionReports {
  readonly #options: SessionReportsOptions;
  readonly #telling: ToldAgain;
  #lastMs = Number.NEGATIVE_INFINITY;
  #picture = 0n;
  /** Auth knows that there are none: nothing is said until one begins. */
  #toldNone = true;

  constructor(options: SessionReportsOptions) {
    this.#options = options;
    const { clock, random, log } = options;
    this.#telling = new ToldAgain({
      tell: () => this.#report(),
      changeDelayMs: () =>
        Math.max(changeDelayMs, this.#lastMs + minIntervalMs - clock.monotonic(), options.sessions().size),
      retryMs: 2 * minIntervalMs,
      maxRetryMs: maxIntervalMs,
      onFailure: (reason) =>
        log.debug({ reason }, 'the auth service did not take the list of live sessions; trying again'),
      clock,
      random,
    });
  }

  /** A session began or ended: tell soon, several together; with very many sessions later, so that their number does not become the load. */
  changed(): void {
    this.#telling.changed();
  }

  close(): void {
    this.#telling.close();
  }

  #report(): Promise<number> | undefined {
    const live = [...this.#options.sessions()];
    if (live.length === 0 && this.#toldNone) return undefined;
    this.#lastMs = this.#options.clock.monotonic();
    return this.#tell(live);
  }

  async #tell(live: readonly LiveSession[]): Promise<number> {
    const nextMs = await this.#send(live);
    this.#toldNone = live.length === 0;
    return Math.min(Math.max(nextMs, minIntervalMs), maxIntervalMs);
  }

  async #send(live: readonly LiveSession[]): Promise<number> {
    this.#picture += 1n;
    let nextMs = maxIntervalMs;
    for (let start = 0; start === 0 || start < live.length; start += sessionsPerPart) {
      const part = live.slice(start, start + sessionsPerPart);
      const last = start + sessionsPerPart >= live.length;
      ({ nextMs } = await this.#options.send({ picture: this.#picture, last, sessions: part.map(reportOf) }));
    }
    return nextMs;
  }
}

function reportOf({ opening, grant, request, startedMs, counters }: LiveSession): Report {
  const { identity, database } = grant;
  const idle = counters.running === 0;
  return {
    sessionId: opening.opening.sessionId,
    user: identity.user,
    databaseService: database.metadata.name,
    protocol: database.spec.protocol,
    databaseUser: grant.databaseUser,
    databaseName: grant.databaseName,
    clientAddress: opening.opening.clientAddress,
    proxyHostId: opening.proxy.identity.hostId,
    started: new Date(startedMs).toISOString(),
    statements: BigInt(counters.statements),
    bytesFromClient: BigInt(counters.bytesFromClient),
    bytesFromDatabase: BigInt(counters.bytesFromDatabase),
    currentStatement: idle ? '' : cut(counters.current?.() ?? '', maxStatementBytes),
    since: new Date(counters.lastActivityMs).toISOString(),
    idle,
    clientProgram: cut(programOf(request.parameters), maxProgramBytes),
  };
}

/** What the client calls itself: PostgreSQL's application_name, MySQL's connection attributes. */
function programOf(parameters: Readonly<Record<string, string>>): string {
  for (const name of programNames) {
    const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (value !== undefined && value !== '') return value;
  }
  return '';
}

/** The beginning of at most so many bytes of UTF-8, in whole characters. */
function cut(text: string, maxBytes: number): string {
  const beginning = text.slice(0, maxBytes);
  if (Buffer.byteLength(beginning) <= maxBytes) return beginning;
  return new TextDecoder().decode(Buffer.from(beginning).subarray(0, maxBytes), { stream: true });
}

const programNames = ['application_name', 'attribute.program_name', 'attribute._client_name'];
const maxStatementBytes = 1024;
const maxProgramBytes = 128;
/** About 700 KiB at most. */
const sessionsPerPart = 500;
const changeDelayMs = 300;
const minIntervalMs = 1000;
const maxIntervalMs = 30_000;
