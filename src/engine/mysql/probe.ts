import { COM } from '../../protocol/mysql/capabilities.ts';
import type { Greeting } from '../../protocol/mysql/greeting.ts';
import type { ClientFlags } from '../../protocol/mysql/handshake-response.ts';
import { encodePacket } from '../../protocol/mysql/packet.ts';
import type { Channel } from '../../wire/channel.ts';
import { SocketChannel } from '../../wire/socket-channel.ts';
import { ChannelReader } from '../../wire/channel-reader.ts';
import type { Dialled } from './dial.ts';
import { bareLogin, chooseFlags, responseOf } from './legs.ts';
import { signIn } from './sign-in.ts';

/** A user that nobody has. */
const probe = bareLogin('tessera-probe');

/** What a connection that is not to be used says in its SSLRequest. */
export function probeFlags(greeting: Greeting): ClientFlags {
  return chooseFlags(probe, greeting);
}

/**
 * Leaves a database that is not to be used, in a way it does not hold against this host: a server that sees `max_connect_errors` (100) connections end in the middle of the handshake lets nobody of that
 * host in any more, and only a refused sign-in is an end that it does not count. Waits for the refusal at most 1 s: some servers delay it on purpose. Never throws.
 */
export async function leaveUnsigned({ socket, greeting, flags }: Dialled, signal: AbortSignal): Promise<void> {
  const channel = new SocketChannel(socket);
  const reader = new ChannelReader(channel);
  try {
    await signIn({
      reader,
      write: (bytes) => void channel.write(bytes),
      greeting,
      response: responseOf(probe, flags),
      capabilities: flags.capabilities,
      password: undefined,
      signal: AbortSignal.any([signal, AbortSignal.timeout(refusalMs)]),
    });
    // Somebody lets everybody in.
    channel.write(encodePacket(0, Buffer.from([COM.COM_QUIT])));
  } catch {
    // Refused, as it should be; or it said something odd, which is nothing to a connection that ends.
  }
  closeSoon(channel, reader);
}

/** Ends a channel whose last bytes are written: the database closes its side, or is cut. */
export function closeSoon(channel: Channel, reader: ChannelReader): void {
  reader.release();
  const cut = setTimeout(() => channel.destroy(), lingerMs).unref();
  channel.receive({ data: (chunk) => channel.consumed(chunk.length), close: () => clearTimeout(cut) });
  channel.end();
}

const refusalMs = 1000;
const lingerMs = 1000;
