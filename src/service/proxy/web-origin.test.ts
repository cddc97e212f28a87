import assert from 'node:assert/strict';
import { test } from 'node:test';
import { originOf } from './web-origin.ts';

const PUBLIC = [
  { host: 'access.example.com', port: 443 },
  { host: 'Tessera.internal.example', port: 3080 },
  { host: '2001:db8::1', port: 3080 },
];
const ROWS: readonly [host: string | undefined, local: string, expected: string | undefined][] = [
  ['access.example.com', '10.0.0.5', 'https://access.example.com'],
  ['ACCESS.example.com:443', '10.0.0.5', 'https://access.example.com'],
  ['access.example.com:3080', '10.0.0.5', 'https://access.example.com:3080'],
  ['access.example.com:3081', '10.0.0.5', undefined],
  ['tessera.internal.example:3080', '10.0.0.5', 'https://tessera.internal.example:3080'],
  ['tessera.internal.example', '10.0.0.5', undefined],
  ['[2001:db8::1]:3080', '2001:db8::1', 'https://[2001:db8::1]:3080'],
  ['access.example.com.', '10.0.0.5', undefined],
  ['access.example.com.evil.example', '10.0.0.5', undefined],
  ['evil.example', '127.0.0.1', undefined],
  ['10.0.0.5:3080', '10.0.0.5', undefined],
  ['127.0.0.1:3080', '10.0.0.5', undefined],
  ['127.0.0.1:3080', '127.0.0.1', 'https://127.0.0.1:3080'],
  ['localhost:3080', '127.0.0.1', 'https://localhost:3080'],
  ['localhost:3081', '127.0.0.1', undefined],
  ['[::1]:3080', '::1', 'https://[::1]:3080'],
  ['127.evil.example:3080', '127.0.0.1', undefined],
  [undefined, '127.0.0.1', undefined],
  ['', '127.0.0.1', undefined],
  ['access.example.com, evil.example', '10.0.0.5', undefined],
  ['user@access.example.com', '10.0.0.5', undefined],
  ['access.example.com:0', '10.0.0.5', undefined],
  ['access.example.com:99999', '10.0.0.5', undefined],
  ['access.example.com/x', '10.0.0.5', undefined],
];
for (const [host, local, expected] of ROWS)
  test(`the origin of ${String(host)} at ${local}`, () =>
    assert.equal(originOf(host, PUBLIC, { ip: local, port: 3080 }), expected));
