import { UsageError } from '../failure.ts';

/**
 * `pg_service.conf` as libpq reads it: `[section]`, `key=value`, `#` comments. Everything that is not the section in
 * question stays byte for byte: order, comments, blank lines, line ends, a missing last line end.
 * https://www.postgresql.org/docs/current/libpq-pgservice.html
 */

/** Name and value of each line of a section; undefined values are left out. */
export type ServiceSettings = { readonly [key: string]: string | undefined };

/** The text with `[name]` set to exactly `settings`: replaced where it stands (later duplicates are removed), else appended. */
export function setService(text: string, name: string, settings: ServiceSettings): string {
  checkName(name);
  const end = lineEnd(text);
  const section = [
    `[${name}]`,
    ...Object.entries(settings).flatMap(([key, value]) =>
      value === undefined ? [] : [`${key}=${checkValue(key, value)}`],
    ),
  ].map((line) => line + end);
  const parts = splitSections(text);
  const first = parts.findIndex((part) => part.name === name);
  if (first === -1) {
    const gap = text === '' ? '' : text.endsWith('\n') ? (/\n\r?\n$/.test(text) ? '' : end) : end + end;
    return text + gap + section.join('');
  }
  return parts
    .map((part, index) => {
      if (part.name !== name) return part.text;
      return index === first ? section.join('') + trailing(part.text) : trailing(part.text);
    })
    .join('');
}

/** The text without `[name]`; the comments and blank lines that follow its last setting stay (they belong to what comes next). */
export function removeService(text: string, name: string): string {
  const parts = splitSections(text);
  if (!parts.some((part) => part.name === name)) return text;
  return parts.map((part) => (part.name === name ? trailing(part.text) : part.text)).join('');
}

/** The names of all sections in order. */
export function serviceNames(text: string): string[] {
  return splitSections(text).flatMap((part) => (part.name === undefined ? [] : [part.name]));
}

type Part = { readonly name: string | undefined; readonly text: string };

function splitSections(text: string): Part[] {
  const parts: { name: string | undefined; text: string }[] = [{ name: undefined, text: '' }];
  for (const line of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    // libpq skips leading white space, then takes what stands between [ and the first ].
    const header = /^\s*\[([^\]\r\n]*)\]/.exec(line);
    if (header !== null) parts.push({ name: header[1] ?? '', text: '' });
    const last = parts.at(-1);
    if (last !== undefined) last.text += line;
  }
  return parts;
}

/** From the first blank line or comment after the last setting on. */
function trailing(section: string): string {
  const lines = section.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  let keep = lines.length;
  while (keep > 1 && /^\s*(#.*)?$/.test((lines[keep - 1] ?? '').replace(/\r?\n$/, ''))) keep -= 1;
  return lines.slice(keep).join('');
}

function lineEnd(text: string): string {
  return /\r\n/.test(text.slice(0, text.indexOf('\n') + 1)) ? '\r\n' : '\n';
}

function checkName(name: string): void {
  if (name === '' || /[\]\r\n\0]/.test(name))
    throw new UsageError(`service name "${name.slice(0, 40)}" can not be written to pg_service.conf`);
}

function checkValue(key: string, value: string): string {
  // libpq takes the rest of the line as it is: no quoting exists, trailing white space would be lost, lines end at 1023 bytes.
  if (/[\r\n\0]/.test(value) || value !== value.trim())
    throw new UsageError(`${key} can not be written to pg_service.conf: it has line ends or outer spaces`);
  return value;
}
