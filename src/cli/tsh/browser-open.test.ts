import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { testIo } from '../cluster.fake.ts';
import { hasBrowser, openBrowser } from './browser-open.ts';

const folder = mkdtempSync(join(tmpdir(), 'tsh-browser-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const places: readonly {
  readonly name: string;
  readonly env: Record<string, string>;
  readonly platform: NodeJS.Platform;
  readonly has: boolean;
}[] = [
  { name: 'a desktop with X', env: { DISPLAY: ':0' }, platform: 'linux', has: true },
  { name: 'a desktop with Wayland', env: { WAYLAND_DISPLAY: 'wayland-0' }, platform: 'linux', has: true },
  { name: 'WSL', env: { WSL_DISTRO_NAME: 'Debian' }, platform: 'linux', has: true },
  { name: 'a server without a display', env: {}, platform: 'linux', has: false },
  {
    name: 'SSH with X forwarded',
    env: { DISPLAY: 'localhost:10.0', SSH_CONNECTION: '1 2 3 4' },
    platform: 'linux',
    has: false,
  },
  { name: 'a Mac', env: {}, platform: 'darwin', has: true },
  { name: 'a Mac over SSH', env: { SSH_TTY: '/dev/ttys1' }, platform: 'darwin', has: false },
  { name: 'BROWSER over SSH', env: { SSH_CONNECTION: '1 2 3 4', BROWSER: 'w3m' }, platform: 'linux', has: true },
  { name: 'BROWSER=none on a desktop', env: { DISPLAY: ':0', BROWSER: 'none' }, platform: 'linux', has: false },
];
for (const { name, env, platform, has } of places)
  test(`${has ? 'a browser' : 'no browser'}: ${name}`, () =>
    assert.equal(hasBrowser(testIo(folder, '', env), platform), has));

/** A program that writes its arguments into a file, one a line. */
function program(name: string, exit = 0): { readonly path: string; readonly got: () => string[] } {
  const path = join(folder, name);
  const out = join(folder, `${name}.out`);
  writeFileSync(path, `#!/bin/sh\nprintf '%s\\n' "$@" > '${out}'\nexit ${exit}\n`, { mode: 0o755 });
  return { path, got: () => readFileSync(out, 'utf8').trimEnd().split('\n') };
}

test('BROWSER: the address is one argument, whatever is in it; %s says where', async () => {
  const browser = program('browser');
  const url = 'https://access.example.com/web/confirm/x?a=1&b=$(touch%20x);`id`&c=%s';
  assert.equal(await openBrowser(testIo(folder, '', { BROWSER: `${browser.path} --new %s` }), url), true);
  assert.deepEqual(browser.got(), ['--new', new URL(url).href]);
  assert.equal(await openBrowser(testIo(folder, '', { BROWSER: browser.path }), url), true);
  assert.deepEqual(browser.got(), [new URL(url).href]);
});

test('no shell: what would be a command is a name that nothing has', async () => {
  const witness = join(folder, 'witness');
  const io = testIo(folder, '', { BROWSER: `touch ${witness};true && sh -c 'touch ${witness}'`, PATH: folder });
  assert.equal(await openBrowser(io, 'https://access.example.com/'), false);
  assert.equal(existsSync(witness), false);
});

test('the first that works is taken', async () => {
  const broken = program('broken', 3);
  const working = program('working');
  const io = testIo(folder, '', { BROWSER: `nowhere:${broken.path}:${working.path}` });
  assert.equal(await openBrowser(io, 'https://access.example.com/'), true);
  assert.deepEqual(working.got(), ['https://access.example.com/']);
});

test("the system's own: xdg-open on PATH; without one nothing opens, and nothing throws", async () => {
  const opener = program('xdg-open');
  assert.equal(await openBrowser(testIo(folder, '', { PATH: folder }), 'https://access.example.com/', 'linux'), true);
  assert.deepEqual(opener.got(), ['https://access.example.com/']);
  assert.equal(
    await openBrowser(testIo(folder, '', { PATH: '/nonexistent' }), 'https://access.example.com/', 'linux'),
    false,
  );
  const failing = program('open', 1);
  assert.equal(await openBrowser(testIo(folder, '', { PATH: folder }), 'https://access.example.com/', 'darwin'), false);
  assert.deepEqual(failing.got(), ['https://access.example.com/']);
});

for (const url of ['file:///etc/passwd', 'javascript:alert(1)', '--version', 'ssh://host', ''])
  test(`only web addresses are opened: ${url}`, async () => {
    const browser = program('never');
    assert.equal(await openBrowser(testIo(folder, '', { BROWSER: browser.path }), url), false);
    assert.throws(() => browser.got());
  });
