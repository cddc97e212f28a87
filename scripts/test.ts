/**
 * `npm test`: every unit and interop test with whatever real servers can be had, and the list of what was skipped and why.
 *
 *     npm test                         all of it
 *     npm test -- --unit               without test/interop and test/cluster
 *     npm test -- --only postgres      files whose path contains the word
 */
import { globSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runFiles } from './run-tests.ts';

const top = resolve(import.meta.dirname, '..');

const { values } = parseArgs({ options: { unit: { type: 'boolean', default: false }, only: { type: 'string' } } });
const files = testFiles(values.unit, values.only);
if (files.length === 0) {
  process.stderr.write(`no test file's path contains "${values.only}"; see src/ and test/ for what there is\n`);
  process.exit(2);
}
process.exitCode = (await runFiles(files)) ? 0 : 1;

function testFiles(unitOnly: boolean, only: string | undefined): string[] {
  const wholeSystem = /^test\/(interop|cluster)\//;
  return globSync('{src,test,scripts,web/src}/**/*.test.ts', { cwd: top })
    .filter((file) => !(unitOnly && wholeSystem.test(file)))
    .filter((file) => only === undefined || file.includes(only))
    .sort((a, b) => Number(wholeSystem.test(a)) - Number(wholeSystem.test(b)) || a.localeCompare(b))
    .map((file) => join(top, file));
}
