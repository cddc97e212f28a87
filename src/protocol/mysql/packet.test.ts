import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { COM, commandName } from './capabilities.ts';
import { decodePacket, encodePacket, HEADER_BYTES, MAX_PAYLOAD, packetCount, packetShape } from './packet.ts';

test('packet: header of the manuals', () => {
  // COM_INIT_DB of https://mariadb.com/kb/en/com_init_db/.
  assert.equal(encodePacket(0, Buffer.from('\x02testc')).toString('hex'), '06000000027465737463');
  assert.equal(encodePacket(258, Buffer.alloc(0)).toString('hex'), '00000002');
});

const sizes = [0, 1, MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 1, 2 * MAX_PAYLOAD];
for (const size of sizes)
  test(`packet: a payload of ${size} bytes is split so that it comes back`, () => {
    const payload = Buffer.alloc(size, 7);
    const bytes = encodePacket(255, payload);
    const parts: { sequence: number; length: number }[] = [];
    for (let at = 0; at < bytes.length;) {
      const length = packetShape(bytes.length, 'packet').lengthOf(bytes.subarray(at, at + HEADER_BYTES));
      const packet = decodePacket(bytes.subarray(at, at + length));
      parts.push({ sequence: packet.sequence, length: packet.payload.length });
      at += length;
    }
    assert.equal(parts.length, packetCount(size));
    assert.deepEqual(
      parts.map((part) => part.sequence),
      [255, 0, 1].slice(0, parts.length),
    );
    assert.equal(
      parts.reduce((sum, part) => sum + part.length, 0),
      size,
    );
    // A reader knows that it is over by a packet below the longest, and not before.
    assert.deepEqual(
      parts.map((part) => part.length === MAX_PAYLOAD),
      parts.map((_, index) => index < parts.length - 1),
    );
  });

test('packet: one that is cut or too long is refused', () => {
  assert.throws(() => decodePacket(Buffer.from('010000', 'hex')), { code: 'MYSQL_PACKET_TOO_SHORT' });
  assert.throws(() => decodePacket(Buffer.from('02000000aa', 'hex')), { code: 'MYSQL_PACKET_BAD_LENGTH' });
  assert.throws(() => decodePacket(Buffer.from('00000000aa', 'hex')), { code: 'MYSQL_PACKET_BAD_LENGTH' });
});

test('packet: what is encoded decodes to the same', () => {
  fc.assert(
    fc.property(fc.nat({ max: 255 }), fc.uint8Array({ maxLength: 300 }), (sequence, bytes) => {
      const packet = decodePacket(encodePacket(sequence, bytes));
      assert.deepEqual([packet.sequence, packet.payload.equals(bytes)], [sequence, true]);
    }),
  );
});

test('commands: every byte has a name, and every name its own byte', () => {
  for (const [name, byte] of Object.entries(COM)) assert.equal(commandName(byte), name);
  const named = new Set(Object.values(COM) as number[]);
  for (let byte = 0; byte < 256; byte += 1) if (!named.has(byte)) assert.equal(commandName(byte), 'COM_UNKNOWN');
});
