import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { StorageError } from '../../errors.ts';
import { parseResourceOf } from '../../resource/parse.ts';
import { openSqliteStore } from '../../state/sqlite/sqlite-store.ts';
import { ConnectorProviders } from './connector-providers.ts';
import { keepSecrets, openConnector, prepareConnector } from './connectors.ts';
import { Records } from './records.ts';

/** Secrets of connectors, below the service: what is true between two writes. sso.test.ts has the rest. */

const sealer = {
  seal: (name: string, secret: Uint8Array) => Promise.resolve(JSON.stringify([name, Buffer.from(secret).toString()])),
  open: (name: string, sealed: string) => {
    const [sealedName, secret] = JSON.parse(sealed) as [string, string];
    if (sealedName !== name) throw new StorageError('PKI_UNSEAL_FAILED', 'of another name');
    return Promise.resolve(Buffer.from(secret));
  },
};
const clock = { now: () => Date.now(), monotonic: () => 0, sleep: () => Promise.resolve(), alarm: () => () => {} };

function github(more: object = {}) {
  return parseResourceOf('github', {
    kind: 'github',
    version: 'v3',
    metadata: { name: 'hub' },
    spec: {
      client_id: 'id',
      client_secret: 'a secret',
      redirect_url: 'https://access.example.com/v1/webapi/github/callback',
      teams_to_roles: [{ organization: 'o', team: 't', roles: ['access'] }],
      ...more,
    },
  });
}

test('a secret is never opened for another place than it was said for, whatever stands in the record meanwhile', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-connectors-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const store = openSqliteStore({ path: join(folder, 'state.sqlite'), now: clock.now, maxLogRows: 1000 });
  const records = new Records(store);
  const providers = new ConnectorProviders({ store, now: clock.now });
  const context = { store, records, sealer, clock, providers } as unknown as Parameters<typeof prepareConnector>[1];
  await records.put(parseResourceOf('role', { kind: 'role', version: 'v7', metadata: { name: 'access' }, spec: {} }), {
    expect: 'any',
  });
  const prepared = await prepareConnector(github(), context);
  await records.put(prepared.record, { expect: 'absent' });
  await keepSecrets(prepared, context);
  assert.ok((await openConnector('github', 'hub', context)) !== undefined);
  // An update is two writes. Somebody who may change connectors says a secret of their own; the second write is not there yet, or never comes.
  const moved = await prepareConnector(
    github({ endpoint_url: 'https://evil.example.com', client_secret: 'another' }),
    context,
  );
  await records.put(moved.record, { expect: 'any' });
  await assert.rejects(openConnector('github', 'hub', context), { code: 'PKI_UNSEAL_FAILED' });
  await keepSecrets(moved, context);
  assert.ok((await openConnector('github', 'hub', context)) !== undefined);
  await store.close();
});
