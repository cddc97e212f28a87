import type { Channel } from '../wire/channel.ts';

/**
 * Writes the last bytes a client gets and ends the channel; resolves when the client is gone, or was cut after 2 s because it did not leave. What the client still sends is
 * thrown away, so that a client in the middle of a large packet gets to read the answer. Never throws.
 */
export function lastAnswer(client: Channel, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => {
      client.destroy();
      resolve();
    }, lingerMs);
    client.receive({
      data: (chunk) => client.consumed(chunk.length),
      close: () => {
        clearTimeout(cut);
        resolve();
      },
    });
    client.write(bytes);
    client.end();
  });
}

/** For the client to read the answer and leave. */
const lingerMs = 2000;
