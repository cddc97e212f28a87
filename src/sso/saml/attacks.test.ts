// One test for each known attack on SAML. Every one first sees that the honest answer it is made from is accepted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { LoginError } from '../../errors.ts';
import type { ProviderAnswer } from '../connector.ts';
import {
  ACS,
  answerXml,
  assertionXml,
  encryptAssertion,
  formOf,
  keys,
  NOW,
  responseXml,
  said,
  samlConnector,
  samlDeps,
  secrets,
  signRoot,
  type Said,
} from './answer.fixture.ts';
import { samlProvider } from './provider.ts';

const RELAY_STATE = 'the-request';

/** A sign-in that waits for its answer. */
async function waiting(spec: Parameters<typeof samlConnector>[0] = {}) {
  const deps = samlDeps();
  const provider = samlProvider(samlConnector(spec), secrets, deps);
  const { kept } = await provider.begin({ requestId: RELAY_STATE });
  const id = (kept as { id: string }).id;
  const answer = (xml: string | Buffer): Promise<ProviderAnswer> =>
    provider.finish({ parameters: formOf(xml, RELAY_STATE), kept, requestId: RELAY_STATE }, () => undefined);
  return { deps, provider, kept, id, answer };
}

/** The honest answer is accepted, the other one refused with this code: from one and the same sign-in's state. */
async function refused(
  code: string,
  make: (what: Said) => { readonly honest?: string; readonly attack: string | Buffer },
  change: Partial<Said> = {},
): Promise<void> {
  const control = await waiting();
  const honestSaid = said({ requestId: control.id });
  const { honest } = make(honestSaid);
  const person = await control.answer(honest ?? answerXml(honestSaid));
  assert.equal(person.username, 'alice', 'the honest answer is accepted');

  const attacked = await waiting();
  const base = said({ requestId: attacked.id });
  const made = make({ ...base, ...change });
  assert.notEqual(made.attack, made.honest ?? answerXml(base), 'the attack differs from the honest answer');
  await assert.rejects(attacked.answer(made.attack), (error) => {
    assert.ok(error instanceof LoginError, String(error));
    assert.equal(error.code, code, error.message);
    assert.ok(!error.publicMessage.includes('admin'));
    return true;
  });
  assert.equal(attacked.deps.seen.size, 0, 'a refused answer uses nothing up');
}

// ---- signature wrapping, as numbered by Somorovsky et al. ("On Breaking SAML", 2012) and SAML Raider ----

const signatureOf = (xml: string): string =>
  /<Signature[\s\S]*?<\/Signature>/.exec(xml)?.[0] ?? assert.fail('no signature');
const bare = (xml: string): string => xml.replace(signatureOf(xml), '');
const evilOf = (xml: string, id = '_evil'): string =>
  bare(xml)
    .replaceAll('alice', 'admin')
    .replace(/ ID="[^"]+"/, ` ID="${id}"`);

/** The pieces of an answer with a signed assertion. */
function pieces(what: Said) {
  const assertion = signRoot(assertionXml(what));
  const honest = responseXml(what, assertion);
  return { assertion, honest, evil: evilOf(assertion), signature: signatureOf(assertion) };
}

/** Of an answer where both are signed. */
function bothSigned(what: Said) {
  const assertion = signRoot(assertionXml(what));
  const honest = signRoot(responseXml(what, assertion));
  const signature = signatureOf(honest);
  const original = honest.replace(signature, '');
  const evil = original
    .replaceAll('alice', 'admin')
    .replace(/ ID="[^"]+"/, ' ID="_evilresponse"')
    .replace(/(<saml:Assertion[^>]* )ID="[^"]+"/, '$1ID="_evil"');
  return { honest, signature, original, evil };
}

const into = (parent: string, child: string): string => parent.replace(/<\/[\w:]+>$/, (end) => `${child}${end}`);
const afterIssuer = (xml: string, child: string): string => xml.replace('</saml:Issuer>', `</saml:Issuer>${child}`);
const instead = (what: Said, ...children: readonly string[]): string => responseXml(what, children.join(''));

test('XSW1: the signed response inside of the signature of a forged one', () =>
  refused('SAML_WRAPPING', (what) => {
    const { honest, signature, original, evil } = bothSigned(what);
    return { honest, attack: afterIssuer(evil, into(signature, original)) };
  }));

test('XSW2: the signed response before its signature in a forged one', () =>
  refused('SAML_WRAPPING', (what) => {
    const { honest, signature, original, evil } = bothSigned(what);
    return { honest, attack: afterIssuer(evil, original + signature) };
  }));

test('XSW3: a forged assertion before the signed one', () =>
  refused('SAML_ASSERTION_COUNT', (what) => {
    const { honest, evil, assertion } = pieces(what);
    return { honest, attack: instead(what, evil, assertion) };
  }));

test('XSW3, turned: a forged assertion after the signed one', () =>
  refused('SAML_ASSERTION_COUNT', (what) => {
    const { honest, evil, assertion } = pieces(what);
    return { honest, attack: instead(what, assertion, evil) };
  }));

test('XSW4: the signed assertion inside of a forged one', () =>
  refused('SAML_WRAPPING', (what) => {
    const { honest, evil, assertion } = pieces(what);
    return { honest, attack: instead(what, into(evil, assertion)) };
  }));

test('XSW5: the signature in a forged assertion, the signed one without it at the end', () =>
  refused('SAML_ASSERTION_COUNT', (what) => {
    const { honest, evil, assertion, signature } = pieces(what);
    return { honest, attack: instead(what, afterIssuer(evil, signature), bare(assertion)) };
  }));

test('XSW6: the signed assertion inside of the signature of a forged one', () =>
  refused('SAML_WRAPPING', (what) => {
    const { honest, evil, assertion, signature } = pieces(what);
    return { honest, attack: instead(what, afterIssuer(evil, into(signature, bare(assertion)))) };
  }));

test('XSW7: a forged assertion in Extensions', () =>
  refused('SAML_WRAPPING', (what) => {
    const { honest, evil, assertion } = pieces(what);
    return { honest, attack: instead(what, `<samlp:Extensions>${evil}</samlp:Extensions>`, assertion) };
  }));

test('XSW7, turned: the signed assertion in Extensions, a forged one in its place', () =>
  refused('SAML_WRAPPING', (what) => {
    const { honest, evil, assertion } = pieces(what);
    return { honest, attack: instead(what, `<samlp:Extensions>${assertion}</samlp:Extensions>`, evil) };
  }));

test('XSW8: the signed assertion in an Object of the signature of a forged one', () =>
  refused('SAML_WRAPPING', (what) => {
    const { honest, evil, assertion, signature } = pieces(what);
    return { honest, attack: instead(what, afterIssuer(evil, into(signature, `<Object>${bare(assertion)}</Object>`))) };
  }));

test('wrapping: the same id twice', () =>
  refused('SAML_XML_ID', (what) => {
    const { honest, assertion } = pieces(what);
    return { honest, attack: instead(what, evilOf(assertion, what.assertionId), assertion) };
  }));

test('wrapping: the same id twice, once as another kind of id', () =>
  refused('SAML_XML_ID', (what) => {
    const { honest, assertion } = pieces(what);
    const twin = `<samlp:Extensions><x xml:id="${what.assertionId}"/></samlp:Extensions>`;
    return { honest, attack: instead(what, twin, assertion) };
  }));

test('wrapping: a forged assertion in another name space beside the signed one', () =>
  refused('SAML_WRAPPING', (what) => {
    const { honest, evil, assertion } = pieces(what);
    const foreign = evil.replace('urn:oasis:names:tc:SAML:2.0:assertion', 'urn:evil');
    return { honest, attack: instead(what, foreign, assertion) };
  }));

test('wrapping: the signature refers to another element than the one it stands in', () =>
  refused('SAML_SIGNATURE_SHAPE', (what) => {
    const { honest, evil, signature } = pieces(what);
    return { honest, attack: instead(what, afterIssuer(evil, signature)) };
  }));

test('wrapping: a copy of the signature elsewhere', () =>
  refused('SAML_WRAPPING', (what) => {
    const { honest, assertion, signature } = pieces(what);
    return { honest, attack: instead(what, `<samlp:Extensions>${signature}</samlp:Extensions>`, assertion) };
  }));

test('wrapping: a signature with a second Reference', () =>
  refused('SAML_SIGNATURE_SHAPE', (what) => {
    const { honest } = pieces(what);
    return { honest, attack: honest.replace(/<Reference [\s\S]*?<\/Reference>/, (one) => one + one) };
  }));

test('wrapping: a signature with a second SignedInfo (CVE-2025-29774)', () =>
  refused('SAML_SIGNATURE_SHAPE', (what) => {
    const { honest } = pieces(what);
    return { honest, attack: honest.replace(/<SignedInfo>[\s\S]*?<\/SignedInfo>/, (one) => one + one) };
  }));

test('wrapping: an element inside of DigestValue', () =>
  refused('SAML_SIGNATURE_SHAPE', (what) => {
    const { honest } = pieces(what);
    return { honest, attack: honest.replace('<DigestValue>', '<DigestValue><x>AAAA</x>') };
  }));

test('wrapping: a comment inside of DigestValue (CVE-2025-29775)', () =>
  refused('SAML_XML_COMMENT', (what) => {
    const { honest } = pieces(what);
    return { honest, attack: honest.replace('<DigestValue>', '<DigestValue><!--AAAA-->') };
  }));

test('two assertions, both signed by the provider', () =>
  refused('SAML_ASSERTION_COUNT', (what) => {
    const { honest, assertion } = pieces(what);
    const second = signRoot(assertionXml({ ...what, assertionId: '_second', nameId: 'admin' }));
    return { honest, attack: instead(what, assertion, second) };
  }));

// ---- signatures ----

test('unsigned: no signature at all', () =>
  refused('SAML_SIGNATURE_MISSING', (what) => ({ attack: responseXml(what, assertionXml(what)) })));

test('only the response is signed', () =>
  refused('SAML_SIGNATURE_MISSING', (what) => ({ attack: signRoot(responseXml(what, assertionXml(what))) })));

test('the person was changed after signing', () =>
  refused('SAML_SIGNATURE_INVALID', (what) => ({ attack: answerXml(what).replace('>alice<', '>admin<') })));

test('a role was added after signing', () =>
  refused('SAML_SIGNATURE_INVALID', (what) => ({
    attack: answerXml(what).replace('>dev<', '>dev</saml:AttributeValue><saml:AttributeValue>admin<'),
  })));

test('the response is signed too, and was changed after signing', () =>
  refused('SAML_SIGNATURE_INVALID', (what) => {
    const { honest } = bothSigned(what);
    return {
      honest,
      attack: honest.replace('</samlp:Status>', '<samlp:StatusMessage>x</samlp:StatusMessage></samlp:Status>'),
    };
  }));

test('signed with SHA-1', () =>
  refused('SAML_SIGNATURE_ALGORITHM', (what) => ({ attack: answerXml(what, { signatureAlgorithm: 'sha1' }) })));

test('signed with SHA-1 over a digest by SHA-256', () =>
  refused('SAML_SIGNATURE_ALGORITHM', (what) => ({
    attack: answerXml(what, { signatureAlgorithm: 'sha1', digestAlgorithm: 'sha256' }),
  })));

test('signed with SHA-256 over a digest by SHA-1', () =>
  refused('SAML_SIGNATURE_ALGORITHM', (what) => ({ attack: answerXml(what, { digestAlgorithm: 'sha1' }) })));

test('signed by HMAC with the public certificate as the secret', () =>
  refused('SAML_SIGNATURE_ALGORITHM', (what) => ({
    attack: answerXml(what).replace(
      'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
      'http://www.w3.org/2000/09/xmldsig#hmac-sha1',
    ),
  })));

test('signed by somebody else, whose certificate is in KeyInfo', () =>
  refused('SAML_SIGNATURE_INVALID', (what) => {
    const attack = answerXml(what, { keys: keys.other });
    assert.ok(attack.includes(keys.other.cert.split('\n')[1] ?? ''), 'the certificate is in the answer');
    return { attack };
  }));

test('signed with a transform that SAML does not have', () =>
  refused('SAML_SIGNATURE_SHAPE', (what) => ({
    attack: answerXml(what, {
      transforms: [
        'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
        'http://www.w3.org/2001/10/xml-exc-c14n#WithComments',
      ],
    }),
  })));

test('a Reference to the whole document', () =>
  refused('SAML_SIGNATURE_SHAPE', (what) => ({ attack: answerXml(what).replace(/URI="#[^"]+"/, 'URI=""') })));

// ---- text ----

test('comment injection in the NameID', () =>
  refused('SAML_XML_COMMENT', (what) => ({ attack: answerXml(what).replace('>alice<', '>al<!---->ice<') })));

test('comment injection in an attribute', () =>
  refused('SAML_XML_COMMENT', (what) => ({ attack: answerXml(what).replace('>dba<', '>db<!-- x -->a<') })));

test('CDATA injection in the NameID', () =>
  refused('SAML_XML_DECLARATION', (what) => ({ attack: answerXml(what).replace('>alice<', '>al<![CDATA[ice]]><') })));

test('a processing instruction in the NameID', () =>
  refused('SAML_XML_INSTRUCTION', (what) => ({ attack: answerXml(what).replace('>alice<', '>al<?x?>ice<') })));

test('DOCTYPE', () =>
  refused('SAML_XML_DOCTYPE', (what) => ({ attack: `<!DOCTYPE samlp:Response>${answerXml(what)}` })));

test('DOCTYPE with an entity of a file', () =>
  refused('SAML_XML_DOCTYPE', (what) => ({
    attack: `<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]>${answerXml(what).replace('>alice<', '>&e;<')}`,
  })));

test('entities that grow (billion laughs)', () =>
  refused('SAML_XML_DOCTYPE', (what) => ({
    attack: `<!doctype r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>${answerXml(what).replace('>alice<', '>&b;<')}`,
  })));

test('an entity that nothing declares', () =>
  refused('SAML_XML_ENTITY', (what) => ({ attack: answerXml(what).replace('>alice<', '>&admin;<') })));

test('UTF-16, in which a scan for bytes would find nothing', () =>
  refused('SAML_XML_ENCODING', (what) => ({ attack: Buffer.from(`\ufeff${answerXml(what)}`, 'utf16le') })));

test('UTF-7, announced by the XML declaration', () =>
  refused('SAML_XML_INSTRUCTION', (what) => ({ attack: `<?xml version="1.0" encoding="UTF-7"?>${answerXml(what)}` })));

// ---- size ----

test('a huge document', () =>
  refused('SAML_TOO_LARGE', (what) => ({
    attack: instead(what, `<samlp:Extensions>${'x'.repeat(300_000)}</samlp:Extensions>`, signRoot(assertionXml(what))),
  })));

test('a huge form', () => refused('SAML_TOO_LARGE', () => ({ attack: Buffer.alloc(2_000_000, 0x61) })));

test('deep nesting', () =>
  refused('SAML_XML_TOO_DEEP', (what) => ({
    attack: instead(
      what,
      `<samlp:Extensions>${'<x>'.repeat(10_000)}${'</x>'.repeat(10_000)}</samlp:Extensions>`,
      signRoot(assertionXml(what)),
    ),
  })));

test('very many elements', () =>
  refused('SAML_XML_TOO_LARGE', (what) => ({
    attack: instead(
      what,
      `<samlp:Extensions>${'<x/>'.repeat(25_000)}</samlp:Extensions>`,
      signRoot(assertionXml(what)),
    ),
  })));

test('very many attributes', () =>
  refused('SAML_XML_TOO_LARGE', (what) => ({
    attack: instead(
      what,
      `<samlp:Extensions${Array.from({ length: 20_000 }, (_, index) => ` a${index}=""`).join('')}/>`,
      signRoot(assertionXml(what)),
    ),
  })));

test('a deflate bomb: nothing is inflated', () =>
  refused('SAML_XML_ENCODING', () => ({ attack: deflateRawSync(Buffer.alloc(100 * 1024 * 1024, 0x20)) })));

// ---- for whom, from whom, when ----

test('wrong audience', () =>
  refused('SAML_AUDIENCE', (what) => ({ attack: answerXml(what) }), { audience: 'https://other.example.com' }));
test('no audience: a token for everybody', () =>
  refused('SAML_AUDIENCE', (what) => ({ attack: answerXml(what) }), { audience: undefined }));
test('a second restriction to another audience', () =>
  refused('SAML_AUDIENCE', (what) => ({ attack: answerXml(what) }), {
    extraCondition: '<saml:AudienceRestriction><saml:Audience>urn:other</saml:Audience></saml:AudienceRestriction>',
  }));
test('a condition that nobody knows', () =>
  refused('SAML_CONDITION', (what) => ({ attack: answerXml(what) }), {
    extraCondition: '<x:OnlyOnSundays xmlns:x="urn:x"/>',
  }));
test('wrong recipient', () =>
  refused('SAML_RECIPIENT', (what) => ({ attack: answerXml(what) }), { recipient: `${ACS}2` }));
test('no recipient', () =>
  refused('SAML_RECIPIENT', (what) => ({ attack: answerXml(what) }), { recipient: undefined }));
test('wrong destination', () =>
  refused('SAML_DESTINATION', (what) => ({ attack: answerXml(what) }), {
    destination: 'https://other.example.com/acs',
  }));
test('no destination in a signed response', () =>
  refused('SAML_DESTINATION', (what) => ({ attack: signRoot(answerXml(what)) }), { destination: undefined }));
test('wrong issuer of the assertion', () =>
  refused('SAML_ISSUER', (what) => ({ attack: answerXml(what) }), { issuer: 'https://other.example.com' }));
test('wrong issuer of the response', () =>
  refused('SAML_ISSUER', (what) => ({ attack: answerXml(what) }), { responseIssuer: 'https://other.example.com' }));
test('the provider refused', () =>
  refused('SAML_STATUS', (what) => ({ attack: answerXml(what) }), {
    status: 'urn:oasis:names:tc:SAML:2.0:status:Responder',
  }));

const minute = 60_000;
test('expired: the conditions', () =>
  refused('SAML_EXPIRED', (what) => ({ attack: answerXml(what) }), { notOnOrAfterMs: NOW - minute }));
test('expired: the confirmation of the subject', () =>
  refused('SAML_EXPIRED', (what) => ({ attack: answerXml(what) }), { confirmedUntilMs: NOW - minute }));
test('expired: the session at the provider', () =>
  refused('SAML_EXPIRED', (what) => ({ attack: answerXml(what) }), { sessionUntilMs: NOW - minute }));
test('issued long ago, and good for a year by its own words', () =>
  refused('SAML_EXPIRED', (what) => ({ attack: answerXml(what) }), {
    issuedMs: NOW - 11 * minute,
    notOnOrAfterMs: NOW + 365 * 24 * 60 * minute,
    confirmedUntilMs: NOW + 365 * 24 * 60 * minute,
  }));
test('a confirmation without an end', () =>
  refused('SAML_CONFIRMATION', (what) => ({ attack: answerXml(what) }), { confirmedUntilMs: undefined }));
test('not yet valid: the conditions', () =>
  refused('SAML_NOT_YET_VALID', (what) => ({ attack: answerXml(what) }), { notBeforeMs: NOW + minute + 1 }));
test('not yet valid: issued in the future', () =>
  refused('SAML_NOT_YET_VALID', (what) => ({ attack: answerXml(what) }), { issuedMs: NOW + minute + 1 }));
test('nobody signed in at the provider', () =>
  refused('SAML_ASSERTION_SHAPE', (what) => ({ attack: answerXml(what) }), { authnStatement: false }));
test('confirmed by a key, not by bearing it', () =>
  refused('SAML_CONFIRMATION', (what) => ({
    attack: responseXml(what, signRoot(assertionXml(what).replace('cm:bearer', 'cm:holder-of-key'))),
  })));

// ---- which sign-in ----

test('an answer to another request', () =>
  refused('SAML_IN_RESPONSE_TO', (what) => ({ attack: answerXml(what) }), {
    inResponseTo: '_another',
    subjectInResponseTo: '_another',
  }));
test('an answer to another request, with the response changed to claim this one', () =>
  refused('SAML_IN_RESPONSE_TO', (what) => ({ attack: answerXml(what) }), { subjectInResponseTo: '_another' }));
test('an unsolicited answer, brought to a waiting sign-in', () =>
  refused('SAML_IN_RESPONSE_TO', (what) => ({ attack: answerXml(what) }), {
    inResponseTo: undefined,
    subjectInResponseTo: undefined,
  }));

test('unsolicited: refused unless the connector allows it', async () => {
  const unsolicited = (provider: ReturnType<typeof samlProvider>, xml: string) =>
    provider.finish({ parameters: formOf(xml), kept: undefined, requestId: undefined }, () => undefined);
  const open = samlProvider(samlConnector({ allow_idp_initiated: true }), secrets, samlDeps());
  const closed = samlProvider(samlConnector(), secrets, samlDeps());
  assert.equal((await unsolicited(open, answerXml(said()))).username, 'alice');
  await assert.rejects(unsolicited(closed, answerXml(said())), { code: 'SAML_UNSOLICITED' });
});

test('where unsolicited answers are allowed: one that answers a request is none', async () => {
  const provider = samlProvider(samlConnector({ allow_idp_initiated: true }), secrets, samlDeps());
  for (const change of [{ inResponseTo: '_other' }, { subjectInResponseTo: '_other' }])
    await assert.rejects(
      provider.finish(
        { parameters: formOf(answerXml(said(change))), kept: undefined, requestId: undefined },
        () => undefined,
      ),
      { code: 'SAML_IN_RESPONSE_TO' },
    );
});

test('the RelayState of another sign-in', async () => {
  const { provider, kept, id } = await waiting();
  const finish = (relayState: string | undefined) =>
    provider.finish(
      { parameters: formOf(answerXml(said({ requestId: id })), relayState), kept, requestId: RELAY_STATE },
      () => undefined,
    );
  await assert.rejects(finish('another'), { code: 'SAML_RELAY_STATE' });
  await assert.rejects(finish(undefined), { code: 'SAML_RELAY_STATE' });
  assert.equal((await finish(RELAY_STATE)).username, 'alice');
});

test('replay: the same assertion twice, also in another response and at another sign-in', async () => {
  const { deps, answer, id } = await waiting();
  const what = said({ requestId: id });
  const assertion = signRoot(assertionXml(what));
  await answer(responseXml(what, assertion));
  await assert.rejects(answer(responseXml(what, assertion)), { code: 'SAML_REPLAY' });
  await assert.rejects(answer(responseXml({ ...what, responseId: '_new' }, assertion)), { code: 'SAML_REPLAY' });
  const [untilMs] = deps.seen.values();
  // Remembered as long as it would be accepted: to the end of its conditions and the skew.
  assert.equal(untilMs, what.notOnOrAfterMs + 60_000);
  deps.nowMs = (untilMs ?? 0) - 1;
  await assert.rejects(answer(responseXml(what, assertion)), { code: 'SAML_REPLAY' });
  deps.nowMs = untilMs ?? 0;
  await assert.rejects(answer(responseXml(what, assertion)), { code: 'SAML_EXPIRED' });
});

// ---- encryption ----

const encrypted = (what: Said, options: Parameters<typeof encryptAssertion>[1] = {}): string =>
  responseXml(what, encryptAssertion(signRoot(assertionXml(what)), options));

test('encrypted for another key', () =>
  refused('SAML_ENCRYPTION_FAILED', (what) => ({
    honest: encrypted(what),
    attack: encrypted(what, { cert: keys.other.cert }),
  })));
test('encrypted, and nothing in it is signed', () =>
  refused('SAML_SIGNATURE_MISSING', (what) => ({
    honest: encrypted(what),
    attack: responseXml(what, encryptAssertion(assertionXml(what))),
  })));
test('encrypted and unsigned, in a response that is signed', () =>
  refused('SAML_SIGNATURE_MISSING', (what) => ({
    honest: encrypted(what),
    attack: signRoot(responseXml(what, encryptAssertion(assertionXml(what)))),
  })));
test('encrypted: two keys', () =>
  refused('SAML_ENCRYPTION_SHAPE', (what) => {
    const honest = encrypted(what);
    const key = /<xenc:EncryptedKey>[\s\S]*<\/xenc:EncryptedKey>/.exec(honest)?.[0] ?? '';
    return { honest, attack: honest.replace(key, key + key) };
  }));
test('encrypted: the data names another key', () =>
  refused('SAML_ENCRYPTION_SHAPE', (what) => ({
    honest: encrypted(what, { beside: { id: '_k', uri: '#_k' } }),
    attack: encrypted(what, { beside: { id: '_k', uri: '#_other' } }),
  })));
test('encrypted: wrapping inside', () =>
  refused('SAML_WRAPPING', (what) => {
    const { evil, assertion } = pieces(what);
    return { honest: encrypted(what), attack: responseXml(what, encryptAssertion(into(evil, assertion))) };
  }));
test('encrypted: a DOCTYPE inside', () =>
  refused('SAML_XML_DOCTYPE', (what) => ({
    honest: encrypted(what),
    attack: responseXml(what, encryptAssertion(`<!DOCTYPE x>${signRoot(assertionXml(what))}`)),
  })));
test('encrypted by RSA 1.5', () =>
  refused('SAML_ENCRYPTION_ALGORITHM', (what) => ({
    honest: encrypted(what),
    attack: encrypted(what, { key: 'rsa-1_5' }),
  })));
test('encrypted by AES-CBC', () =>
  refused('SAML_ENCRYPTION_ALGORITHM', (what) => ({
    honest: encrypted(what),
    attack: encrypted(what, { content: 'aes256-cbc' }),
  })));
test('encrypted: a bit of the text changed', () =>
  refused('SAML_ENCRYPTION_FAILED', (what) => {
    const honest = encrypted(what);
    const value = honest.lastIndexOf('<xenc:CipherValue>') + 100;
    const other = honest[value] === 'A' ? 'B' : 'A';
    return { honest, attack: honest.slice(0, value) + other + honest.slice(value + 1) };
  }));
test('encrypted and in clear at once', () =>
  refused('SAML_ASSERTION_COUNT', (what) => {
    const { assertion, evil } = pieces(what);
    return { honest: encrypted(what), attack: instead(what, encryptAssertion(assertion), evil) };
  }));
test('encrypted, and the connector has no key for it', async () => {
  const { id, kept, deps } = await waiting();
  const provider = samlProvider(samlConnector(), { signingKey: secrets.signingKey }, deps);
  const answer = { parameters: formOf(encrypted(said({ requestId: id })), RELAY_STATE), kept, requestId: RELAY_STATE };
  await assert.rejects(
    provider.finish(answer, () => undefined),
    { code: 'SAML_ENCRYPTION_UNEXPECTED' },
  );
  assert.equal((await samlProvider(samlConnector(), secrets, deps).finish(answer, () => undefined)).username, 'alice');
});
