import type { Mux } from './mux.ts';

/** Sends a message that is all in an opening header and forgets the stream: what becomes of it is not told. */
export function sendOneWay(mux: Mux, header: Uint8Array): void {
  const stream = mux.open(header);
  stream.receive({ data: (chunk) => stream.consumed(chunk.length), close: () => undefined });
  stream.end();
}
