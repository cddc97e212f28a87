import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Secret, TOTP } from 'otpauth';
import { openSqliteStore } from '../../state/sqlite/sqlite-store.ts';
import { acceptInvite, createInvite, startInvite, type InviteDeps } from './invite.ts';
import { Passwords } from './password.ts';

test('of two links made at the same moment the first that is used ends the other', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-invite-'));
  const now = (): number => Date.UTC(2026, 0, 1);
  const store = openSqliteStore({ path: join(folder, 'state.db'), now });
  const deps: InviteDeps = {
    store,
    now,
    clusterName: 'test',
    relyingParty: undefined,
    secrets: {
      seal: (_name, secret) => Promise.resolve(Buffer.from(secret).toString('hex')),
      open: (_name, sealed) => Promise.resolve(Buffer.from(sealed, 'hex')),
    },
    passwords: new Passwords({ maxConcurrent: 1, cost: { memory: 64, passes: 1, lanes: 1 } }),
  };
  const use = async (token: string, password: string): Promise<unknown> => {
    const { oneTimeCodeUri } = await startInvite(token, deps);
    const secret = Secret.fromBase32(new URL(oneTimeCodeUri).searchParams.get('secret') ?? '');
    const oneTimeCode = new TOTP({ secret }).generate({ timestamp: now() });
    return acceptInvite({ token, password, oneTimeCode, webauthnResponseJson: '', webauthnDeviceName: '' }, deps);
  };
  try {
    const of = { user: 'twin', kind: 'reset', ttlMs: undefined } as const;
    const [one, two] = await Promise.all([createInvite(of, deps), createInvite(of, deps)]);
    await Promise.all([startInvite(one.token, deps), startInvite(two.token, deps)]);
    await use(one.token, 'the password of the person');
    await assert.rejects(use(two.token, 'the password of another'), { code: 'INVITE_INVALID' });
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
