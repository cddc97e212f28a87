/** JSON of what statement events of all protocols have in common. */

/** A text's fields as JSON, escaped once; completed with a key by `textJson`. */
export type TextFields = {
  readonly value: string;
  readonly cut: { readonly bytes: number; readonly sha256: string } | undefined;
  readonly latin1: boolean;
};

/** `bytes`: length of what `sha256` was made of. */
export function textFields(
  text: { readonly text: string; readonly encoding?: 'latin1'; readonly sha256?: string },
  bytes: number,
): TextFields {
  const cut = text.sha256 === undefined ? undefined : { bytes, sha256: text.sha256 };
  return { value: JSON.stringify(text.text), cut, latin1: text.encoding !== undefined };
}

/** `"key":"..."` and, where needed, `key_truncated` and `key_encoding`; without braces. */
export function textJson(key: string, { value, cut, latin1 }: TextFields): string {
  let json = `"${key}":${value}`;
  if (cut !== undefined) json += `,"${key}_truncated":{"bytes":${cut.bytes},"sha256":"${cut.sha256}"}`;
  if (latin1) json += `,"${key}_encoding":"latin1"`;
  return json;
}

/** Three decimals, as JSON. */
export function milliseconds(value: number): number {
  return Math.round(value * 1000) / 1000;
}
