import { UsageError } from '../failure.ts';
import type { IniDialect } from './ini-section.ts';
import { removeSection, sectionNames, setSection } from './ini-section.ts';

/**
 * Option files as the clients of MySQL and MariaDB read them: `[group]`, `name=value`, comments after `#` and `;`, `!include` and `!includedir`
 * anywhere. A client takes, in the file's order, the groups of its own name, each also with the suffix of `--defaults-group-suffix`.
 * https://dev.mysql.com/doc/refman/en/option-files.html, https://mariadb.com/docs/server/server-management/install-and-upgrade-mariadb/configuring-mariadb/configuring-mariadb-with-option-files
 */

/** Name and value of each line of a group; undefined values are left out, `''` gives an empty one. */
export type OptionGroup = { readonly [option: string]: string | undefined };

/** The text with `[name]` set to exactly `options`: replaced where it stands (later duplicates are removed), else appended. Throws UsageError for what a file can not hold. */
export function setGroup(text: string, name: string, options: OptionGroup): string {
  if (name === '' || /^[ \t]|[ \t]$/.test(name) || /[\]\u0000-\u001f\u007f]/.test(name))
    throw new UsageError(`group name "${name.slice(0, 40)}" can not be written to .my.cnf`);
  const lines = Object.entries(options).flatMap(([option, value]) =>
    value === undefined ? [] : [optionLine(option, value)],
  );
  return setSection(dialect, text, name, lines);
}

/** The text without `[name]`; includes that somebody wrote into it stay, and the comments and blank lines that follow its last setting. */
export function removeGroup(text: string, name: string): string {
  return removeSection(dialect, text, name);
}

/** The names of all groups in order, in lower case as clients compare them. */
export function groupNames(text: string): string[] {
  return sectionNames(dialect, text);
}

/** Quotes what a reader would take for a comment or for quotes of its own, and doubles backslashes, which escape in and out of quotes. */
function optionLine(option: string, value: string): string {
  if (/[\u0000-\u001f\u007f]/.test(value))
    throw new UsageError(`${option} can not be written to .my.cnf: it has control characters`);
  const escaped = value.replaceAll('\\', '\\\\');
  const plain = /^[^\s#;'"]*$/.test(escaped);
  const line = `${option}=${plain ? escaped : `"${escaped.replaceAll('"', '\\"')}"`}`;
  if (line.length > MAX_LINE_BYTES)
    throw new UsageError(`${option} can not be written to .my.cnf: its line exceeds maxLineBytes ${MAX_LINE_BYTES}`);
  return line;
}

const dialect: IniDialect = {
  // Leading white space is skipped, spaces before ] do not count, and letters are compared without case.
  header: (line) =>
    /^\s*\[([^\]\r\n]*)\]/
      .exec(line)?.[1]
      ?.replace(/[ \t]+$/, '')
      .replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
  isBlank: (line) => /^\s*([#;].*)?$/.test(line),
  isDirective: (line) => /^\s*!/.test(line),
};

/** The readers' buffer holds 4,096 bytes (mysys/my_default.cc), line end and NUL included. */
const MAX_LINE_BYTES = 4000;
