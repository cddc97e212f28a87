/** Holds written events against the table that is their public promise. */
import assert from 'node:assert/strict';
import { eventSpec, type FieldType } from '../../src/audit/event.ts';

/** Fails for an unknown code, an agent that may not write it, a field that the table does not list, one that is missing, and a value of another type. */
export function checkEvent(written: {
  readonly event: string;
  readonly code: string;
  readonly fields: Readonly<Record<string, unknown>>;
}): void {
  const { event, code, fields } = written;
  const spec = eventSpec(code) ?? assert.fail(`events.table.ts has no ${code}`);
  assert.equal(event, spec.event, code);
  assert.ok(spec.writers.includes('database'), `${code}: the table lets no agent write it`);
  const listed: Readonly<Record<string, FieldType>> = { ...common, ...spec.fields };
  for (const [name, value] of Object.entries(fields)) {
    const type = listed[name] ?? assert.fail(`events.table.ts lists no field ${name} of ${code}`);
    assert.ok(isOf(type, value), `${code} ${name}: the table says ${type}, got ${JSON.stringify(value)}`);
  }
  for (const [name, type] of Object.entries(spec.fields))
    assert.ok(type.endsWith('?') || fields[name] !== undefined, `${code}: ${name} is missing`);
}

/** Of every event: how it went. */
const common = { success: 'bool?', error: 'text?', message: 'text?' } as const;

function isOf(type: FieldType, value: unknown): boolean {
  switch (type.replace('?', '')) {
    case 'text':
      return typeof value === 'string';
    case 'int':
      return Number.isSafeInteger(value);
    case 'number':
      return Number.isFinite(value);
    case 'bool':
      return typeof value === 'boolean';
    case 'time':
      return typeof value === 'string' && !Number.isNaN(Date.parse(value));
    case 'texts':
      return Array.isArray(value) && value.every((one) => typeof one === 'string');
    default:
      return value !== undefined;
  }
}
