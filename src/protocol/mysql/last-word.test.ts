import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cutAt } from '../../../test/kit/codec.ts';
import { LEGS, listener, optionsOf } from '../../../test/kit/mysql-dialogue.ts';
import { Conversation } from './conversation.ts';
import { HEADER_BYTES } from './packet.ts';
import { clientBytes, serverBytes } from './trace.ts';

/** Each ends the session while the client waits for the rest of this answer. */
const rows: readonly {
  readonly name: string;
  readonly answer: string;
  readonly localInfile?: true;
  readonly asks?: string;
}[] = [
  { name: 'an answer with a wrong number', answer: '@5 ok' },
  { name: 'an empty packet', answer: 'raw()' },
  { name: 'an EOF in place of an answer', answer: 'raw(fe00000200)' },
  { name: 'an OK cut short', answer: 'raw(00fd)' },
  { name: 'too many columns', answer: 'raw(fe0000000000000080)' },
  { name: 'session state that is none', answer: 'raw(000000024000000005010100)' },
  { name: 'the wish for a file', answer: 'fb(secret)' },
  { name: 'the wish for a file as the second result', answer: 'ok(s=8) fb(secret)' },
  { name: 'a bad packet behind rows', answer: 'n(1) def row row end(s=8) raw(00fd)' },
  {
    name: 'an error in the middle of a file',
    answer: 'fb(file) err(1105:HY000:no)',
    localInfile: true,
    asks: "Q(load data local infile 'x' into table t)",
  },
];

for (const { name, answer, localInfile = false, asks = 'Q(a)' } of rows) {
  test(`the last word follows what the client got: ${name}`, () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 80 }), { maxLength: 8 }), (cuts) => {
        const conversation = new Conversation(listener([]), optionsOf({ localInfile }, 'new'));
        conversation.fromClient(clientBytes(asks));
        const given: Buffer[] = [];
        let ended = false;
        for (const chunk of cutAt(serverBytes(answer, LEGS.new), cuts)) {
          try {
            given.push(conversation.fromDatabase(chunk));
          } catch {
            ended = true;
            break;
          }
          ended = conversation.mustEnd !== undefined;
        }
        assert.ok(ended, 'the session goes on');
        assert.equal(conversation.nextSequence, 1 + countPackets(Buffer.concat(given)));
      }),
      { numRuns: 100 },
    );
  });
}

function countPackets(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at += HEADER_BYTES + bytes.readUIntLE(at, 3)) count += 1;
  return count;
}
