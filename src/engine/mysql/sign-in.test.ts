import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { channelPair } from '../../../test/kit/channel.ts';
import { TesseraError } from '../../errors.ts';
import { CLIENT } from '../../protocol/mysql/capabilities.ts';
import { encodePacket } from '../../protocol/mysql/packet.ts';
import { ChannelReader } from '../../wire/channel-reader.ts';
import { signIn } from './sign-in.ts';

const secret = 'correct horse battery staple';
/** Beginnings that lead somewhere, so that what follows is reached. */
const beginnings = [
  '',
  '00',
  '01',
  '0103',
  '0104',
  'ff',
  `fe${Buffer.from('mysql_native_password\0').toString('hex')}`,
  `fe${Buffer.from('caching_sha2_password\0').toString('hex')}`,
  `fe${Buffer.from('client_ed25519\0').toString('hex')}`,
  `fe${Buffer.from('parsec\0').toString('hex')}`,
  `fe${Buffer.from('mysql_clear_password\0').toString('hex')}`,
];
const payload = fc
  .tuple(fc.constantFrom(...beginnings), fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(new Uint8Array(32))))
  .map(([beginning, rest]) => Buffer.concat([Buffer.from(beginning, 'hex'), rest]));

test('whatever a database answers, sign-in ends, with an error of ours or a yes, and an unverified one never learns the password', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(payload, { maxLength: 8 }), fc.boolean(), async (payloads, inTurn) => {
      const [near, far] = channelPair();
      let heard = Buffer.alloc(0);
      far.receive({ data: (chunk) => (heard = Buffer.concat([heard, chunk])), close: () => {} });
      payloads.forEach((bytes, index) => far.write(encodePacket(inTurn ? 3 + 2 * index : index, bytes)));
      far.end();
      try {
        const ok = await signIn({
          reader: new ChannelReader(near),
          write: (bytes) => void near.write(bytes),
          greeting: { plugin: 'caching_sha2_password', scramble: Buffer.alloc(20, 65) },
          response: (plugin, authResponse) => Buffer.concat([Buffer.from(plugin), authResponse]),
          capabilities: (CLIENT.PROTOCOL_41 | CLIENT.SESSION_TRACK) >>> 0,
          password: { text: secret, verified: false },
          signal: AbortSignal.any([]),
        });
        assert.equal(ok.header, 'ok');
      } catch (error) {
        assert.ok(error instanceof TesseraError, String(error));
        assert.ok(!error.message.includes(secret) && !error.publicMessage.includes(secret));
      }
      await new Promise((resolve) => setImmediate(resolve));
      assert.ok(!heard.includes(secret));
    }),
    { numRuns: 300 },
  );
});
