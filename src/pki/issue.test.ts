import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as tls from 'node:tls';
import { createAuthority } from './authority.ts';
import { issueCertificate } from './issue.ts';
import { generateKeyPair } from './keys.ts';
import type { CertificateProfile } from './profiles.ts';
import { databaseClientProfile, databaseServerProfile, hostProfile, userProfile } from './profiles.ts';
import { AGENT, alice, CLUSTER, host, HOUR, issue, NOW, parsed, PROXY, routed, testCluster } from './test-cluster.ts';

const cluster = await testCluster();
const CLIENT = '1.3.6.1.5.5.7.3.2';
const SERVER = '1.3.6.1.5.5.7.3.1';
// A name and not a literal: the program is optional, so it is no declared dependency.
const OPENSSL = 'openssl';
const hasOpenssl = spawnSync(OPENSSL, ['version']).status === 0;

const profiles = [
  { name: 'user', authority: cluster.user, profile: userProfile(alice), cn: 'alice', eku: [CLIENT], san: undefined },
  {
    name: 'user with route',
    authority: cluster.user,
    profile: userProfile(routed),
    cn: 'alice',
    eku: [CLIENT],
    san: undefined,
  },
  {
    name: 'auth',
    authority: cluster.host,
    profile: hostProfile(host('auth')),
    cn: PROXY,
    eku: [SERVER],
    san: 'DNS:auth.tessera.internal',
  },
  {
    name: 'proxy',
    authority: cluster.host,
    profile: hostProfile(host('proxy'), {
      dnsNames: ['Proxy.Example.com', 'localhost'],
      ipAddresses: ['127.0.0.1', '::1'],
    }),
    cn: PROXY,
    eku: [SERVER, CLIENT],
    san: 'DNS:proxy.tessera.internal, DNS:proxy.example.com, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
  },
  {
    name: 'database',
    authority: cluster.host,
    profile: hostProfile(host('database', AGENT)),
    cn: AGENT,
    eku: [CLIENT],
    san: `DNS:${AGENT}.database.tessera.internal`,
  },
  {
    name: 'admin',
    authority: cluster.host,
    profile: hostProfile(host('admin')),
    cn: PROXY,
    eku: [CLIENT],
    san: undefined,
  },
  {
    name: 'database server',
    authority: cluster.db,
    profile: databaseServerProfile(['db.example.com', '10.0.0.5']),
    cn: 'db.example.com',
    eku: [SERVER],
    san: 'DNS:db.example.com, IP Address:10.0.0.5',
  },
  {
    name: 'database client',
    authority: cluster.dbClient,
    profile: databaseClientProfile('Reader Röd'),
    cn: 'Reader Röd',
    eku: [CLIENT],
    san: undefined,
  },
];

for (const row of profiles) {
  test(`profile ${row.name}: exactly what it should say`, async () => {
    const issued = await issue(row.authority, row.profile);
    const certificate = parsed(issued);
    assert.equal(certificate.subject, `CN=${row.cn}`);
    assert.equal(certificate.issuer, `O=${CLUSTER}\nCN=${CLUSTER} ${row.authority.type} CA`);
    assert.deepEqual(certificate.keyUsage, row.eku);
    assert.equal(certificate.subjectAltName, row.san);
    assert.equal(certificate.ca, false);
    assert.ok(certificate.checkIssued(new X509Certificate(row.authority.certificatePem)));
    assert.ok(certificate.verify(new X509Certificate(row.authority.certificatePem).publicKey));
    assert.equal(certificate.validFromDate.getTime(), NOW - 60_000);
    assert.equal(certificate.validToDate.getTime(), NOW + HOUR);
    assert.deepEqual(certificate.publicKey.export({ type: 'spki', format: 'der' }), issued.keys.publicKeyDer);
    assert.ok(issued.serial.length > 24 && issued.serial.length <= 32);
  });

  test(
    `profile ${row.name}: as openssl reads it`,
    { skip: hasOpenssl ? false : 'openssl is not installed' },
    async () => {
      const { pem } = await issue(row.authority, row.profile);
      const text = execFileSync(OPENSSL, ['x509', '-noout', '-text'], { input: pem, encoding: 'utf8' });
      assert.match(text, /X509v3 Basic Constraints: critical\n\s+CA:FALSE\n/);
      assert.match(text, /X509v3 Key Usage: critical\n\s+Digital Signature\n/);
      assert.match(text, /X509v3 Subject Key Identifier:/);
      assert.match(text, /X509v3 Authority Key Identifier:/);
      assert.equal([...text.matchAll(/: critical/g)].length, 2, 'nothing else is critical');
      assert.equal(
        text.includes('1.2.840.113556.1.8000.2554.35212.6652.63930.19952.36290.5115998.8615907'),
        row.profile.identity !== undefined,
      );
    },
  );
}

test(
  'openssl accepts the chain for its purpose and no other',
  { skip: hasOpenssl ? false : 'openssl is not installed' },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tessera-pki-'));
    try {
      for (const row of profiles) {
        const { pem } = await issue(row.authority, row.profile);
        writeFileSync(join(folder, 'ca'), row.authority.certificatePem);
        writeFileSync(join(folder, 'leaf'), pem);
        for (const [purpose, oid] of [
          ['sslclient', CLIENT],
          ['sslserver', SERVER],
        ] as const) {
          const args = [
            'verify',
            '-x509_strict',
            '-attime',
            String(NOW / 1000),
            '-purpose',
            purpose,
            '-CAfile',
            join(folder, 'ca'),
            join(folder, 'leaf'),
          ];
          const { status, stderr } = spawnSync(OPENSSL, args, { encoding: 'utf8' });
          assert.equal(status === 0, row.eku.includes(oid), `${row.name} as ${purpose}: ${stderr}`);
        }
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

test('serials do not repeat', async () => {
  const serials = await Promise.all(
    Array.from({ length: 20 }, async () => (await issue(cluster.user, userProfile(alice))).serial),
  );
  assert.equal(new Set(serials).size, 20);
});

const { publicKeyDer } = generateKeyPair();
const refused: { name: string; code: string; make: () => unknown }[] = [
  {
    name: 'a profile of another authority',
    code: 'BUG',
    make: () => issueCertificate(cluster.dbClient, userProfile(alice), { publicKeyDer, ttlMs: HOUR, nowMs: NOW }),
  },
  { name: 'no lifetime', code: 'PKI_TTL_TOO_SHORT', make: () => issue(cluster.user, userProfile(alice), NOW, 0) },
  {
    name: 'a lifetime that is no number',
    code: 'PKI_TTL_TOO_SHORT',
    make: () => issue(cluster.user, userProfile(alice), NOW, Number.NaN),
  },
  {
    name: 'a database client certificate of a day',
    code: 'PKI_TTL_TOO_LONG',
    make: () => issue(cluster.dbClient, databaseClientProfile('a'), NOW, 24 * HOUR),
  },
  {
    name: 'an authority that is over',
    code: 'PKI_AUTHORITY_EXPIRED',
    make: () => issue(cluster.user, userProfile(alice), cluster.user.notAfterMs),
  },
  {
    name: 'a key that is none',
    code: 'PKI_PUBLIC_KEY_INVALID',
    make: () =>
      issueCertificate(cluster.user, userProfile(alice), { publicKeyDer: Buffer.alloc(91), ttlMs: HOUR, nowMs: NOW }),
  },
  {
    name: 'a route certificate that fits no opening',
    code: 'PKI_ROUTE_CERTIFICATE_TOO_LARGE',
    make: () => issue(cluster.user, userProfile({ ...routed, traits: { t: ['x'.repeat(13_000)] } })),
  },
  {
    name: 'an identity beyond its limit',
    code: 'PKI_IDENTITY_TOO_LARGE',
    make: () => issue(cluster.user, userProfile({ ...alice, traits: { t: ['x'.repeat(17_000)] } })),
  },
];
for (const row of refused)
  test(`not issued: ${row.name}`, async () => assert.rejects(async () => row.make(), { code: row.code }));

const names: { name: string; code: string; make: () => CertificateProfile }[] = [
  { name: 'internal name', code: 'PKI_NAME_RESERVED', make: () => proxyNamed('auth.tessera.internal') },
  { name: 'internal name in other letters', code: 'PKI_NAME_RESERVED', make: () => proxyNamed('x.TESSERA.Internal') },
  { name: 'the internal domain', code: 'PKI_NAME_RESERVED', make: () => proxyNamed('tessera.internal') },
  {
    name: 'internal name with a dot behind',
    code: 'PKI_NAME_INVALID',
    make: () => proxyNamed('auth.tessera.internal.'),
  },
  { name: 'wildcard', code: 'PKI_NAME_INVALID', make: () => proxyNamed('*.example.com') },
  { name: 'wildcard over the internal domain', code: 'PKI_NAME_INVALID', make: () => proxyNamed('*.internal') },
  { name: 'empty', code: 'PKI_NAME_INVALID', make: () => proxyNamed('') },
  { name: 'space', code: 'PKI_NAME_INVALID', make: () => proxyNamed('a b') },
  { name: 'zero byte', code: 'PKI_NAME_INVALID', make: () => proxyNamed('good.example\0.evil.com') },
  { name: 'letters that only look alike', code: 'PKI_NAME_INVALID', make: () => proxyNamed('auth.teſſera.internal') },
  { name: 'address as a name', code: 'PKI_NAME_INVALID', make: () => proxyNamed('1.2.3.4') },
  {
    name: 'name as an address',
    code: 'PKI_NAME_INVALID',
    make: () => hostProfile(host('proxy'), { dnsNames: [], ipAddresses: ['localhost'] }),
  },
  { name: 'long label', code: 'PKI_NAME_INVALID', make: () => proxyNamed(`${'a'.repeat(64)}.com`) },
  { name: 'long name', code: 'PKI_NAME_INVALID', make: () => proxyNamed('a.'.repeat(130) + 'com') },
  {
    name: 'too many names',
    code: 'PKI_TOO_MANY_NAMES',
    make: () =>
      hostProfile(host('proxy'), { dnsNames: Array.from({ length: 65 }, (_, n) => `h${n}`), ipAddresses: [] }),
  },
  {
    name: 'names for an agent',
    code: 'PKI_NAMES_NOT_ALLOWED',
    make: () => hostProfile(host('database'), { dnsNames: ['a.b'], ipAddresses: [] }),
  },
  {
    name: 'names for auth',
    code: 'PKI_NAMES_NOT_ALLOWED',
    make: () => hostProfile(host('auth'), { dnsNames: ['a.b'], ipAddresses: [] }),
  },
  {
    name: 'database server under the internal domain',
    code: 'PKI_NAME_RESERVED',
    make: () => databaseServerProfile(['db', 'x.tessera.internal']),
  },
  { name: 'database server wildcard', code: 'PKI_NAME_INVALID', make: () => databaseServerProfile(['*.db']) },
  { name: 'database server without a host', code: 'PKI_NO_NAMES', make: () => databaseServerProfile([]) },
  { name: 'long person', code: 'PKI_NAME_TOO_LONG', make: () => userProfile({ ...alice, user: 'a'.repeat(65) }) },
  { name: 'nameless person', code: 'PKI_NAME_INVALID', make: () => userProfile({ ...alice, user: '' }) },
  {
    name: 'database user with a zero byte',
    code: 'PKI_NAME_INVALID',
    make: () => databaseClientProfile('postgres\0x'),
  },
];
for (const row of names) test(`no profile: ${row.name}`, () => assert.throws(row.make, { code: row.code }));

test(
  'authorities: exactly what they should say',
  { skip: hasOpenssl ? false : 'openssl is not installed' },
  async () => {
    const authority = await createAuthority('db-client', CLUSTER, () => NOW);
    const text = execFileSync(OPENSSL, ['x509', '-noout', '-text'], {
      input: authority.certificatePem,
      encoding: 'utf8',
    });
    assert.match(text, /X509v3 Basic Constraints: critical\n\s+CA:TRUE, pathlen:0\n/);
    assert.match(text, /X509v3 Key Usage: critical\n\s+Certificate Sign, CRL Sign\n/);
    assert.match(text, /Subject: O = example, CN = example db-client CA\n/);
    assert.match(text, /NIST CURVE: P-256/);
    await assert.rejects(
      createAuthority('user', 'x'.repeat(49), () => NOW),
      { code: 'PKI_NAME_TOO_LONG' },
    );
    await assert.rejects(
      createAuthority('user', 'a/b', () => NOW),
      { code: 'PKI_NAME_INVALID' },
    );
  },
);

test('TLS 1.3, certificates both ways', async () => {
  const nowMs = Date.now();
  const [users, hosts] = await Promise.all([
    createAuthority('user', CLUSTER, Date.now),
    createAuthority('host', CLUSTER, Date.now),
  ]);
  const proxy = await issue(hosts, hostProfile(host('proxy'), { dnsNames: ['localhost'], ipAddresses: [] }), nowMs);
  const person = await issue(users, userProfile(routed), nowMs);
  const agent = await issue(hosts, hostProfile(host('database')), nowMs);
  const server = tls.createServer(
    {
      key: proxy.keys.privateKeyPem,
      cert: proxy.pem,
      ca: [users.certificatePem, hosts.certificatePem],
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
    },
    (socket) => socket.end(socket.getPeerX509Certificate()?.raw ?? 'nobody'),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    for (const [who, servername] of [
      [person, 'localhost'],
      [agent, 'proxy.tessera.internal'],
    ] as const) {
      const socket = tls.connect({
        port,
        host: '127.0.0.1',
        servername,
        key: who.keys.privateKeyPem,
        cert: who.pem,
        ca: hosts.certificatePem,
      });
      let version: string | null = null;
      socket.once('secureConnect', () => (version = socket.getProtocol()));
      const seen: Buffer[] = [];
      for await (const chunk of socket) seen.push(chunk as Buffer);
      assert.equal(version, 'TLSv1.3');
      assert.deepEqual(Buffer.concat(seen), who.der);
    }
    const other = tls.connect({ port, host: '127.0.0.1', servername: 'other.example.com', ca: hosts.certificatePem });
    const [error] = (await once(other, 'error').catch((cause: unknown) => [cause])) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ERR_TLS_CERT_ALTNAME_INVALID');
  } finally {
    server.close();
  }
});

// The subject is what a database signs its client in by: a name read as notation would be the certificate of another user.
for (const name of [
  'x"postgres"',
  '"postgres"',
  'postg\\res',
  '#0c08706f737467726573',
  'a,CN=postgres',
  'a+CN=b',
  ' x ',
  'ü"é"',
]) {
  test(`a database user is certified to the letter: ${JSON.stringify(name)}`, async () => {
    const { der } = await issue(cluster.dbClient, databaseClientProfile(name));
    assert.ok(
      der.includes(Buffer.concat([Buffer.from([0x0c, Buffer.byteLength(name)]), Buffer.from(name)])),
      'UTF8String',
    );
    const legacy = parsed({ der }).toLegacyObject() as { readonly subject: { readonly CN: unknown } };
    assert.equal(legacy.subject.CN, name);
  });
}

function proxyNamed(name: string): CertificateProfile {
  return hostProfile(host('proxy'), { dnsNames: [name], ipAddresses: [] });
}
