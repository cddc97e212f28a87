/**
 * `npm run e2e`: builds the web UI and drives it in headless Chromium against a whole cluster, as people would. Skipped aloud where there is no Chromium.
 *
 *     npm run e2e                      all of it
 *     npm run e2e -- --only sso        files whose path contains the word
 */
import { globSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildWeb } from './build.ts';
import { runFiles } from './run-tests.ts';

const top = resolve(import.meta.dirname, '..');
const { values } = parseArgs({ options: { only: { type: 'string' } } });
const { only } = values;
const files = globSync('test/e2e/**/*.e2e.ts', { cwd: top })
  .filter((file) => only === undefined || file.includes(only))
  .toSorted()
  .map((file) => join(top, file));
if (files.length === 0) {
  process.stderr.write(`no e2e file's path contains "${only}"; see test/e2e/ for what there is\n`);
  process.exit(2);
}
await buildWeb();
// Each file has a cluster and a browser of its own: two at once would only make both slow.
process.exitCode = (await runFiles(files, 1)) ? 0 : 1;
