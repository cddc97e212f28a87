import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ACS, samlConnector } from '../../sso/saml/answer.fixture.ts';
import { openSqliteStore } from '../../state/sqlite/sqlite-store.ts';
import { Records } from './records.ts';
import { getSamlMetadata } from './saml-metadata.ts';

const folder = await mkdtemp(join(tmpdir(), 'tessera-saml-'));
const store = openSqliteStore({ path: join(folder, 'state.db'), now: () => Date.now() });
after(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

test('metadata of a connector by name; another name is not found', async () => {
  const records = new Records(store);
  await records.put(samlConnector(), { expect: 'absent' });
  const ask = (connector: string) =>
    getSamlMetadata({ $typeName: 'tessera.auth.v1.GetSamlMetadataRequest', connector }, {
      context: { records },
    } as unknown as Parameters<typeof getSamlMetadata>[1]);
  const { xml = '' } = await ask('corp');
  assert.ok(xml.includes(`Location="${ACS}"`));
  assert.ok(xml.includes('WantAssertionsSigned="true"'));
  assert.ok(!xml.includes('PRIVATE'));
  await assert.rejects(ask('other'), { code: 'NOT_FOUND' });
});
