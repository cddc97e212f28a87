import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EVENTS } from './events.table.ts';
import { eventsPage } from './events-page.ts';

const PAGE = join(import.meta.dirname, '../../docs/reference/events.md');

test('events: docs/reference/events.md is what the table says (UPDATE_GOLDEN=1 writes it)', () => {
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(PAGE, eventsPage());
  assert.equal(readFileSync(PAGE, 'utf8'), eventsPage());
});

test('events: codes and names are well formed, and the letter agrees with the kind', () => {
  for (const [code, spec] of Object.entries(EVENTS)) {
    assert.match(code, /^T[A-Z]*\d+[IWE]$/);
    assert.match(spec.event, /^[a-z_]+(\.[a-z_]+)*$/);
    assert.ok(spec.writers.length > 0);
  }
});

const REQUIRED = [
  'TDB00I', 'TDB00W', 'TDB01I', 'TDB02I', 'TDB02W', 'TDB03I', 'TDB04I', 'TDB05I', 'TDB06I', 'TDB10I', 'TPG00I', 'TPG01I', 'TPG02I', 'TPG03I', 'TPG04I', 'T1000I', 'T1000W', 'T1002I', 'T1003I',
  'T1004I', 'T1005I', 'T1006I', 'T1006W', 'T3006I', 'T3007W', 'T6000I', 'TC000I', 'T9000I', 'T9001I', 'T9002I', 'TLK00I', 'TLK01I', 'TJT00I', 'TJ001I', 'TCAUTH001I',
]; // prettier-ignore
test('events: what existing dashboards look for is there', () => {
  assert.deepEqual(REQUIRED.filter((code) => !Object.hasOwn(EVENTS, code)), []); // prettier-ignore
});
