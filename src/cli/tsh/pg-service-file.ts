import { join } from 'node:path';
import type { Io } from '../io.ts';
import { asBytes, changeIniFile, valuesAsBytes } from './ini-file.ts';
import type { ServiceSettings } from './pg-service.ts';
import { removeService, setService } from './pg-service.ts';

/** Sets one section; everything else in the file, its mode and a symbolic link to it stay. */
export function writeService(io: Io, name: string, settings: ServiceSettings): void {
  changeIniFile(serviceFilePath(io), ELSEWHERE, (text) => setService(text, asBytes(name), valuesAsBytes(settings)));
}

/** Removes these sections where they are. */
export function removeServices(io: Io, names: readonly string[]): void {
  changeIniFile(serviceFilePath(io), ELSEWHERE, (text) => names.map(asBytes).reduce(removeService, text));
}

/** Where libpq looks: `PGSERVICEFILE`, else `~/.pg_service.conf`. */
function serviceFilePath(io: Io): string {
  const chosen = io.env['PGSERVICEFILE'];
  return chosen !== undefined && chosen !== '' ? chosen : join(io.home, '.pg_service.conf');
}

const ELSEWHERE = 'set PGSERVICEFILE to another file';
