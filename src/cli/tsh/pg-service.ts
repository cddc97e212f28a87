import { UsageError } from '../failure.ts';
import type { IniDialect } from './ini-section.ts';
import { removeSection, sectionNames, setSection } from './ini-section.ts';

/**
 * `pg_service.conf` as libpq reads it: `[section]`, `key=value`, `#` comments. Everything that is not the section in
 * question stays byte for byte.
 * https://www.postgresql.org/docs/current/libpq-pgservice.html
 */

/** Name and value of each line of a section; undefined values are left out. */
export type ServiceSettings = { readonly [key: string]: string | undefined };

/** The text with `[name]` set to exactly `settings`: replaced where it stands (later duplicates are removed), else appended. */
export function setService(text: string, name: string, settings: ServiceSettings): string {
  checkName(name);
  const lines = Object.entries(settings).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${checkValue(key, value)}`],
  );
  return setSection(dialect, text, name, lines);
}

/** The text without `[name]`; the comments and blank lines that follow its last setting stay. */
export function removeService(text: string, name: string): string {
  return removeSection(dialect, text, name);
}

/** The names of all sections in order. */
export function serviceNames(text: string): string[] {
  return sectionNames(dialect, text);
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

const dialect: IniDialect = {
  // libpq skips leading white space, then takes what stands between [ and the first ].
  header: (line) => /^\s*\[([^\]\r\n]*)\]/.exec(line)?.[1],
  isBlank: (line) => /^\s*(#.*)?$/.test(line),
};
