import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { openSqliteStore } from '../state/sqlite/sqlite-store.ts';
import type { Store } from '../state/store.ts';
import {
  admitRequest,
  checkAnswer,
  keepRequest,
  newBinding,
  newRequestId,
  SSO_REQUEST_TTL_MS,
  takeRequest,
  type SsoRequest,
} from './requests.ts';

let nowMs: number;
let store: Store;
let folder: string;
beforeEach(() => {
  nowMs = 1_800_000_000_000;
  folder = mkdtempSync(join(tmpdir(), 'tessera-sso-'));
  store = openSqliteStore({ path: join(folder, 'state.sqlite'), now: () => nowMs, maxLogRows: 1000 });
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const request = { kind: 'oidc', connector: 'corp', purpose: { type: 'web', returnTo: '/web/' } } as const;
const deps = () => ({ store, now: () => nowMs });

async function kept(address = '192.0.2.1'): Promise<string> {
  const id = newRequestId();
  await keepRequest(id, { ...request, address, kept: { nonce: 'n' } }, deps());
  return id;
}

test('a request is good once', async () => {
  const id = await kept();
  assert.match(id, /^r[\w-]{43}$/);
  assert.deepEqual((await takeRequest(id, deps()))?.kept, { nonce: 'n' });
  assert.equal(await takeRequest(id, deps()), undefined);
});

test('of two answers at once one gets it', async () => {
  const id = await kept();
  const taken = await Promise.all([takeRequest(id, deps()), takeRequest(id, deps())]);
  assert.equal(taken.filter((one) => one !== undefined).length, 1);
});

test('a request is over after ten minutes', async () => {
  const id = await kept();
  nowMs += SSO_REQUEST_TTL_MS;
  assert.equal(await takeRequest(id, deps()), undefined);
});

test('what can not be a request is not looked for', async () => {
  for (const id of ['', 'r', '../x', `r${'x'.repeat(44)}`, 'r/../../resource/user/alice'])
    assert.equal(await takeRequest(id, deps()), undefined);
});

test('the answer must come from the browser that began, to the address of the connector that was asked', () => {
  const { secret, digest } = newBinding();
  const bound: SsoRequest = { ...request, binding: digest, network: 'x', kept: {} };
  const answer = { kind: 'oidc', connector: '', binding: secret };
  checkAnswer(bound, answer);
  checkAnswer(bound, { ...answer, connector: 'corp' });
  for (const binding of ['', newBinding().secret, digest, `${secret} `])
    assert.throws(() => checkAnswer(bound, { ...answer, binding }), { code: 'SSO_OTHER_BROWSER' });
  assert.throws(() => checkAnswer(bound, { ...answer, kind: 'github' }), { code: 'SSO_OTHER_CONNECTOR' });
  assert.throws(() => checkAnswer(bound, { ...answer, connector: 'evil' }), { code: 'SSO_OTHER_CONNECTOR' });
});

test('open requests are bounded, of an address and in all', async () => {
  const limits = { inAll: 3, ofNetwork: 2, keptBytes: 64 } as const;
  const admit = (address: string) => admitRequest(address, { ...deps(), limits: limits as never });
  await kept('192.0.2.1');
  await kept('192.0.2.1');
  await assert.rejects(admit('192.0.2.1'), { code: 'SSO_BUSY', message: /maxSsoRequestsPerNetwork/ });
  await admit('192.0.2.2');
  await kept('192.0.2.2');
  await assert.rejects(admit('192.0.2.3'), { code: 'SSO_BUSY', message: /maxSsoRequests 3/ });
  nowMs += SSO_REQUEST_TTL_MS;
  await admit('192.0.2.1');
  const large = { ...request, address: '192.0.2.1', kept: 'x'.repeat(100) };
  await assert.rejects(keepRequest(newRequestId(), large, { ...deps(), limits: limits as never }), {
    code: 'SSO_KEPT_TOO_LARGE',
  });
});
