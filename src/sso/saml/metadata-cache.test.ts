import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IDP, idpMetadata, keys, NOW } from './answer.fixture.ts';
import { SAML_LIMITS, type SamlLimits } from './limits.ts';
import { MetadataCache } from './metadata-cache.ts';

const URL_OF_IDP = 'https://idp.example.com/metadata';
const minute = 60_000;
const hour = 60 * minute;

type Answer = () => Response | Promise<Response>;

function cacheOf(limits: Partial<SamlLimits> = {}) {
  const asked: { url: string; options: RequestInit | undefined }[] = [];
  const world = { nowMs: NOW, answer: (() => new Response(idpMetadata())) as Answer };
  const fetch = async (url: unknown, options?: RequestInit): Promise<Response> => {
    asked.push({ url: String(url), options });
    return await world.answer();
  };
  const cache = new MetadataCache({ now: () => world.nowMs, fetch }, { ...SAML_LIMITS, ...limits });
  return Object.assign(world, { asked, cache });
}

test('fetched once, by GET, without following redirects; kept for an hour', async () => {
  const state = cacheOf();
  const both = await Promise.all([state.cache.get(URL_OF_IDP), state.cache.get(URL_OF_IDP)]);
  assert.equal(both[0].metadata.entityId, IDP);
  state.nowMs += hour - 1;
  await state.cache.get(URL_OF_IDP);
  assert.equal(state.asked.length, 1);
  assert.equal(state.asked[0]?.options?.redirect, 'manual');
  state.nowMs += 1;
  await state.cache.get(URL_OF_IDP);
  assert.equal(state.asked.length, 2);
});

test('cacheDuration makes it shorter, not shorter than metadataRetryMs and never longer', async () => {
  for (const [text, keptMs] of [
    ['PT10M', 10 * minute],
    ['PT1S', minute],
    ['P30D', hour],
  ] as const) {
    const state = cacheOf();
    state.answer = () => new Response(idpMetadata({ attributes: `cacheDuration="${text}"` }));
    await state.cache.get(URL_OF_IDP);
    state.nowMs += keptMs - 1;
    await state.cache.get(URL_OF_IDP);
    assert.equal(state.asked.length, 1, text);
    state.nowMs += 1;
    await state.cache.get(URL_OF_IDP);
    assert.equal(state.asked.length, 2, text);
  }
});

test('the last good one while the address does not answer, for a week', async () => {
  const state = cacheOf();
  await state.cache.get(URL_OF_IDP);
  state.answer = () => Promise.reject(new Error('connection refused'));
  state.nowMs += 2 * hour;
  assert.equal((await state.cache.get(URL_OF_IDP)).metadata.entityId, IDP);
  await state.cache.get(URL_OF_IDP);
  assert.equal(state.asked.length, 2, 'not asked again within a minute');
  state.nowMs = NOW + 7 * 24 * hour;
  await assert.rejects(state.cache.get(URL_OF_IDP), { code: 'PROVIDER_UNREACHABLE', retryable: true });
});

test('never beyond its validUntil', async () => {
  const state = cacheOf();
  state.answer = () =>
    new Response(idpMetadata({ attributes: `validUntil="${new Date(NOW + 10 * minute).toISOString()}"` }));
  await state.cache.get(URL_OF_IDP);
  state.answer = () => Promise.reject(new Error('connection refused'));
  state.nowMs += 10 * minute;
  await assert.rejects(state.cache.get(URL_OF_IDP), { code: 'PROVIDER_UNREACHABLE' });
});

test('metadata that is wrong does not replace what is good, and says why when there is none', async () => {
  const state = cacheOf();
  state.answer = () => new Response('<html/>');
  await assert.rejects(state.cache.get(URL_OF_IDP), { code: 'SAML_METADATA_INVALID' });
  await assert.rejects(state.cache.get(URL_OF_IDP), { code: 'SAML_METADATA_INVALID' });
  assert.equal(state.asked.length, 1, 'not asked again within a minute');
  state.nowMs += minute;
  state.answer = () => new Response(idpMetadata());
  await state.cache.get(URL_OF_IDP);
  state.nowMs += hour;
  state.answer = () => new Response('<html/>');
  assert.equal((await state.cache.get(URL_OF_IDP)).metadata.entityId, IDP);
});

test('newer is fetched when it is demanded, at most once a minute', async () => {
  const state = cacheOf();
  const first = await state.cache.get(URL_OF_IDP);
  state.answer = () => new Response(idpMetadata({ certificates: [keys.other.cert] }));
  state.nowMs += minute - 1;
  assert.equal((await state.cache.get(URL_OF_IDP, first.fetchedMs)).fetchedMs, first.fetchedMs);
  state.nowMs += 1;
  const second = await state.cache.get(URL_OF_IDP, first.fetchedMs);
  assert.notDeepEqual(second.metadata.certificates, first.metadata.certificates);
  assert.equal(state.asked.length, 2);
});

const failures: { name: string; url?: string; answer?: Answer; limits?: Partial<SamlLimits>; code: string }[] = [
  { name: 'http', url: 'http://idp.example.com/', code: 'PROVIDER_URL_NOT_SECURE' },
  { name: 'a status', answer: () => new Response('no', { status: 404 }), code: 'SAML_METADATA_HTTP' },
  {
    name: 'a redirect',
    answer: () => new Response(null, { status: 302, headers: { location: 'http://10.0.0.1/' } }),
    code: 'SAML_METADATA_HTTP',
  },
  {
    name: 'a body without an end',
    answer: () =>
      new Response(
        new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024).fill(0x20)) }),
      ),
    code: 'PROVIDER_ANSWER_TOO_LARGE',
  },
  {
    name: 'bytes that are no UTF-8',
    answer: () => new Response(new Uint8Array([0xff])),
    code: 'SAML_METADATA_INVALID',
  },
];
for (const { name, url = URL_OF_IDP, answer, code } of failures)
  test(`refused: ${name}`, async () => {
    const state = cacheOf();
    if (answer !== undefined) state.answer = answer;
    await assert.rejects(state.cache.get(url), { code });
  });

test('an address that never answers is given up', async () => {
  const state = cacheOf({ metadataTimeoutMs: 5 });
  state.answer = () =>
    new Promise((_, reject) => {
      const signal = state.asked[0]?.options?.signal;
      signal?.addEventListener('abort', () => reject(signal.reason as Error));
    });
  await assert.rejects(state.cache.get(URL_OF_IDP), { code: 'PROVIDER_UNREACHABLE' });
});

test('few addresses are remembered', async () => {
  const state = cacheOf({ maxMetadataEntries: 2 });
  for (const path of ['a', 'b', 'c', 'a']) await state.cache.get(`https://idp.example.com/${path}`);
  assert.equal(state.asked.length, 4);
});
