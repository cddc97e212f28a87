import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testIo } from '../cluster.fake.ts';
import { chooseWay, type SignInOptions, type Way, type WayOptions } from './login-way.ts';

const connectors = [
  { name: 'okta', kind: 'oidc', display: 'Okta' },
  { name: 'code', kind: 'github', display: 'GitHub' },
] as unknown as SignInOptions['connectors'];
const local: SignInOptions = { local: true, secondFactors: ['otp', 'webauthn'], connectors: [], preferred: 'local' };
const both: SignInOptions = { ...local, connectors };
const company: SignInOptions = { ...both, preferred: 'okta' };
const keysOnly: SignInOptions = { ...local, secondFactors: ['webauthn'] };
const noLocal: SignInOptions = { ...company, local: false };
const desk = { DISPLAY: ':0' };
const ssh = { DISPLAY: ':0', SSH_CONNECTION: '1 2 3 4' };

const rows: readonly {
  readonly name: string;
  readonly env: Record<string, string>;
  readonly asked: WayOptions;
  readonly offered: SignInOptions;
  readonly way: Way;
}[] = [
  {
    name: 'local users, codes: in the terminal',
    env: desk,
    asked: {},
    offered: local,
    way: { type: 'password', auth: 'local' },
  },
  {
    name: 'local over SSH: in the terminal',
    env: ssh,
    asked: {},
    offered: local,
    way: { type: 'password', auth: 'local' },
  },
  {
    name: 'local, asked for beside a preferred connector',
    env: desk,
    asked: { auth: 'local' },
    offered: company,
    way: { type: 'password', auth: 'local' },
  },
  {
    name: 'local by browser when asked for',
    env: desk,
    asked: { browser: 'auto' },
    offered: local,
    way: { type: 'browser', auth: 'local', connector: '', open: true },
  },
  {
    name: 'local by link',
    env: desk,
    asked: { browser: 'none' },
    offered: local,
    way: { type: 'browser', auth: 'local', connector: '', open: false },
  },
  {
    name: 'passkeys only: by browser',
    env: desk,
    asked: {},
    offered: keysOnly,
    way: { type: 'browser', auth: 'local', connector: '', open: true },
  },
  {
    name: 'passkeys only over SSH: by code',
    env: ssh,
    asked: {},
    offered: keysOnly,
    way: { type: 'code', auth: 'local' },
  },
  {
    name: 'the preferred connector',
    env: desk,
    asked: {},
    offered: company,
    way: { type: 'browser', auth: 'okta', connector: 'okta', open: true },
  },
  {
    name: 'another connector',
    env: desk,
    asked: { auth: 'code' },
    offered: company,
    way: { type: 'browser', auth: 'code', connector: 'code', open: true },
  },
  { name: 'a connector over SSH: by code', env: ssh, asked: {}, offered: company, way: { type: 'code', auth: 'okta' } },
  {
    name: 'a connector without a display: by code',
    env: {},
    asked: {},
    offered: noLocal,
    way: { type: 'code', auth: 'okta' },
  },
  {
    name: 'a link over SSH when asked for (a forwarded port)',
    env: ssh,
    asked: { browser: 'none' },
    offered: company,
    way: { type: 'browser', auth: 'okta', connector: 'okta', open: false },
  },
  {
    name: 'a code when asked for',
    env: desk,
    asked: { device: true },
    offered: local,
    way: { type: 'code', auth: 'local' },
  },
  {
    name: 'BROWSER=none',
    env: { ...desk, BROWSER: 'none' },
    asked: {},
    offered: company,
    way: { type: 'code', auth: 'okta' },
  },
];
for (const { name, env, asked, offered, way } of rows)
  test(name, () => assert.deepEqual(chooseWay(testIo('/', '', env), asked, offered), way));

const refused = [
  {
    name: 'an unknown connector',
    asked: { auth: 'nowhere' },
    offered: company,
    says: /no connector nowhere[\s\S]*local, okta, code/,
  },
  {
    name: 'local where it is off',
    asked: { auth: 'local' },
    offered: noLocal,
    says: /local users can not sign in[\s\S]*okta, code/,
  },
  { name: 'no way at all', asked: {}, offered: { ...local, local: false, preferred: '' }, says: /no way to sign in/ },
];
for (const { name, asked, offered, says } of refused)
  test(`refused: ${name}`, () => assert.throws(() => chooseWay(testIo('/', '', desk), asked, offered), says));
