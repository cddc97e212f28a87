import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { create } from '@bufbuild/protobuf';
import { LiveSessionSchema, ReportSessionsRequestSchema } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { SessionBoard } from './session-board.ts';

/** What an agent that was taken over can make Auth remember. live-sessions.test.ts has what people see. */

const clock = { monotonic: () => 0 } as ConstructorParameters<typeof SessionBoard>[0];

function report(from: number, texts: readonly string[], more: object = {}) {
  const sessions = texts.map((currentStatement, index) =>
    create(LiveSessionSchema, {
      sessionId: `11111111-1111-4111-8111-${String(from + index).padStart(12, '0')}`,
      currentStatement,
      ...more,
    }),
  );
  return create(ReportSessionsRequestSchema, { picture: 1n, last: false, sessions });
}

function held(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test('a long statement is cut, and the rest of it is not kept behind the cut', () => {
  const board = new SessionBoard(clock);
  const before = held();
  for (let index = 0; index < 32; index += 1) {
    // As a decoder makes them: one flat text each.
    const text = new TextDecoder().decode(Buffer.alloc(1024 * 1024, 97 + (index % 26)));
    board.report('agent', report(index, [text]));
  }
  board.report('agent', { ...report(0, []), last: true });
  const kept = held() - before;
  assert.equal(board.list().length, 32);
  assert.ok(board.list().every(({ currentStatement = '' }) => currentStatement.length === 1024));
  assert.ok(kept < 8 * 1024 * 1024, `${kept} bytes for 32 statements of 1024 characters`);
});

test('all texts of an agent together have a bound', () => {
  const board = new SessionBoard(clock);
  const wide = '\u{1F600}'.repeat(200);
  const more = { user: wide, databaseService: wide, databaseUser: wide, databaseName: wide, clientProgram: wide };
  const part = (from: number) =>
    report(
      from,
      Array.from({ length: 1000 }, () => 'x'.repeat(1024)),
      more,
    );
  assert.throws(
    () => {
      for (let from = 0; from < 20_000; from += 1000) board.report('agent', part(from));
    },
    { code: 'SESSIONS_TOO_MANY', message: /maxSessionTextOfAgent/ },
  );
});
