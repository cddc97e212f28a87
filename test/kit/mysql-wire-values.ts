/** Values of MySQL's binary protocol, made by hand. https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html */

/** A parameter of an execution or an attribute of a query. */
export type WireParameter = {
  /** MYSQL_TYPE_* */
  readonly type: number;
  readonly unsigned?: boolean;
  /** Without it: NULL. `ahead`: sent by COM_STMT_SEND_LONG_DATA, so nothing stands here. */
  readonly bytes?: Buffer | 'ahead';
  readonly name?: string;
};

/** Of `include/field_types.h`. */
export const TYPE = {
  decimal: 0,
  tiny: 1,
  short: 2,
  long: 3,
  float: 4,
  double: 5,
  null: 6,
  timestamp: 7,
  longlong: 8,
  int24: 9,
  date: 10,
  time: 11,
  datetime: 12,
  year: 13,
  varchar: 15,
  bit: 16,
  json: 245,
  newDecimal: 246,
  blob: 252,
  varString: 253,
  string: 254,
} as const;

/** NULL bits, the flag for new types, types (with names when `named`), values. Nothing when there are no parameters. */
export function parameterBlock(parameters: readonly WireParameter[], named: boolean, types: boolean): Buffer {
  if (parameters.length === 0) return Buffer.alloc(0);
  const nulls = Buffer.alloc((parameters.length + 7) >> 3);
  const typeBytes: Buffer[] = [];
  const values: Buffer[] = [];
  for (const [index, { type, unsigned, bytes, name }] of parameters.entries()) {
    if (bytes === undefined) nulls[index >> 3] = (nulls[index >> 3] ?? 0) | (1 << (index & 7));
    else if (bytes !== 'ahead') values.push(bytes);
    typeBytes.push(Buffer.from([type, unsigned === true ? 0x80 : 0]));
    if (named) typeBytes.push(lenencText(name ?? ''));
  }
  return Buffer.concat([nulls, Buffer.from([types ? 1 : 0]), ...(types ? typeBytes : []), ...values]);
}

export function text(value: string, type: number = TYPE.varString): WireParameter {
  return { type, bytes: lenencText(value) };
}

export function blob(value: Buffer, type: number = TYPE.blob): WireParameter {
  return { type, bytes: lenenc(value) };
}

export function integer(type: 'tiny' | 'short' | 'long' | 'longlong', value: bigint, unsigned = false): WireParameter {
  const bytes = Buffer.alloc({ tiny: 1, short: 2, long: 4, longlong: 8 }[type]);
  const wide = Buffer.alloc(8);
  wide.writeBigUInt64LE(BigInt.asUintN(64, value));
  wide.copy(bytes, 0, 0, bytes.length);
  return { type: TYPE[type], unsigned, bytes };
}

export function float(value: number): WireParameter {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return { type: TYPE.float, bytes };
}

export function double(value: number): WireParameter {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return { type: TYPE.double, bytes };
}

/** Year, month, day, hour, minute, second, microseconds: 0, 4, 7 or 11 bytes by what is given. */
export function datetime(type: number, fields: readonly number[]): WireParameter {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, micro = 0] = fields;
  const length = fields.length === 0 ? 0 : fields.length <= 3 ? 4 : fields.length <= 6 ? 7 : 11;
  const bytes = Buffer.alloc(12);
  bytes[0] = length;
  bytes.writeUInt16LE(year, 1);
  bytes.set([month, day, hour, minute, second], 3);
  bytes.writeUInt32LE(micro, 8);
  return { type, bytes: bytes.subarray(0, length + 1) };
}

/** Days, hours, minutes, seconds, microseconds: 0, 8 or 12 bytes. */
export function time(negative: boolean, fields: readonly number[]): WireParameter {
  const [days = 0, hours = 0, minutes = 0, seconds = 0, micro = 0] = fields;
  const length = fields.length === 0 ? 0 : fields.length <= 4 ? 8 : 12;
  const bytes = Buffer.alloc(13);
  bytes[0] = length;
  bytes[1] = negative ? 1 : 0;
  bytes.writeUInt32LE(days, 2);
  bytes.set([hours, minutes, seconds], 6);
  bytes.writeUInt32LE(micro, 9);
  return { type: TYPE.time, bytes: bytes.subarray(0, length + 1) };
}

export function nothing(type: number = TYPE.null): WireParameter {
  return { type };
}

/** A length-encoded integer and where it ends. */
export function readLenenc(bytes: Buffer, at: number): [value: number, end: number] {
  const first = bytes.readUInt8(at);
  if (first < 0xfb) return [first, at + 1];
  const width = first === 0xfc ? 2 : first === 0xfd ? 3 : 8;
  const value = width === 8 ? Number(bytes.readBigUInt64LE(at + 1)) : bytes.readUIntLE(at + 1, width);
  return [value, at + 1 + width];
}

export function lenencInt(value: number): Buffer {
  if (value < 0xfb) return Buffer.from([value]);
  const width = value < 0x1_0000 ? 2 : value < 0x100_0000 ? 3 : 8;
  const bytes = Buffer.alloc(1 + width);
  bytes[0] = { 2: 0xfc, 3: 0xfd, 8: 0xfe }[width];
  if (width === 8) bytes.writeBigUInt64LE(BigInt(value), 1);
  else bytes.writeUIntLE(value, 1, width);
  return bytes;
}

export function lenenc(bytes: Buffer): Buffer {
  return Buffer.concat([lenencInt(bytes.length), bytes]);
}

export function lenencText(value: string): Buffer {
  return lenenc(Buffer.from(value));
}
