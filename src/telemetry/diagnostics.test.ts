import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../errors.ts';
import { DiagnosticsServer, type Readiness } from './diagnostics.ts';
import { createInstruments } from './instruments.ts';
import { silentLog } from './log.ts';
import { Metrics } from './metrics.ts';

const ready: Readiness = { ready: true };
const away: Readiness = { ready: false, reason: 'auth is away' };
const rows: { name: string; path: string; method?: string; services?: [string, Readiness][]; status: number; body: RegExp }[] = [
  { name: 'healthz answers while the process runs', path: '/healthz', status: 200, body: /"ok"/ },
  { name: 'readyz is 200 when all services are ready', path: '/readyz', services: [['auth', ready], ['proxy', ready]], status: 200, body: /"status":"ok"/ },
  { name: 'readyz is 503 with the reason when one is not', path: '/readyz', services: [['auth', ready], ['database', away]], status: 503, body: /"database":\{"ready":false,"reason":"auth is away"\}/ },
  { name: 'readyz is 503 before any service is there', path: '/readyz', services: [], status: 503, body: /unready/ },
  { name: 'metrics are exposed', path: '/metrics?x=1', status: 200, body: /tessera_build_info\{version="1.2.3",service="auth",node="[\d.]+"\} 1/ },
  { name: 'other paths are not there', path: '/metrics/../etc/passwd', status: 404, body: /not found/ },
  { name: 'only reading', path: '/healthz', method: 'POST', status: 405, body: /use GET/ },
]; // prettier-ignore

for (const row of rows) {
  test(`diagnostics: ${row.name}`, async () => {
    const metrics = new Metrics();
    createInstruments(metrics, { version: '1.2.3', service: 'auth' });
    const readiness = () => new Map(row.services ?? []);
    const server = await DiagnosticsServer.listen({ address: '127.0.0.1:0' }, { log: silentLog, metrics, readiness });
    try {
      const response = await fetch(`http://${server.address}${row.path}`, { method: row.method ?? 'GET' });
      assert.equal(response.status, row.status);
      assert.match(await response.text(), row.body);
    } finally {
      await server.close();
    }
  });
}

for (const address of ['nonsense', 'host', '127.0.0.1:99999', '::1:80', '']) {
  test(`diagnostics: refuses the address ${JSON.stringify(address)}`, async () => {
    const deps = { log: silentLog, metrics: new Metrics(), readiness: () => new Map() };
    await assert.rejects(DiagnosticsServer.listen({ address }, deps), ConfigError);
  });
}

test('diagnostics: an address in use is a ConfigError', async () => {
  const deps = { log: silentLog, metrics: new Metrics(), readiness: () => new Map() };
  const first = await DiagnosticsServer.listen({ address: ':0' }, deps);
  try {
    await assert.rejects(DiagnosticsServer.listen({ address: first.address }, deps), ConfigError);
  } finally {
    await first.close();
  }
});
