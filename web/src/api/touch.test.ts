import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Touches } from './touch.ts';

/** As a browser sends it when a person did something. */
class Trusted extends Event {
  override get isTrusted(): boolean {
    return true;
  }
}

test('a page that only asks again and again is unattended after a minute, until somebody touches it', () => {
  let nowMs = 5;
  const page = new EventTarget();
  const touches = new Touches(page, () => nowMs);
  assert.equal(touches.isUnattended, false, 'just opened');
  nowMs += 60_001;
  assert.equal(touches.isUnattended, true);
  for (const type of ['pointerdown', 'keydown', 'wheel', 'touchstart', 'pointermove']) {
    nowMs += 3_600_000;
    assert.equal(touches.isUnattended, true, type);
    page.dispatchEvent(new Trusted(type));
    assert.equal(touches.isUnattended, false, type);
  }
});

test('events of a script are no sign of life', () => {
  let nowMs = 0;
  const page = new EventTarget();
  const touches = new Touches(page, () => nowMs);
  nowMs = 100_000;
  page.dispatchEvent(new Event('keydown'));
  assert.equal(touches.isUnattended, true);
});
