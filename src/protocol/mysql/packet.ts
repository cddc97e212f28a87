import { ProtocolError } from '../../errors.ts';
import type { FrameShape } from '../../wire/channel-reader.ts';

/**
 * The framing of every packet of MySQL and MariaDB:
 *
 *     UInt24LE payload length | UInt8 sequence | payload
 *
 * A payload of {@link MAX_PAYLOAD} bytes or more continues in the next packet, and one that is an exact multiple ends with an empty packet.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
 */

/** Bytes before a payload. */
export const HEADER_BYTES = 4;
/** The longest payload of one packet. A packet of this length is continued by the next one. */
export const MAX_PAYLOAD = 0xffffff;

/** One packet without its header. */
export type Packet = { readonly sequence: number; readonly payload: Buffer };

/** `payload` as one packet, or as several when it is long. `sequence` (any integer, taken modulo 256) is that of the first one. */
export function encodePacket(sequence: number, payload: Uint8Array): Buffer {
  const count = packetCount(payload.length);
  const bytes = Buffer.allocUnsafe(payload.length + count * HEADER_BYTES);
  for (let index = 0; index < count; index += 1) {
    const part = payload.subarray(index * MAX_PAYLOAD, (index + 1) * MAX_PAYLOAD);
    const at = index * (MAX_PAYLOAD + HEADER_BYTES);
    bytes.writeUIntLE(part.length, at, 3);
    bytes.writeUInt8((sequence + index) & 0xff, at + 3);
    bytes.set(part, at + HEADER_BYTES);
  }
  return bytes;
}

/** How many packets a payload of `bytes` bytes takes: at least one. */
export function packetCount(bytes: number): number {
  return Math.floor(bytes / MAX_PAYLOAD) + 1;
}

/**
 * How `ChannelReader.readFrame` reads one packet, header included. For handshakes only: a packet that another one would continue is longer than any
 * sane `maxBytes`, which counts the header. `name` and `limitName` stand in errors.
 */
export function packetShape(maxBytes: number, name: string, limitName = 'maxHandshakeBytes'): FrameShape {
  const lengthOf = (header: Buffer): number => HEADER_BYTES + header.readUIntLE(0, 3);
  return { name, headerBytes: HEADER_BYTES, lengthOf, maxBytes, limitName };
}

/** Takes one whole packet apart. The payload is a view. Throws `MYSQL_PACKET_TOO_SHORT`, `MYSQL_PACKET_BAD_LENGTH`. */
export function decodePacket(packet: Buffer): Packet {
  if (packet.length < HEADER_BYTES)
    throw new ProtocolError(
      'MYSQL_PACKET_TOO_SHORT',
      `mysql: a packet needs ${HEADER_BYTES} bytes, got ${packet.length}`,
    );
  const length = packet.readUIntLE(0, 3);
  if (length !== packet.length - HEADER_BYTES)
    throw new ProtocolError(
      'MYSQL_PACKET_BAD_LENGTH',
      `mysql: packet claims ${length} bytes of payload, got ${packet.length - HEADER_BYTES}`,
    );
  return { sequence: packet.readUInt8(3), payload: packet.subarray(HEADER_BYTES) };
}
