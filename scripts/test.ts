/**
 * `npm test`: every unit and interop test with whatever real servers can be had, and the list of what was skipped and why.
 *
 *     npm test                         all of it
 *     npm test -- --unit               without test/interop and test/cluster
 *     npm test -- --only postgres      files whose path contains the word
 */
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { run } from 'node:test';
import { parseArgs } from 'node:util';

const top = resolve(import.meta.dirname, '..');
/** A whole-system test file may fetch and start servers; a unit test file never takes a tenth of this. */
const fileTimeoutMs = 600_000;

const { values } = parseArgs({ options: { unit: { type: 'boolean', default: false }, only: { type: 'string' } } });
const files = testFiles(values.unit, values.only);
if (files.length === 0) {
  process.stderr.write(`no test file's path contains "${values.only}"; see src/ and test/ for what there is\n`);
  process.exit(2);
}
process.exitCode = (await runFiles(files)) ? 0 : 1;

function testFiles(unitOnly: boolean, only: string | undefined): string[] {
  const wholeSystem = /^test\/(interop|cluster)\//;
  return globSync('{src,test,scripts}/**/*.test.ts', { cwd: top })
    .filter((file) => !(unitOnly && wholeSystem.test(file)))
    .filter((file) => only === undefined || file.includes(only))
    .sort((a, b) => Number(wholeSystem.test(a)) - Number(wholeSystem.test(b)) || a.localeCompare(b))
    .map((file) => join(top, file));
}

async function runFiles(list: readonly string[]): Promise<boolean> {
  const passed = new Map<string, number>();
  const skipped: string[] = [];
  const failed: string[] = [];
  const startedMs = performance.now();
  const stream = run({
    files: [...list],
    concurrency: availableParallelism(),
    timeout: fileTimeoutMs,
    isolation: 'process',
  });
  for await (const event of stream) {
    switch (event.type) {
      case 'test:pass': {
        if (event.data.details.type === 'suite' || isFile(event.data)) break;
        if (event.data.skip !== undefined) skipped.push(`${event.data.name}: ${reasonOf(event.data.skip)}`);
        else passed.set(fileOf(event.data), (passed.get(fileOf(event.data)) ?? 0) + 1);
        break;
      }
      case 'test:fail': {
        if (event.data.details.error.failureType === 'subtestsFailed') break;
        failed.push(`${fileOf(event.data)}: ${event.data.name}`);
        process.stdout.write(
          `FAIL ${fileOf(event.data)}: ${event.data.name}\n${describeError(event.data.details.error)}\n`,
        );
        break;
      }
      case 'test:stderr':
        process.stderr.write(event.data.message);
        break;
      case 'test:complete':
        if (isFile(event.data))
          process.stdout.write(`${fileOf(event.data)} (${(event.data.details.duration_ms / 1000).toFixed(1)} s)\n`);
        break;
      default:
        break;
    }
  }
  const total = [...passed.values()].reduce((sum, count) => sum + count, 0);
  if (skipped.length > 0) process.stdout.write(`\nskipped, and why:\n${skipped.map((line) => `  ${line}\n`).join('')}`);
  if (failed.length > 0) process.stdout.write(`\nfailed:\n${failed.map((line) => `  ${line}\n`).join('')}`);
  process.stdout.write(`\n${list.length} files, ${((performance.now() - startedMs) / 1000).toFixed(0)} s\n`);
  process.stdout.write(`${total} passed, ${failed.length} failed, ${skipped.length} skipped\n`);
  return failed.length === 0 && total > 0;
}

type Located = { readonly name: string; readonly file?: string; readonly nesting: number };

/** With process isolation the runner reports each file as a test of its own, named by its path. */
function isFile(data: Located): boolean {
  return data.nesting === 0 && (data.name === data.file || data.name.endsWith('.test.ts'));
}

function fileOf(data: Located): string {
  return relative(top, data.file ?? data.name);
}

function reasonOf(skip: string | boolean): string {
  return typeof skip === 'string' ? skip : 'no reason given';
}

function describeError(error: Error): string {
  const cause = error.cause instanceof Error ? error.cause : error;
  return `${cause.stack ?? cause.message}\n`.replace(/^/gm, '    ');
}
