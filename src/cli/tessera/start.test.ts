import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { Io } from '../io.ts';
import { checkConfig, start } from './start.ts';

const text = 'version: v1\nauth_service: {enabled: yes, cluster_name: example}\n';

test('a wrong configuration is told whole, with an exit code that service managers do not retry', async (t) => {
  const { path, io, errors } = scene(t, `${text}tesera: {}\n`);
  assert.equal(await start(io, { config: path }), 2);
  assert.match(errors(), /:3:1: tesera: unknown key, did you mean tessera\n/);
});

test('check-config tells the data folder that the environment names', async (t) => {
  const { path, io, results } = scene(t, text);
  await checkConfig(io, { config: path });
  assert.match(results(), /is right: auth_service; data in \/srv\/tessera\n/);
});

function scene(t: { after(work: () => void): void }, content: string) {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-start-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'tessera.yaml');
  writeFileSync(path, content);
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const env = { TESSERA_DATA_DIR: '/srv/tessera' };
  const io: Io = { stdin: new PassThrough(), stdout, stderr, env, home: folder, nowMs: () => 0 };
  const textOf = (stream: PassThrough) => (): string => String(stream.read() ?? '');
  return { path, io, results: textOf(stdout), errors: textOf(stderr) };
}
