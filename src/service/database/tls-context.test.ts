import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getCACertificates } from 'node:tls';
import { parseResourceOf } from '../../resource/parse.ts';
import { serverTrustOf } from './tls-context.ts';

const cluster = ['cluster authority'];
const own = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n';
const public_ = [...getCACertificates('default'), ...getCACertificates('system')];
const rows = [
  { name: "nothing said: the cluster's", tls: {}, want: cluster },
  { name: 'its own instead', tls: { ca_cert: own }, want: [own] },
  {
    name: "the system's beside the cluster's",
    tls: { trust_system_cert_pool: true },
    want: [...cluster, ...public_],
  },
  {
    name: "the system's beside its own",
    tls: { ca_cert: own, trust_system_cert_pool: true },
    want: [own, ...public_],
  },
];
for (const { name, tls, want } of rows)
  test(name, () => {
    const database = parseResourceOf('db', {
      kind: 'db',
      version: 'v3',
      metadata: { name: 'orders' },
      spec: { protocol: 'postgres', uri: 'orders:5432', tls },
    });
    assert.deepEqual(serverTrustOf(database, cluster).certificates, want);
  });
