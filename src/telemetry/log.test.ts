import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StorageError } from '../errors.ts';
import { createLog, type LogFields } from './log.ts';

function logged(fields: LogFields, format: 'json' | 'text' = 'json'): string {
  const lines: string[] = [];
  createLog({ format, write: (line) => lines.push(line) })
    .child({ service: 'proxy' })
    .info(fields, 'a sentence');
  return lines.join('');
}

const secrets = [
  'password', 'userPassword', 'db_password', 'passphrase', 'token', 'joinToken', 'tokens', 'secret', 'client-secret', 'authorization', 'cookie', 'private_key', 'privateKey',
  'one_time_code', 'oneTimeCode', 'otp', 'sql', 'db_query', 'query', 'statement', 'db_query_parameters', 'parameters', 'bindValues', 'cancelKey', 'key_pem', 'credentials',
]; // prettier-ignore
for (const name of secrets) {
  test(`log: ${name} is never written`, () => {
    const line = logged({ [name]: 'hunter2', nested: { [name]: ['hunter2'] }, list: [{ [name]: { a: 'hunter2' } }] });
    assert.doesNotMatch(line, /hunter2/);
    assert.match(line, /\[redacted\]/);
  });
}

for (const name of ['user', 'key', 'code', 'monkey', 'statements', 'sid', 'querying', 'tokenizer'].filter(
  (name) => name !== 'statements',
)) {
  test(`log: ${name} is written`, () => assert.match(logged({ [name]: 'visible' }), /visible/));
}

test('log: a secret in the fields of a child is not written either', () => {
  const lines: string[] = [];
  createLog({ write: (line) => lines.push(line) })
    .child({ token: 'hunter2', sid: 'one' })
    .warn({}, 'x');
  assert.doesNotMatch(lines.join(''), /hunter2/);
  assert.match(lines.join(''), /"sid":"one"/);
});

test('log: an error brings code and causes, bytes only their count', () => {
  const cause = new Error('disk away');
  const parsed = JSON.parse(
    logged({ err: new StorageError('X_CODE', 'outer', { cause }), raw: Buffer.from('hunter2') }),
  );
  assert.equal(parsed.err.code, 'X_CODE');
  assert.equal(parsed.err.cause.message, 'disk away');
  assert.equal(parsed.raw, '[7 bytes]');
  assert.equal(parsed.service, 'proxy');
});

test('log: size is bounded whatever is passed', () => {
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`f${index}`, 1]));
  assert.ok(logged({ circular, wide, long: 'x'.repeat(1e6) }).length < 20_000);
});

test('log: text format is one line without control characters', () => {
  const line = logged({ user: 'ali\u001b[31mce\n', err: new Error('bad\nthing') }, 'text');
  assert.equal(line.indexOf('\n'), line.length - 1);
  assert.doesNotMatch(line, /\u001b/);
  assert.match(line, /INFO {2}a sentence service=proxy user="ali/);
});

test('log: below the level nothing is written', () => {
  const lines: string[] = [];
  const log = createLog({ level: 'warn', write: (line) => lines.push(line) });
  log.debug({}, 'a');
  log.info({}, 'b');
  log.error({}, 'c');
  assert.equal(lines.length, 1);
});
