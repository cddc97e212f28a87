// The servers themselves, without Tessera: each starts, takes alice's certificate and nobody else's for alice.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { createAuthority } from '../../src/pki/authority.ts';
import { issueCertificate } from '../../src/pki/issue.ts';
import { generateKeyPair } from '../../src/pki/keys.ts';
import { databaseServerProfile } from '../../src/pki/profiles.ts';
import { createClientAuthority, type ClientAuthority } from '../kit/client-certificates.ts';
import type { Output } from '../kit/command.ts';
import { mysqlCommand } from '../kit/mysql-command.ts';
import { mariadb1011, mariadb118, mysql9, type MysqlBinaries } from './mysql-binaries.ts';
import { startMysql, type MysqlServer } from './mysql.ts';
import type { PostgresTls } from './postgres.ts';

for (const binaries of [mariadb1011(), mysql9(), mariadb118()]) {
  if (typeof binaries === 'string') {
    test('a server of MySQL or MariaDB', { skip: binaries }, () => undefined);
    continue;
  }
  checks(binaries);
}

function checks(binaries: MysqlBinaries): void {
  suite(binaries.name, () => {
    let folder: string;
    let clients: ClientAuthority;
    let server: MysqlServer;

    before(async () => {
      folder = mkdtempSync(join(tmpdir(), 'tessera-mysql-test-'));
      clients = await createClientAuthority(folder);
      server = await startMysql(binaries, { tls: await serverTls(clients, folder), users: ['carol'] });
    });
    after(async () => {
      await server?.remove();
      rmSync(folder, { recursive: true, force: true });
    });

    async function client(user: string, certificateOf: string, sql: string): Promise<Output> {
      const { certificateFile: cert, keyFile: key } = await clients.issue(certificateOf);
      const address = { port: server.port, user, database: 'shop', ca: join(folder, 'ca.crt'), cert, key };
      return mysqlCommand(binaries, address, sql);
    }

    for (const user of ['alice', 'bob', 'reader', 'carol']) {
      test(`${user} signs in by certificate`, async () => {
        const { stdout, stderr } = await client(
          user,
          user,
          "select current_user(), name from products where id = 2; show status like 'Ssl_version'",
        );
        assert.equal(stdout, `${user}@%\tbrüllwürfel\nSsl_version\tTLSv1.3\n`, stderr);
      });
    }

    test("alice with bob's certificate is refused", async () => {
      const { code, stderr } = await client('alice', 'bob', 'select 1');
      assert.notEqual(code, 0);
      assert.match(stderr, /ERROR 1045 \(28000\)/);
    });

    test('after an orderly end and after a kill the content is there', async () => {
      await server.run("insert into products values (5, 'eel', 5, null, now(), null)", 'shop');
      await server.restart();
      await server.stop('SIGKILL');
      await server.start();
      assert.equal(await server.run('select name from shop.products where id = 5'), 'eel\n');
    });

    test('certificates change while it runs', async () => {
      const other = await createClientAuthority(folder);
      await server.reload(await serverTls(other, folder));
      clients = other;
      const { stdout, stderr } = await client('alice', 'alice', 'select 1');
      assert.equal(stdout, '1\n', stderr);
    });

    test('another authority of clients is trusted beside the first', async () => {
      const [first, second] = [clients, await createClientAuthority(folder)];
      await server.trust(second.certificate);
      for (clients of [first, second]) {
        const { stdout, stderr } = await client('alice', 'alice', 'select 1');
        assert.equal(stdout, '1\n', stderr);
      }
    });
  });
}

async function serverTls(clients: ClientAuthority, folder: string): Promise<PostgresTls> {
  const authority = await createAuthority('db', 'beside', () => Date.now());
  writeFileSync(join(folder, 'ca.crt'), authority.certificatePem);
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const { pem } = await issueCertificate(authority, databaseServerProfile(['localhost', '127.0.0.1']), {
    publicKeyDer,
    ttlMs: 3_600_000,
    nowMs: Date.now(),
  });
  // MySQL takes up a new certificate only when it verifies against the same file.
  const clientAuthorities = `${clients.certificate}\n${authority.certificatePem}`;
  return { certificate: pem, privateKey: privateKeyPem, clientAuthorities };
}
