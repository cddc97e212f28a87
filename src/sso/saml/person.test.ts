import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertionXml, attribute, said, type Said } from './answer.fixture.ts';
import { SAML_LIMITS } from './limits.ts';
import { personOf } from './person.ts';
import { readXml } from './xml.ts';

const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';

async function person(change: Partial<Said>, usernameAttribute?: string) {
  const { root } = await readXml(assertionXml(said(change)), SAML_LIMITS, { comments: true });
  return personOf(root, usernameAttribute);
}

test('the NameID is the user name; attributes are lists', async () => {
  const found = await person({});
  assert.equal(found.username, 'alice');
  assert.equal(found.subject, 'alice');
  assert.deepEqual(found.attributes, { groups: ['dba', 'dev'], email: ['alice@example.com'] });
});

test('username_attribute is the user name, the NameID stays the subject', async () => {
  const found = await person({ nameId: 'x-123' }, 'email');
  assert.equal(found.username, 'alice@example.com');
  assert.equal(found.subject, 'x-123');
});

test('a transient NameID is nobody, unless an attribute is the name', async () => {
  await assert.rejects(person({ nameIdFormat: TRANSIENT }), { code: 'SAML_NAME_ID' });
  const found = await person({ nameIdFormat: TRANSIENT }, 'email');
  assert.equal(found.subject, 'alice@example.com');
});

// Where comments get this far, a reader of the first piece of text would see the shorter name.
test('a comment cuts no name and no value short', async () => {
  const found = await person({
    nameId: 'admin@example.com<!---->.evil.example.com',
    attributes: attribute('groups', ['admin<!-- -->istrators-not']),
  });
  assert.equal(found.username, 'admin@example.com.evil.example.com');
  assert.deepEqual(found.attributes['groups'], ['administrators-not']);
});

const refused = [
  { name: 'an empty NameID', change: { nameId: ' ' }, code: 'SAML_NAME_ID' },
  { name: 'elements in the NameID', change: { nameId: 'alice<saml:x/>' }, code: 'SAML_NAME_ID' },
  { name: 'a long NameID', change: { nameId: 'x'.repeat(1025) }, code: 'SAML_NAME_ID' },
  { name: 'a NameID of two lines', change: { nameId: 'alice&#10;bob' }, code: 'SAML_NAME_ID' },
  {
    name: 'many values',
    change: { attributes: attribute('a', Array.from({ length: 1001 }, String)) },
    code: 'SSO_ATTRIBUTES_TOO_MANY',
  },
  {
    name: 'many attributes',
    change: { attributes: Array.from({ length: 201 }, (_, index) => attribute(`a${index}`, ['x'])).join('') },
    code: 'SSO_ATTRIBUTES_TOO_MANY',
  },
  {
    name: 'groups that are to be asked for elsewhere',
    change: {
      attributes: attribute('http://schemas.microsoft.com/claims/groups.link', ['https://graph.windows.net/x']),
    },
    code: 'SSO_GROUPS_OVERAGE',
  },
  { name: 'no such attribute for the name', change: {}, by: 'mail', code: 'SAML_USERNAME_ATTRIBUTE' },
  { name: 'several values for the name', change: {}, by: 'groups', code: 'SAML_USERNAME_ATTRIBUTE' },
  { name: 'what every object has for the name', change: {}, by: 'constructor', code: 'SAML_USERNAME_ATTRIBUTE' },
];
for (const { name, change, by, code } of refused)
  test(`refused: ${name}`, () => assert.rejects(person(change, by), { code }));

test('an attribute twice: values of both; empty ones and elements are left out', async () => {
  const { attributes } = await person({
    attributes:
      attribute('groups', ['a', '', '<saml:NameID>x</saml:NameID>']) +
      attribute('groups', ['b &amp; c']) +
      attribute('none', []),
  });
  assert.deepEqual(attributes, { groups: ['a', 'b & c'], none: [] });
});

test('what no trait could hold is left out and named', async () => {
  const found = await person({
    attributes:
      attribute('a', ['x'.repeat(1025), 'y']) +
      attribute('x'.repeat(257), ['a']) +
      attribute('__proto__', ['x']) +
      attribute('', ['x']),
  });
  assert.deepEqual(found.attributes, { a: ['y'] });
  assert.deepEqual(found.dropped, ['a', 'x'.repeat(256), '__proto__', '']);
  assert.equal(Object.getPrototypeOf(found.attributes), Object.prototype);
});
