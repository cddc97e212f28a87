import type { OkPacket } from '../../protocol/mysql/ok.ts';
import type { Database } from '../../resource/resource.ts';
import { ChannelReader } from '../../wire/channel-reader.ts';
import { SocketChannel } from '../../wire/socket-channel.ts';
import type { DatabaseCredentials } from '../engine.ts';
import { dialMysql, type Dialled } from './dial.ts';
import { chooseFlags, type Login, responseOf } from './legs.ts';
import { leaveUnsigned, probeFlags } from './probe.ts';
import { type Password, signIn } from './sign-in.ts';

/** A connection of a signed-in user. The owner destroys the channel. */
export type LoggedIn = Omit<Dialled, 'socket'> & {
  readonly channel: SocketChannel;
  /** The channel's receiver, until it is released. */
  readonly reader: ChannelReader;
  readonly ok: OkPacket;
};

/** From TCP to the database's OK. Throws as `dialMysql`, `chooseFlags` and `signIn` do. */
export async function logIn(
  database: Database,
  credentials: DatabaseCredentials,
  login: Login,
  signal: AbortSignal,
): Promise<LoggedIn> {
  const { socket, greeting, flags } = await dialFor(login, database, credentials, signal);
  const channel = new SocketChannel(socket);
  try {
    const reader = new ChannelReader(channel);
    const ok = await signIn({
      reader,
      write: (bytes) => void channel.write(bytes),
      greeting,
      response: responseOf(login, flags),
      capabilities: flags.capabilities,
      password: passwordOf(credentials, database),
      signal,
    });
    return { channel, reader, greeting, flags, ok };
  } catch (error) {
    channel.destroy();
    throw error;
  }
}

async function dialFor(
  login: Login,
  database: Database,
  { secureContext }: DatabaseCredentials,
  signal: AbortSignal,
): Promise<Dialled> {
  let unfit: unknown;
  const choose = (greeting: Dialled['greeting']): Dialled['flags'] => {
    try {
      return chooseFlags(login, greeting);
    } catch (error) {
      unfit = error;
      return probeFlags(greeting);
    }
  };
  const dialled = await dialMysql({ database, secureContext, choose, signal });
  if (unfit === undefined) return dialled;
  await leaveUnsigned(dialled, signal);
  throw unfit;
}

function passwordOf(credentials: DatabaseCredentials, database: Database): Password | undefined {
  if (credentials.type !== 'password') return undefined;
  return { text: credentials.password, verified: database.spec.tls.mode !== 'insecure' };
}
