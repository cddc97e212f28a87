import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, ConnectError } from '@connectrpc/connect';
import { codeOf, isPassing, isSignedOut, toSentences } from './errors.ts';
import { PageError } from './page-error.ts';

const refused = new ConnectError('wrong user name, password or one-time code', Code.Unauthenticated, {
  'tessera-code': 'SIGN_IN_REFUSED',
});

test('a refusal in three sentences, with the stable code of the server', () => {
  const words = toSentences(refused, 'you are not signed in');
  assert.equal(words.what, 'You are not signed in.');
  assert.equal(words.why, 'Wrong user name, password or one-time code.');
  assert.match(words.next, /^[A-Z].*\.$/);
  assert.equal(words.code, 'SIGN_IN_REFUSED');
  assert.equal(words.retryable, false);
});

test('a wrong password does not mean that the browser was signed out; a missing session does', () => {
  assert.equal(isSignedOut(refused), false);
  assert.equal(isSignedOut(new ConnectError('x', Code.Unauthenticated, { 'tessera-code': 'NOT_SIGNED_IN' })), true);
  assert.equal(isSignedOut(new ConnectError('x', Code.Unauthenticated)), true);
  assert.equal(isSignedOut(new ConnectError('x', Code.PermissionDenied)), false);
});

test('the server being away is said in words of its own, and is worth another try', () => {
  const away = new ConnectError('fetch failed: getaddrinfo ENOTFOUND', Code.Unavailable);
  const words = toSentences(away, 'The list could not be loaded');
  assert.doesNotMatch(words.why, /getaddrinfo/);
  assert.ok(words.retryable);
  assert.ok(isPassing(away));
  assert.equal(isPassing(refused), false);
});

test('every kind of error has something to do next', () => {
  for (const code of Object.values(Code).filter((value): value is Code => typeof value === 'number')) {
    const words = toSentences(new ConnectError('because', code), 'It failed');
    assert.match(words.next, /\.$/, Code[code]);
    assert.match(words.code, /^[A-Z][A-Z_]*$/, Code[code]);
  }
});

test('roles are blamed only for what roles refuse', () => {
  const denied = (code: string) =>
    toSentences(new ConnectError('no', Code.PermissionDenied, { 'tessera-code': code }), 'no').next;
  assert.match(denied('ACCESS_DENIED'), /roles/);
  assert.doesNotMatch(denied('SIGN_IN_OVER'), /roles/);
  assert.match(denied('LOCKED'), /lock/);
});

test('what is no error of a call still becomes sentences', () => {
  assert.equal(toSentences(new TypeError('x is not a function'), 'The page failed').why, 'X is not a function.');
  assert.equal(toSentences(undefined, 'The page failed').what, 'The page failed.');
  assert.equal(codeOf(new Error('x')), 'UNKNOWN');
});

test('a failure in the browser keeps its own words', () => {
  const words = toSentences(new PageError('PASSKEY_CANCELLED', 'It was cancelled.', 'Try again.'), 'no');
  assert.deepEqual([words.why, words.next, words.code], ['It was cancelled.', 'Try again.', 'PASSKEY_CANCELLED']);
});
