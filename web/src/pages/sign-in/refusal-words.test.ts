import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusalWords } from './refusal-words.ts';

test('a code that is not known is shown only when it looks like one', () => {
  assert.match(refusalWords('SAML_AUDIENCE').text, /Code: SAML_AUDIENCE\.$/);
  for (const text of ['<img src=x>', 'call 555-1234', '', 'a'.repeat(100), 'constructor', '__proto__', 'toString'])
    assert.doesNotMatch(refusalWords(text).text, /Code:/, text);
});

test('what is known has words of its own', () => {
  assert.notEqual(refusalWords('SSO_NO_ROLES').title, refusalWords('SAML_AUDIENCE').title);
});
