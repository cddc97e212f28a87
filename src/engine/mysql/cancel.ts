import { UpstreamError } from '../../errors.ts';
import { COM } from '../../protocol/mysql/capabilities.ts';
import { decodeErr, isErr } from '../../protocol/mysql/err.ts';
import { decodePacket, encodePacket, packetShape } from '../../protocol/mysql/packet.ts';
import { Writer } from '../../wire/writer.ts';
import { connectError, within } from '../connect-limit.ts';
import type { DatabaseCredentials, DatabaseTarget } from '../engine.ts';
import type { KillKind } from '../session-ids.ts';
import { bareLogin } from './legs.ts';
import { logIn } from './log-in.ts';
import { closeSoon } from './probe.ts';

/** As whom to stop a statement. */
export type Killer = {
  readonly target: DatabaseTarget;
  readonly user: string;
  readonly databaseName: string;
  /** Those that the session signed in with. */
  readonly credentials: DatabaseCredentials;
};

/**
 * Stops what a connection runs, or ends it, over a signed-in connection of its own with `KILL`, as MySQL has no other way. `connectionId`: the database's own. Resolves when the database took it, or knows of no such
 * connection; whether something was stopped is not told. After `connectTimeoutMs` at the latest it rejects: the database could not be asked, or says no. A session's credentials do not outlive
 * it for long (database certificates: 10 minutes), and Auth issues new ones for a session of the last minute alone: an old session is stopped by luck (the person has a newer one with the same database here) or by the
 * agent of another session (decision 0012).
 */
export async function killAtDatabase(killer: Killer, connectionId: number, what: KillKind): Promise<void> {
  const timeoutMs = killer.target.connectTimeoutMs;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const credentials = await currentCredentials(killer, signal);
    await sayKill({ ...killer, credentials }, `KILL ${what.toUpperCase()} ${connectionId}`, signal);
  } catch (error) {
    throw connectError(error, signal, { timeoutMs, hint: 'the certificate may have expired' });
  }
}

/** False: another one should do it. */
export function isGood(credentials: DatabaseCredentials): boolean {
  return credentials.type !== 'certificate' || credentials.stillGood?.() !== false;
}

/** Those of the session may have expired since; new ones are not to be had for a person who was locked out meanwhile, nor for a session older than a minute. */
async function currentCredentials(
  { target, user, databaseName, credentials }: Killer,
  signal: AbortSignal,
): Promise<DatabaseCredentials> {
  try {
    return await within(
      AbortSignal.any([signal, AbortSignal.timeout(freshMs)]),
      target.credentials(user, databaseName),
    );
  } catch (cause) {
    if (isGood(credentials)) return credentials;
    // Not tried: a server counts connections that end in the handshake against this host.
    throw new UpstreamError(
      'DATABASE_CERTIFICATE_EXPIRED',
      "the session's database certificate has expired, and a new one is not to be had",
      { cause },
    );
  }
}

async function sayKill({ target, user, credentials }: Killer, kill: string, signal: AbortSignal): Promise<void> {
  const { channel, reader, flags } = await logIn(target.database, credentials, bareLogin(user), signal);
  try {
    channel.write(encodePacket(0, new Writer().uint8(COM.COM_QUERY).string(kill).finish()));
    const { payload } = decodePacket(await reader.readFrame(answerShape, signal));
    channel.write(encodePacket(0, Buffer.from([COM.COM_QUIT])));
    if (!isErr(payload)) return;
    const { code } = decodeErr(payload, flags.capabilities);
    if (code !== noSuchThread)
      throw new UpstreamError('MYSQL_KILL_REFUSED', `the database refused KILL: error ${code}`);
  } finally {
    closeSoon(channel, reader);
  }
}

const answerShape = packetShape(4096, 'mysql: answer to KILL', 'maxKillAnswerBytes');
/** ER_NO_SUCH_THREAD: it ended by itself. */
const noSuchThread = 1094;
/** For new credentials; Auth answers much sooner or not at all. */
const freshMs = 2000;
