import { join } from 'node:path';
import type { Io } from '../io.ts';
import { asBytes, changeIniFile, valuesAsBytes } from './ini-file.ts';
import type { OptionGroup } from './my-cnf.ts';
import { removeGroup, setGroup } from './my-cnf.ts';

/** Sets these groups of `~/.my.cnf`; everything else in the file, its mode and a symbolic link to it stay. One without options is removed. */
export function writeGroups(io: Io, groups: ReadonlyMap<string, OptionGroup>): void {
  changeIniFile(optionFilePath(io), ELSEWHERE, (text) =>
    [...groups].reduce(
      (sofar, [name, options]) =>
        Object.values(options).every((value) => value === undefined)
          ? removeGroup(sofar, asBytes(name))
          : setGroup(sofar, asBytes(name), valuesAsBytes(options)),
      text,
    ),
  );
}

/** Removes these groups where they are. */
export function removeGroups(io: Io, names: readonly string[]): void {
  changeIniFile(optionFilePath(io), ELSEWHERE, (text) => names.map(asBytes).reduce(removeGroup, text));
}

/** The last file that clients read on their own. */
function optionFilePath(io: Io): string {
  return join(io.home, '.my.cnf');
}

const ELSEWHERE = 'move it aside, or use a tunnel, which needs no file: tsh proxy db --tunnel <database>';
