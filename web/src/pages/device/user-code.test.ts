import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWhole, printUserCode } from './user-code.ts';

const rows: readonly (readonly [typed: string, printed: string])[] = [
  ['', ''],
  ['wdj', 'WDJ'],
  ['wdjb', 'WDJB'],
  ['wdjbm', 'WDJB-M'],
  ['WDJB-MJHT', 'WDJB-MJHT'],
  [' wdjb mjht ', 'WDJB-MJHT'],
  ['WDJBMJHTXX', 'WDJB-MJHT'],
  ['<b>"\'', 'B'],
];
for (const [typed, printed] of rows)
  test(`code: "${typed}" is "${printed}"`, () => {
    assert.equal(printUserCode(typed), printed);
    assert.equal(isWhole(printed), printed.length === 9);
  });
