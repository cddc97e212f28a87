import { Writer } from '../../wire/writer.ts';
import { COM } from '../../protocol/mysql/capabilities.ts';
import { encodePacket, packetShape } from '../../protocol/mysql/packet.ts';
import { within } from '../connect-limit.ts';
import type { DatabaseCredentials, DatabaseTarget } from '../engine.ts';
import { bareLogin } from './legs.ts';
import { logIn } from './log-in.ts';
import { closeSoon } from './probe.ts';

/** Whose running statement, and as whom to stop it. */
export type Canceller = {
  readonly target: DatabaseTarget;
  readonly user: string;
  readonly databaseName: string;
  /** Those of the session itself. */
  readonly credentials: DatabaseCredentials;
  /** The database's own id of the connection. */
  readonly connectionId: number;
};

/**
 * Stops what the connection runs, over a signed-in connection of its own with `KILL QUERY`, as MySQL has no other way. Resolves when the database answered, after `connectTimeoutMs` at the
 * latest; whether something was stopped is not told. Never throws.
 */
export async function cancelAtDatabase(canceller: Canceller): Promise<void> {
  const signal = AbortSignal.timeout(canceller.target.connectTimeoutMs);
  try {
    await killWith(await currentCredentials(canceller, signal), canceller, signal);
  } catch {
    // A cancel that does not arrive changes nothing, and its sender sees that the statement goes on.
  }
}

/** Those of the session may have expired since; new ones are not to be had for a person who was locked out meanwhile. */
async function currentCredentials(
  { target, user, databaseName, credentials }: Canceller,
  signal: AbortSignal,
): Promise<DatabaseCredentials> {
  try {
    return await within(
      AbortSignal.any([signal, AbortSignal.timeout(freshMs)]),
      target.credentials(user, databaseName),
    );
  } catch {
    return credentials;
  }
}

async function killWith(credentials: DatabaseCredentials, canceller: Canceller, signal: AbortSignal): Promise<void> {
  const { channel, reader } = await logIn(canceller.target.database, credentials, bareLogin(canceller.user), signal);
  try {
    const kill = `KILL QUERY ${canceller.connectionId}`;
    channel.write(encodePacket(0, new Writer().uint8(COM.COM_QUERY).string(kill).finish()));
    await reader.readFrame(answerShape, signal);
    channel.write(encodePacket(0, Buffer.from([COM.COM_QUIT])));
  } finally {
    closeSoon(channel, reader);
  }
}

const answerShape = packetShape(4096, 'mysql: answer to KILL QUERY', 'maxKillAnswerBytes');
/** For new credentials; Auth answers much sooner or not at all. */
const freshMs = 2000;
