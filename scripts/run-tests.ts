/** Runs test files with node:test and tells what passed, failed and was skipped, and why. */
import { availableParallelism } from 'node:os';
import { relative, resolve } from 'node:path';
import { run } from 'node:test';

const top = resolve(import.meta.dirname, '..');
/** A whole-system test file may fetch and start servers; a unit test file never takes a tenth of this. */
const fileTimeoutMs = 600_000;

/** True when nothing failed, and something passed or said why it was skipped. `concurrency`: files at once, default one a core. */
export async function runFiles(list: readonly string[], concurrency = availableParallelism()): Promise<boolean> {
  const passed = new Map<string, number>();
  const skipped: string[] = [];
  const failed: string[] = [];
  const startedMs = performance.now();
  const stream = run({
    files: [...list],
    concurrency,
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
  return failed.length === 0 && total + skipped.length > 0;
}

type Located = { readonly name: string; readonly file?: string; readonly nesting: number };

/** With process isolation the runner reports each file as a test of its own, named by its path. */
function isFile(data: Located): boolean {
  return data.nesting === 0 && (data.name === data.file || /\.(test|e2e)\.ts$/.test(data.name));
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
