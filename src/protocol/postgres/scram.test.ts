import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { test } from 'node:test';
import { chooseScram, ScramClient, type ScramOptions, serverEndPointHash } from './scram.ts';

const nonce = Buffer.from('0123456789abcdef0123');
const options: ScramOptions = { mechanism: 'SCRAM-SHA-256', password: 'pencil', nonce };
const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');

test('scram: both sides prove themselves', async () => {
  const client = new ScramClient(options);
  const { serverFirst, finish } = server(client.first().toString(), 'pencil', 4096);
  const { accepted, serverFinal, binding } = finish((await client.final(Buffer.from(serverFirst))).toString());
  assert.deepEqual([accepted, binding.toString(), client.verified], [true, 'n,,', false]);
  client.verify(Buffer.from(serverFinal));
  assert.equal(client.verified, true);
});

test('scram: PLUS binds to the certificate', async () => {
  const certificateHash = Buffer.alloc(32, 7);
  const client = new ScramClient({ ...options, mechanism: 'SCRAM-SHA-256-PLUS', certificateHash });
  const { serverFirst, finish } = server(client.first().toString(), 'pencil', 10);
  const { accepted, binding } = finish((await client.final(Buffer.from(serverFirst))).toString());
  assert.equal(accepted, true);
  assert.deepEqual(binding, Buffer.concat([Buffer.from('p=tls-server-end-point,,'), certificateHash]));
});

test('scram: a known vector', async () => {
  // RFC 7677 section 3 with the empty user name that PostgreSQL uses; proof computed once with an independent implementation (Python hashlib).
  const client = new ScramClient({ ...options, nonce: Buffer.from('fyko+d2lbbFgONRv9qkxdawL', 'base64') });
  assert.equal(client.first().toString(), 'n,,n=,r=fyko+d2lbbFgONRv9qkxdawL');
  const final = await client.final(
    Buffer.from('r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'),
  );
  assert.equal(
    final.toString(),
    'c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=lQ43aVJCofJLNfN081XB1uDTAvw65G9cSn6J4ldl/8E=',
  );
});

test('scram: without binding but able to, the client says so', () => {
  assert.match(new ScramClient({ ...options, certificateHash: Buffer.alloc(32) }).first().toString(), /^y,,n=,r=/);
});

test('scram: a server that does not know the password is refused', async () => {
  const client = new ScramClient(options);
  const { serverFirst, finish } = server(client.first().toString(), 'other', 10);
  const { accepted, serverFinal } = finish((await client.final(Buffer.from(serverFirst))).toString());
  assert.equal(accepted, false);
  assert.throws(() => client.verify(Buffer.from(serverFinal)), { name: 'LoginError', code: 'SCRAM_SERVER_UNVERIFIED' });
  assert.throws(() => client.verify(Buffer.from('e=invalid-proof')), { name: 'LoginError', code: 'SCRAM_REFUSED' });
  assert.equal(client.verified, false);
});

const ours = nonce.toString('base64');
const lies = [
  { name: 'another nonce', first: `r=AAAA${ours},s=QUJD,i=4096`, code: 'SCRAM_BAD_MESSAGE' },
  { name: 'our nonce alone', first: `r=${ours},s=QUJD,i=4096`, code: 'SCRAM_BAD_MESSAGE' },
  { name: 'no iterations', first: `r=${ours}x,s=QUJD,i=0`, code: 'SCRAM_BAD_MESSAGE' },
  { name: 'salt that is no base64', first: `r=${ours}x,s=QUJ,i=4096`, code: 'SCRAM_BAD_MESSAGE' },
  { name: 'a mandatory extension', first: `m=x,r=${ours}x,s=QUJD,i=4096`, code: 'SCRAM_BAD_MESSAGE' },
  { name: 'too many iterations', first: `r=${ours}x,s=QUJD,i=1000001`, code: 'SCRAM_ITERATIONS' },
];
for (const row of lies)
  test(`scram refuses ${row.name}`, async () =>
    await assert.rejects(new ScramClient(options).final(Buffer.from(row.first)), { code: row.code }));

test('scram: choice of mechanism and certificate hash', () => {
  const both = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'];
  assert.deepEqual(
    [chooseScram(both, true), chooseScram(both, false), chooseScram(['X'], true)],
    ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', undefined],
  );
  const der = Buffer.from('certificate');
  const sha = (name: string): Buffer => createHash(name).update(der).digest();
  assert.deepEqual(serverEndPointHash(der, 'SHA1'), sha('sha256'));
  assert.deepEqual(serverEndPointHash(der, 'sha384'), sha('sha384'));
  assert.equal(serverEndPointHash(der, undefined), undefined);
});

/** The server's side, written from RFC 5802 with nothing of ours. */
function server(clientFirst: string, password: string, iterations: number) {
  const bare = clientFirst.slice(clientFirst.indexOf('n='));
  const serverFirst = `${bare.slice(bare.indexOf('r='))}SERVER,s=${salt.toString('base64')},i=${iterations}`;
  const mac = (key: Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const finish = (clientFinal: string) => {
    const [withoutProof = '', proof = ''] = clientFinal.split(',p=');
    const message = `${bare},${serverFirst},${withoutProof}`;
    const storedKey = createHash('sha256').update(mac(salted, 'Client Key')).digest();
    const signature = mac(storedKey, message);
    const key = Buffer.from(proof, 'base64').map((byte, at) => byte ^ (signature[at] ?? 0));
    const accepted = createHash('sha256').update(key).digest().equals(storedKey);
    const serverFinal = `v=${mac(mac(salted, 'Server Key'), message).toString('base64')}`;
    return {
      accepted,
      serverFinal,
      binding: Buffer.from(withoutProof.slice(2, withoutProof.indexOf(',r=')), 'base64'),
    };
  };
  return { serverFirst, finish };
}
