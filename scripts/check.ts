/**
 * `npm run check`: types, lint, format, dead code, generated code fresh, unit tests with the architecture test. Runs all, then tells what failed.
 *
 *     npm run check -- --static        without the unit tests, for those who run `npm test` anyway
 */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

const top = resolve(import.meta.dirname, '..');
const folders = ['bin', 'src', 'test', 'bench', 'scripts', 'web/src', 'web/vite.config.ts'];
const steps: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: 'types', command: ['tsc', '-p', '.'] },
  { name: 'types of web', command: ['tsc', '-p', 'web'] },
  { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings', ...folders] },
  { name: 'format', command: ['oxfmt', '--check', ...folders] },
  { name: 'dead code', command: ['knip', '--no-progress'] },
  { name: 'proto style', command: ['buf', 'lint'] },
  { name: 'generated code', command: [process.execPath, 'scripts/gen.ts', '--check'] },
  {
    name: 'unit tests',
    command: [process.execPath, '--disable-warning=ExperimentalWarning', 'scripts/test.ts', '--unit'],
  },
];

const failed: string[] = [];
const isStatic = process.argv.includes('--static');
for (const step of steps) {
  if (isStatic && step.name === 'unit tests') continue;
  const startedMs = performance.now();
  const { code, output } = await runStep(step.command);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(`${code === 0 ? 'ok  ' : 'FAIL'} ${step.name} (${seconds} s)\n`);
  if (code !== 0 || step.name === 'unit tests') process.stdout.write(code === 0 ? lastLine(output) : `${output}\n`);
  if (code !== 0) failed.push(step.name);
}
if (failed.length > 0) process.stdout.write(`\nfailed: ${failed.join(', ')}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;

function runStep(command: readonly string[]): Promise<{ code: number; output: string }> {
  const [program = '', ...args] = command;
  return new Promise((done) => {
    const child = spawn(program, args, { cwd: top, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', (error) => done({ code: 127, output: `${program} could not be started: ${error.message}` }));
    child.on('close', (code) => done({ code: code ?? 1, output }));
  });
}

function lastLine(output: string): string {
  return `     ${output.trimEnd().split('\n').at(-1) ?? ''}\n`;
}
