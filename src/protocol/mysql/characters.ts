/**
 * What a byte may begin in SQL, as the state maps of MySQL's character sets say it (mysys/charset.c, init_state_maps), for the sets whose bytes below 0x80 are
 * ASCII. Bytes from 0x80 on are letters of names; the no-break space of the ISO 8859 family is white space unless it follows another such byte.
 */
export const CHARACTER = { plain: 0, space: 1, letter: 2, digit: 3, special: 4 } as const;

/** The value of {@link CHARACTER} of a byte. Beyond the text's end (undefined): plain. */
export function characterClass(byte: number | undefined): number {
  return byte === undefined ? CHARACTER.plain : (CLASSES[byte] ?? CHARACTER.plain);
}

/** A byte of an unquoted name. */
export function isNameByte(byte: number | undefined): boolean {
  const kind = characterClass(byte);
  return kind === CHARACTER.letter || kind === CHARACTER.digit;
}

/** `0` to `9`. */
export function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** A hexadecimal digit. */
export function isHexDigit(byte: number | undefined): boolean {
  return isDigit(byte) || (byte !== undefined && (byte & 0xdf) >= 0x41 && (byte & 0xdf) <= 0x46);
}

/** `0` or `1`. */
export function isBit(byte: number | undefined): boolean {
  return byte === 0x30 || byte === 0x31;
}

/** `+` or `-`. */
export function isSign(byte: number | undefined): boolean {
  return byte === 0x2b || byte === 0x2d;
}

/** A byte of what stands behind `@` in `user@host`. */
export function isHostByte(byte: number | undefined): boolean {
  return byte === 0x2e || (byte !== undefined && byte < 0x80 && isNameByte(byte));
}

/** Ends `--`, so that a comment begins: white space, a control character, the text's end. */
export function endsDashes(byte: number | undefined): boolean {
  return byte === undefined || byte <= 0x20 || byte === 0x7f || byte === noBreakSpace;
}

/** Bytes of the character that begins with `lead`, which is not ASCII, in a set whose second bytes may be ASCII. */
export function pairWidth(pairs: 'gbk' | 'sjis', lead: number, trail: number | undefined): number {
  const leads = pairs === 'gbk' ? lead >= 0x81 && lead <= 0xfe : isShiftJisLead(lead);
  return leads && trail !== undefined && trail >= 0x40 && trail !== 0x7f && trail <= 0xfe ? 2 : 1;
}

/** Of ISO 8859. */
export const noBreakSpace = 0xa0;

function isShiftJisLead(byte: number): boolean {
  return (byte >= 0x81 && byte <= 0x9f) || (byte >= 0xe0 && byte <= 0xfc);
}

const CLASSES: Uint8Array = classes();

function classes(): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    const letter = (byte & 0xdf) >= 0x41 && (byte & 0xdf) <= 0x5a && byte < 0x80;
    if (letter || byte >= 0x80) table[byte] = CHARACTER.letter;
    else if (isDigit(byte)) table[byte] = CHARACTER.digit;
    else if (byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)) table[byte] = CHARACTER.space;
  }
  for (const byte of Buffer.from('_$')) table[byte] = CHARACTER.letter;
  for (const byte of Buffer.from('\'"`[;.@#-/*')) table[byte] = CHARACTER.special;
  table[noBreakSpace] = CHARACTER.space;
  return table;
}
