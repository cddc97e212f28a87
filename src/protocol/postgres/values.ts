/**
 * Binary parameter values to the text that PostgreSQL would print, for the common built-in types. Undefined: the type is unknown here or the bytes
 * are not of its shape; the caller shows hex then.
 *
 * Object identifiers are those of pg_type.dat, fixed since PostgreSQL 7.
 */
export function decodeBinaryValue(oid: number, bytes: Buffer): string | undefined {
  return DECODERS.get(oid)?.(bytes);
}

const ofSize =
  (size: number, decode: (bytes: Buffer) => string) =>
  (bytes: Buffer): string | undefined =>
    bytes.length === size ? decode(bytes) : undefined;

const text = (bytes: Buffer): string => bytes.toString('utf8');

const jsonb = (bytes: Buffer): string | undefined => (bytes[0] === 1 ? bytes.toString('utf8', 1) : undefined);

const uuid = (bytes: Buffer): string => {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};

/** Days between 1970-01-01 and PostgreSQL's epoch 2000-01-01. */
const epochDays = 10_957;
const microsPerDay = 86_400_000_000n;

function date(bytes: Buffer): string | undefined {
  const days = bytes.readInt32BE(0);
  if (days === 0x7fffffff) return 'infinity';
  if (days === -0x80000000) return '-infinity';
  return calendarDay(days);
}

function calendarDay(days: number): string | undefined {
  const instant = new Date((days + epochDays) * 86_400_000);
  if (Number.isNaN(instant.getTime())) return undefined;
  const year = instant.getUTCFullYear();
  if (year < 1) return undefined;
  const monthDay = instant.toISOString().slice(-19, -14);
  return `${String(year).padStart(4, '0')}-${monthDay}`;
}

function time(micros: bigint): string {
  const seconds = micros / 1_000_000n;
  const two = (value: bigint): string => String(value).padStart(2, '0');
  const fraction = micros % 1_000_000n;
  const shown = fraction === 0n ? '' : `.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`;
  return `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}${shown}`;
}

const timestamp =
  (zone: string) =>
  (bytes: Buffer): string | undefined => {
    const micros = bytes.readBigInt64BE(0);
    if (micros === 0x7fffffffffffffffn) return 'infinity';
    if (micros === -0x8000000000000000n) return '-infinity';
    const ofDay = ((micros % microsPerDay) + microsPerDay) % microsPerDay;
    const day = calendarDay(Number((micros - ofDay) / microsPerDay));
    return day === undefined ? undefined : `${day} ${time(ofDay)}${zone}`;
  };

/** Int16 digits | Int16 weight | Int16 sign | Int16 scale | base-10000 digits (numeric.c, numeric_send). */
function numeric(bytes: Buffer): string | undefined {
  if (bytes.length < 8) return undefined;
  const count = bytes.readUInt16BE(0);
  const weight = bytes.readInt16BE(2);
  const sign = bytes.readUInt16BE(4);
  const scale = bytes.readUInt16BE(6);
  if (sign === 0xc000) return 'NaN';
  if (sign === 0xd000) return 'Infinity';
  if (sign === 0xf000) return '-Infinity';
  if (bytes.length !== 8 + count * 2 || scale > 16_383 || weight > 4096 || weight < -4096) return undefined;
  const digit = (index: number): string =>
    String(index >= 0 && index < count ? bytes.readUInt16BE(8 + index * 2) : 0).padStart(4, '0');
  let whole = '';
  for (let index = 0; index <= weight; index += 1) whole += digit(index);
  let fraction = '';
  for (let index = weight + 1; fraction.length < scale; index += 1) fraction += digit(index);
  const shownWhole = whole.replace(/^0+(?=\d)/, '') || '0';
  const shown = scale === 0 ? shownWhole : `${shownWhole}.${fraction.slice(0, scale)}`;
  return sign === 0x4000 ? `-${shown}` : shown;
}

const float4 = (bytes: Buffer): string => {
  const value = bytes.readFloatBE(0);
  if (!Number.isFinite(value)) return String(value);
  for (let digits = 6; digits <= 9; digits += 1) {
    const shown = Number(value.toPrecision(digits));
    if (Math.fround(shown) === value) return String(shown);
  }
  return String(value);
};

const DECODERS: ReadonlyMap<number, (bytes: Buffer) => string | undefined> = new Map([
  [16, ofSize(1, (bytes) => (bytes[0] === 0 ? 'f' : 't'))],
  [17, (bytes: Buffer): string => `\\x${bytes.toString('hex')}`],
  [18, text],
  [19, text],
  [20, ofSize(8, (bytes) => String(bytes.readBigInt64BE(0)))],
  [21, ofSize(2, (bytes) => String(bytes.readInt16BE(0)))],
  [23, ofSize(4, (bytes) => String(bytes.readInt32BE(0)))],
  [25, text],
  [26, ofSize(4, (bytes) => String(bytes.readUInt32BE(0)))],
  [114, text],
  [142, text],
  [700, ofSize(4, float4)],
  [701, ofSize(8, (bytes) => String(bytes.readDoubleBE(0)))],
  [705, text],
  [1042, text],
  [1043, text],
  [1082, (bytes: Buffer) => (bytes.length === 4 ? date(bytes) : undefined)],
  [1083, ofSize(8, (bytes) => time(bytes.readBigInt64BE(0)))],
  [1114, (bytes: Buffer) => (bytes.length === 8 ? timestamp('')(bytes) : undefined)],
  [1184, (bytes: Buffer) => (bytes.length === 8 ? timestamp('+00')(bytes) : undefined)],
  [1700, numeric],
  [2950, ofSize(16, uuid)],
  [3802, jsonb],
]);
