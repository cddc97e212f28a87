import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { testIo } from '../cluster.fake.ts';
import type { Profile } from './profile.ts';
import { ProfileStore, profileName } from './profile.ts';

function withStore(work: (store: ProfileStore, home: string) => void): void {
  const home = mkdtempSync(join(tmpdir(), 'tsh-profile-'));
  try {
    work(new ProfileStore(testIo(home)), home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

const profile: Profile = {
  proxy: 'access.example.com:443',
  user: 'alice@example.com',
  cluster: 'example',
  roles: ['access', 'dba'],
};

test('a profile is read back, is the current one, and nothing of it is open to others', () => {
  withStore((store, home) => {
    store.write(profile);
    store.writeTrust(profile, { proxyAuthorities: [], hostAuthorities: [] });
    store.writeIdentity(profile, { certificate: 'c', privateKey: 'k' });
    assert.deepEqual(store.read(), profile);
    assert.deepEqual(store.read('https://access.example.com'), profile);
    assert.equal(store.read('other:1'), undefined);
    assert.deepEqual(readdirSync(join(home, '.tsh')).sort(), ['access.example.com.yaml', 'current-profile', 'keys']);
    for (const entry of readdirSync(join(home, '.tsh'), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      assert.equal(statSync(path).mode & 0o777, entry.isDirectory() ? 0o700 : 0o600, relative(home, path));
    }
    assert.deepEqual(readdirSync(join(home, '.tsh/keys/access.example.com')).sort(), [
      'alice@example.com.crt',
      'alice@example.com.key',
      'cas',
      'certs.pem',
    ]);
  });
});

test('a certificate that does not belong to the key counts as none', () => {
  withStore((store) => {
    store.writeIdentity(profile, { certificate: 'c', privateKey: 'k' });
    assert.equal(store.identity(profile), undefined);
  });
});

test('two clusters on one machine keep apart', () => {
  assert.equal(profileName({ host: 'localhost', port: 443 }), 'localhost');
  assert.equal(profileName({ host: 'localhost', port: 3080 }), 'localhost_3080');
  assert.equal(profileName({ host: '::1', port: 3080 }), '__1_3080');
});

test('current-profile can not lead out of the folder', () => {
  withStore((store, home) => {
    store.write(profile);
    writeFileSync(join(home, '.tsh/current-profile'), '../../etc/passwd\n');
    assert.equal(store.read(), undefined);
  });
});

test('a profile that somebody broke says what to do', () => {
  withStore((store, home) => {
    store.write(profile);
    writeFileSync(join(home, '.tsh/access.example.com.yaml'), 'proxy: [\n');
    assert.throws(
      () => store.read(),
      /can not be read: expected proxy, user and cluster\nremove it and sign in again: rm /,
    );
  });
});

test('property: no database name leaves its folder or meets another', () => {
  withStore((store, home) => {
    const inside = join(home, '.tsh/keys/access.example.com/alice@example.com-db/example');
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, unit: 'grapheme' }),
        fc.string({ minLength: 1, unit: 'grapheme' }),
        (a, b) => {
          const [one, other] = [store.databasePath(profile, a), store.databasePath(profile, b)];
          assert.match(relative(inside, one), /^[^/]+$/);
          assert.doesNotMatch(relative(inside, one), /^\.\.?$/);
          assert.equal(one === other, a === b);
        },
      ),
    );
  });
});

test('an atomic write leaves no temporary file and keeps the old text when it fails', () => {
  withStore((store, home) => {
    store.write(profile);
    assert.equal(
      readdirSync(join(home, '.tsh')).some((name) => name.endsWith('.tmp')),
      false,
    );
    assert.equal(existsSync(join(home, '.tsh/current-profile')), true);
    assert.equal(readFileSync(join(home, '.tsh/current-profile'), 'utf8'), 'access.example.com\n');
  });
});
