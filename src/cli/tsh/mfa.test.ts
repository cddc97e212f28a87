import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { ManualClock } from '../../telemetry/manual-clock.ts';
import type { FakeCluster } from '../cluster.fake.ts';
import { CODE, PASSWORD, startFakeCluster, testIo } from '../cluster.fake.ts';
import { FACTOR_CODE } from '../second-factors.fake.ts';
import { mfaAdd } from './mfa.ts';
import { runTsh } from './program.ts';

/** Second factors in tsh: its own commands, and databases that need one for each session. */

const phone = { id: '1', name: 'phone', kind: 'otp' } as const;
const key = { id: '2', name: 'key', kind: 'webauthn' } as const;

let cluster: FakeCluster;
const homes: string[] = [];
before(async () => {
  cluster = await startFakeCluster();
});
beforeEach(() => {
  cluster.factors.devices = [];
  cluster.factors.demandedBy.clear();
  cluster.factors.shown.length = 0;
});
after(() => {
  cluster.close();
  for (const home of homes) rmSync(home, { recursive: true, force: true });
});

async function tsh(home: string, args: readonly string[], input = '') {
  const io = testIo(home, input, { PATH: process.env['PATH'] ?? '' });
  const code = await runTsh(io, args);
  return { code, out: io.out(), err: io.err() };
}

async function signedIn(): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'tsh-mfa-'));
  homes.push(home);
  const args = ['login', `--proxy=${cluster.proxy}`, '--user=alice', `--ca-pin=${cluster.pin}`];
  assert.equal((await tsh(home, args, `${PASSWORD}\n${CODE}\n`)).code, 0);
  return home;
}

test('the first device is added without more, the next with a code of the first; the secret is no result', async () => {
  const home = await signedIn();
  const first = await tsh(home, ['mfa', 'add', '--name=phone'], `${FACTOR_CODE}\n`);
  assert.equal(first.code, 0, first.err);
  assert.match(first.out, /^Second factor phone is added/);
  assert.match(first.err, /Secret: JBSW Y3DP EHPK 3PXP/);
  assert.match(first.err, /[▀▄█]/);
  const second = await tsh(home, ['mfa', 'add', '--name=tablet'], `${FACTOR_CODE}\n${FACTOR_CODE}\n`);
  assert.equal(second.code, 0, second.err);
  assert.deepEqual(cluster.factors.shown, [FACTOR_CODE]);
  const list = await tsh(home, ['mfa', 'ls']);
  assert.match(list.out, /^Name +Type +Added *\n[- ]+\nphone +one-time codes +2026-01-02 03:04\ntablet/);
  const json = JSON.parse((await tsh(home, ['mfa', 'ls', '--format=json'])).out);
  assert.deepEqual(json[0], {
    id: 'id of phone',
    name: 'phone',
    type: 'totp',
    added: '2026-01-02T03:04:05.000Z',
    last_used: '',
    passwordless: false,
  });
});

test('a device is removed with a code; an unknown one and a wrong code are told', async () => {
  const home = await signedIn();
  cluster.factors.devices = [phone, key];
  const wrong = await tsh(home, ['mfa', 'rm', 'key'], '000000\n');
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /second factor refused\n.*wait for the next code.*tsh mfa ls/);
  assert.match((await tsh(home, ['mfa', 'rm', 'pager'], '')).err, /no second factor "pager"\n.*tsh mfa ls/);
  const done = await tsh(home, ['mfa', 'rm', 'key'], `${FACTOR_CODE}\n`);
  assert.equal(done.out, 'Second factor key is removed.\n', done.err);
  assert.deepEqual(cluster.factors.devices, [phone]);
});

test('tsh db login asks for a code where the database needs one, and nowhere else', async () => {
  const home = await signedIn();
  cluster.factors.devices = [phone];
  cluster.factors.demandedBy.add('orders');
  const plain = await tsh(home, ['db', 'login', 'ledger']);
  assert.equal(plain.code, 0, plain.err);
  const asked = await tsh(home, ['db', 'login', 'orders'], `${FACTOR_CODE}\n`);
  assert.equal(asked.code, 0, asked.err);
  assert.match(asked.out, /^Logged in to orders as reader/);
  assert.deepEqual(cluster.factors.shown, [FACTOR_CODE]);
  const silent = await tsh(home, ['db', 'login', 'orders']);
  assert.equal(silent.code, 1);
  assert.match(silent.err, /no answer to "One-time code to open orders"/);
});

const refused = [
  { name: 'nobody has a factor', devices: [], args: [], says: /you have none\n.*tsh mfa add/ },
  {
    name: 'a code is wanted and there is a passkey only',
    devices: [key],
    args: ['--mfa-mode=otp'],
    says: /no device for one-time codes/,
  },
  {
    name: 'the mode is none',
    devices: [phone],
    args: ['--mfa-mode=sms'],
    says: /Allowed choices are auto, otp, browser/,
  },
];
for (const { name, devices, args, says } of refused) {
  test(`tsh db login says what to do when ${name}`, async () => {
    const home = await signedIn();
    cluster.factors.devices = [...devices];
    cluster.factors.demandedBy.add('orders');
    const result = await tsh(home, ['db', 'login', 'orders', ...args], `${FACTOR_CODE}\n`);
    assert.notEqual(result.code, 0);
    assert.match(result.err, says);
  });
}

test('tsh db connect does not take a code out of what is piped to the client', async () => {
  const home = await signedIn();
  cluster.factors.devices = [phone];
  cluster.factors.demandedBy.add('orders');
  const result = await tsh(home, ['db', 'connect', 'orders'], `${FACTOR_CODE}\nselect 1;\n`);
  assert.equal(result.code, 1);
  assert.match(result.err, /nobody can be asked here\n.*"tsh db login" first/);
  assert.deepEqual(cluster.factors.shown, []);
});

test('a tunnel that can ask nobody says so, and what to do', async () => {
  const home = await signedIn();
  cluster.factors.devices = [phone];
  cluster.factors.demandedBy.add('orders');
  const refusal = await tsh(home, ['proxy', 'db', '--tunnel', 'orders']);
  assert.equal(refusal.code, 1);
  assert.match(refusal.err, /nobody can be asked here\n.*"tsh db login" first.*--mfa-mode=browser/);
});

test('several databases of tsh db exec are asked for one after the other', async () => {
  const home = await signedIn();
  cluster.factors.devices = [phone];
  for (const name of ['orders', 'ledger']) cluster.factors.demandedBy.add(name);
  await tsh(home, ['db', 'exec', 'select 1', '--dbs=orders,ledger', '--parallel=2'], `${FACTOR_CODE}\n000000\n`);
  assert.deepEqual(cluster.factors.shown, [FACTOR_CODE, '000000']);
});

test('a passkey is added in the browser: tsh says where, and waits until it is there', async () => {
  const home = await signedIn();
  cluster.factors.devices = [phone];
  const io = testIo(home, '', { PATH: '' });
  const clock = new ManualClock();
  const adding = mfaAdd(io, { type: 'webauthn' }, clock);
  while (clock.pendingTimers === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.match(io.err(), new RegExp(`https://${cluster.proxy}/web/account\\?add=passkey`));
  cluster.factors.devices = [phone, key];
  await clock.advanceSettling(2000);
  await adding;
  assert.equal(io.out(), 'Passkey key is added; it signs in without a password.\n');
});
