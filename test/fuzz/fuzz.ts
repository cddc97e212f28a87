import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash, randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { TesseraError } from '../../src/errors.ts';
import { type FuzzTarget, GROUPS, TARGETS } from './targets.ts';
import { cut, mutate, Random } from './mutate.ts';

/**
 * `npm run fuzz -- TARGET|GROUP... [--seconds 60] [--seed N]`: mutated valid inputs against decoders, cut anywhere. A failure is anything but a message, "more", or one of our error
 * classes; also a run that is slow or holds memory. Failing inputs are kept under testdata/ as `TARGET-DIGEST.bin` and are run first the next time.
 */
const maxFailures = 20;
const maxRunMs = 2000;
const maxHeldBytes = 256 * 1024 * 1024;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
});

const testdata = new URL('testdata/', import.meta.url);
const chosen = chooseTargets(positionals);
const seconds = Number(values.seconds);
const seed = values.seed === undefined ? randomInt(2 ** 32) : Number(values.seed);
if (chosen === undefined || !Number.isFinite(seconds) || seconds <= 0 || !Number.isInteger(seed)) {
  console.error(
    `usage: fuzz TARGET|GROUP... [--seconds 60] [--seed N]\ntargets: ${[...TARGETS.keys()].join(' ')}\ngroups: ${[...GROUPS.keys()].join(' ')}`,
  );
  process.exitCode = 2;
} else {
  console.log(`seed ${seed}: the same seed gives the same inputs`);
  let failures = 0;
  for (const target of chosen) failures += await fuzz(target, seconds / chosen.length, seed);
  process.exitCode = failures === 0 ? 0 : 1;
}

function chooseTargets(names: readonly string[]): readonly FuzzTarget[] | undefined {
  const wanted = names.flatMap((name) => GROUPS.get(name) ?? [name]);
  const found = wanted.map((name) => TARGETS.get(name)).filter((target) => target !== undefined);
  return found.length === 0 || found.length !== wanted.length ? undefined : found;
}

async function fuzz(target: FuzzTarget, forSeconds: number, from: number): Promise<number> {
  const random = new Random(from);
  const kept = readdirSync(testdata).filter((name) => name.startsWith(`${target.name}-`));
  let failures = 0;
  for (const name of kept)
    failures += (await attempt(target, readFileSync(new URL(name, testdata)), random, name)) ? 0 : 1;
  const until = performance.now() + forSeconds * 1000;
  const before = process.memoryUsage().arrayBuffers;
  let runs = 0;
  while (performance.now() < until && failures < maxFailures) {
    const input = mutate(random, target.seeds);
    if (!(await attempt(target, input, random, undefined))) failures += 1;
    runs += 1;
  }
  const held = process.memoryUsage().arrayBuffers - before;
  if (held > maxHeldBytes) {
    console.error(`${target.name}: ${held} bytes of buffers held after ${runs} runs`);
    failures += 1;
  }
  console.log(`${target.name}: ${runs} runs, ${kept.length} kept inputs, ${failures} failures`);
  return failures;
}

/** Runs one input; keeps it when it fails. */
async function attempt(
  target: FuzzTarget,
  input: Buffer,
  random: Random,
  keptAs: string | undefined,
): Promise<boolean> {
  const started = performance.now();
  let problem: string | undefined;
  try {
    await target.run(cut(random, input));
  } catch (error: unknown) {
    if (!(error instanceof TesseraError) || error.code === 'BUG')
      problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const tookMs = performance.now() - started;
  if (problem === undefined && tookMs > maxRunMs) problem = `took ${Math.round(tookMs)} ms`;
  if (problem === undefined) return true;
  const name = keptAs ?? `${target.name}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}.bin`;
  if (keptAs === undefined) {
    mkdirSync(testdata, { recursive: true });
    writeFileSync(new URL(name, testdata), input);
  }
  console.error(`${target.name}: testdata/${name}: ${problem}`);
  return false;
}
