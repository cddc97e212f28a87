import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { parseResources } from '../../../../src/resource/parse.ts';
import { itemOf } from '../../parts/resources/item.ts';
import { addressesFor, displayName, issuerOf, originOf, rolesOf } from './connector.ts';
import { TEMPLATES } from './templates.ts';

for (const template of TEMPLATES)
  test(`template ${template.id}: the server takes it, and its address is the one that is shown`, () => {
    const text = template.yaml('access.example.com:443');
    const [resource] = parseResources(text, 'text');
    assert.equal(resource?.kind, template.kind);
    const item = itemOf({ json: JSON.stringify(parse(text) as unknown), revision: 0n });
    const [address] = addressesFor(template.kind, item.name, 'access.example.com:443');
    assert.ok(text.includes(address?.value ?? '?'));
    assert.ok(rolesOf(item).length > 0);
    assert.notEqual(displayName(item), '');
    assert.match(issuerOf(item), /^https:/);
  });

test('connector: addresses have the port unless it is the usual one, and names can not climb out', () => {
  assert.equal(originOf('localhost:3080'), 'https://localhost:3080');
  assert.equal(originOf('a.example:443'), 'https://a.example');
  const [acs] = addressesFor('saml', '../x', 'a.example:443');
  assert.equal(acs?.value, 'https://a.example/v1/webapi/saml/acs/..%2Fx');
});

test('connector: without display its name is shown; a strange document gives no rules', () => {
  const item = itemOf({ json: '{"kind":"oidc","metadata":{"name":"x"},"spec":{"claims_to_roles":7}}', revision: 0n });
  assert.equal(displayName(item), 'x');
  assert.deepEqual(rolesOf(item), []);
});
