// That nobody changes the default database unseen, and that what is told of executions is what ran.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LEGS, listener, optionsOf, testDialogues } from '../../../test/kit/mysql-dialogue.ts';
import { Conversation } from './conversation.ts';
import { clientBytes, serverBytes } from './trace.ts';

testDialogues('conversation, reports of the default database', [
  {
    name: 'what would end them is refused, in whatever command',
    legs: ['new', 'maria'],
    talk: [
      'F Q(set session_track_schema=off)',
      'D',
      'C err(1227:42000:Access denied; session_track_schema can not be changed through Tessera, which goes by it)',
      'F P(set @@session_track_schema=?)',
      'D',
      'C err(1227:42000:Access denied; session_track_schema can not be changed through Tessera, which goes by it)',
    ],
    want: [
      '#1 COM_QUERY "set session_track_schema=off" refused 1227',
      '#2 COM_STMT_PREPARE "set @@session_track_schema=?" refused 1227',
    ],
  },
  {
    name: 'behind what ran unseen the session is led back before the next command, which waits for nothing',
    legs: ['maria'],
    talk: [
      'F Q(call p) Q(show warnings) N Q(select 1) Q(select 2)',
      'D Q(call p) Q(show warnings) N I(start) Q(select 1) Q(select 2)',
      'B ok | ok | ok | ok(db=start) | ok | ok',
      'C ok | ok | ok | ok | ok',
    ],
    want: [
      '#1 COM_QUERY "call p"',
      '#2 COM_QUERY "show warnings"',
      '#3 COM_QUERY "select 1"',
      '#4 COM_QUERY "select 2"',
      '#1 completed rows=0 results=1 affected=0',
      '#2 completed rows=0 results=1 affected=0',
      '#3 completed rows=0 results=1 affected=0',
      '#4 completed rows=0 results=1 affected=0',
    ],
  },
  {
    name: 'a database that does not tell where it was led to ends the session',
    legs: ['maria'],
    talk: ['F Q(execute s) Q(select 1)', 'D Q(execute s) I(start) Q(select 1)', 'B ok | ok | ok', 'C ok'],
    want: [
      '#1 COM_QUERY "execute s"',
      '#2 COM_QUERY "select 1"',
      '#1 completed rows=0 results=1 affected=0',
      '#2 unanswered rows=0 results=0',
    ],
  },
  {
    name: 'COM_INIT_DB without a report ends the session',
    legs: ['new', 'maria'],
    talk: ['F I(b)', 'B ok', 'F N', 'D'],
    want: ['#1 COM_INIT_DB db=b', '#1 completed rows=0 results=1 affected=0', 'database b'],
  },
  {
    name: 'a change under way is waited for',
    legs: ['maria'],
    talk: [
      'F Q(call p) I(b) Q(select 1)',
      'D Q(call p) I(b) Q(select 1)',
      'B ok | ok(db=b) | ok',
      'F Q(select 2)',
      'D I(b) Q(select 2)',
      'B ok(db=b) | ok',
      'C ok',
    ],
    want: [
      '#1 COM_QUERY "call p"',
      '#2 COM_INIT_DB db=b',
      '#3 COM_QUERY "select 1"',
      '#1 completed rows=0 results=1 affected=0',
      'database b',
      '#2 completed rows=0 results=1 affected=0',
      '#3 completed rows=0 results=1 affected=0',
      '#4 COM_QUERY "select 2"',
      '#4 completed rows=0 results=1 affected=0',
    ],
  },
]);

testDialogues('conversation, what ran is what is told', [
  {
    name: "MariaDB's last statement, when the PREPARE behind which it was sent is refused for room",
    legs: ['maria'],
    talk: [
      'F P(delete from t)',
      'B prep(1,0,0)',
      'F P(select 1) E(4294967295)',
      'B err(1461:42000:too many) | ok(a=3)',
    ],
    want: [
      '#1 COM_STMT_PREPARE "delete from t"',
      '#1 completed rows=0 results=1',
      '#2 COM_STMT_PREPARE "select 1"',
      '#3 COM_STMT_EXECUTE 4294967295 "select 1" []',
      '#2 failed rows=0 results=0 !1461/42000 too many',
      '#3 completed rows=0 results=1 affected=3 ran="delete from t"',
    ],
  },
  {
    name: 'what was sent ahead of an execution that failed may be of the next one, until one succeeds or it is reset',
    legs: ['new'],
    talk: [
      'F P(do ?)',
      'B prep(1,0,1) def',
      'F L(1/0:ahead) c(17:\x01\0\0\0\0\x01\0\0\0)',
      'B err(1835:HY000:malformed)',
      'F E(1:shown)',
      'B ok',
      'F E(1:seen) L(1/0:more) E(1:long) E(1:pipelined)',
      'B ok | ok | ok',
      'F E(1:told)',
      'B ok',
    ],
    want: [
      '#1 COM_STMT_PREPARE "do ?"',
      '#1 completed rows=0 results=1',
      '#2 COM_STMT_SEND_LONG_DATA 1 "do ?" long=0+5',
      '#2 no-answer rows=0 results=0',
      '#3 COM_STMT_EXECUTE 1 "do ?" [of 1]',
      '#3 failed rows=0 results=0 !1835/HY000 malformed',
      '#4 COM_STMT_EXECUTE 1 "do ?" [of 1]',
      '#4 completed rows=0 results=1 affected=0',
      '#5 COM_STMT_EXECUTE 1 "do ?" [seen]',
      '#6 COM_STMT_SEND_LONG_DATA 1 "do ?" long=0+4',
      '#6 no-answer rows=0 results=0',
      '#7 COM_STMT_EXECUTE 1 "do ?" [(sent by COM_STMT_SEND_LONG_DATA)]',
      '#8 COM_STMT_EXECUTE 1 "do ?" [of 1]',
      '#5 completed rows=0 results=1 affected=0',
      '#7 completed rows=0 results=1 affected=0',
      '#8 completed rows=0 results=1 affected=0',
      '#9 COM_STMT_EXECUTE 1 "do ?" [told]',
      '#9 completed rows=0 results=1 affected=0',
    ],
  },
]);

for (const databaseName of ['', 'b\u00fccher']) {
  test(`conversation, reports of the default database: for "${databaseName}" it is a question, whose error ends the session`, () => {
    const heard: string[] = [];
    const conversation = new Conversation(listener(heard), optionsOf({ databaseName }, 'maria'));
    const sent = conversation.fromClient(clientBytes('Q(execute s) Q(select 1)')).toString();
    const here = databaseName === '' ? 'database() is null' : 'database() <=> convert(0x62c3bc63686572 using utf8mb4)';
    assert.ok(sent.includes(`not (${here} and @@session.session_track_schema)`), sent);
    conversation.fromDatabase(serverBytes('ok | ok', LEGS.maria));
    assert.equal(conversation.mustEnd, undefined);
    conversation.fromDatabase(serverBytes('ok', LEGS.maria));
    conversation.fromClient(clientBytes('Q(execute s) Q(select 1)'));
    conversation.fromDatabase(serverBytes('ok | err(1242:21000:rows)', LEGS.maria));
    assert.match(JSON.stringify(conversation.mustEnd), /1227/);
    conversation.finish();
  });
}
