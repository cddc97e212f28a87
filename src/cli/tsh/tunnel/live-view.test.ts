import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../telemetry/manual-clock.ts';
import { testIo } from '../../cluster.fake.ts';
import { LiveView, printBytes } from './live-view.ts';

test('not a terminal: a plain line for each event', () => {
  const io = testIo('/nowhere');
  const clock = new ManualClock();
  const view = new LiveView(io, clock, () => ({ open: 1, accepted: 1, received: 0, sent: 0 }));
  view.start();
  view.opened(1, '127.0.0.1:5');
  clock.advance(90_000);
  view.closed(1, { durationMs: 90_000, received: 2048, sent: 3 });
  view.refused(2, 'a\u001b[2Jb');
  view.close();
  assert.equal(
    io.err(),
    '2026-01-01 00:00:00 UTC connection 1 from 127.0.0.1:5 opened\n' +
      '2026-01-01 00:01:30 UTC connection 1 closed after 1m30s: 2 KiB in, 3 B out\n' +
      '2026-01-01 00:01:30 UTC connection 2 refused: a\\x1b[2Jb\n',
  );
  assert.equal(clock.pendingTimers, 0);
});

test('a terminal: one line at the bottom is kept up to date, stays below the others and out of the way of questions', async () => {
  const base = testIo('/nowhere');
  const io = { ...base, stderr: Object.assign(base.stderr, { isTTY: true, columns: 120 }) };
  const clock = new ManualClock();
  const totals = { open: 0, accepted: 0, received: 0, sent: 0 };
  const view = new LiveView(io, clock, () => totals);
  const clear = '\r\u001b[2K';
  const status = (text: string): string => `${clear}${text}; since 2026-01-01 00:00:00 UTC`;
  let seen = 0;
  const written = (): string => {
    const text = base.err().slice(seen);
    seen += text.length;
    return text;
  };
  view.start();
  assert.equal(written(), status('0 open, 0 so far; 0 B in, 0 B out'));
  clock.advance(5000);
  assert.equal(written(), '', 'nothing changed, nothing is drawn');
  Object.assign(totals, { open: 1, accepted: 1 });
  view.opened(1, '127.0.0.1:5');
  assert.equal(
    written(),
    `${clear}2026-01-01 00:00:05 UTC connection 1 from 127.0.0.1:5 opened\n${status('1 open, 1 so far; 0 B in, 0 B out')}`,
  );
  totals.received = 1536;
  clock.advance(1000);
  assert.equal(written(), status('1 open, 1 so far; 1.5 KiB in, 0 B out'));
  await view.whileAsking(async () => {
    assert.equal(written(), clear);
    totals.received = 4096;
    clock.advance(5000);
    assert.equal(written(), '');
    await Promise.resolve();
  });
  assert.equal(written(), status('1 open, 1 so far; 4 KiB in, 0 B out'));
  view.close();
  assert.equal(written(), clear);
  assert.equal(clock.pendingTimers, 0);
});

test('bytes as a person reads them', () => {
  const rows = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [12_900_000, '12 MiB'],
    [2 ** 50, '1024 TiB'],
  ] as const;
  for (const [bytes, text] of rows) assert.equal(printBytes(bytes), text);
});
