// The second line behind attacks.test.ts: whatever the checks of shape would let through, what is read is what was signed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LoginError } from '../../errors.ts';
import {
  answerXml,
  assertionXml,
  formOf,
  keys,
  responseXml,
  said,
  samlConnector,
  samlDeps,
  secrets,
  signRoot,
} from './answer.fixture.ts';
import { SAML_LIMITS } from './limits.ts';
import { samlProvider } from './provider.ts';
import { signedText } from './signature.ts';
import { everyElement, readXml } from './xml.ts';

const certificates = [keys.idp.cert];
const what = said({ requestId: '_request' });
const assertion = signRoot(assertionXml(what));
const signature = /<Signature[\s\S]*?<\/Signature>/.exec(assertion)?.[0] ?? '';
const bare = assertion.replace(signature, '');
const evil = bare.replaceAll('alice', 'admin').replace(/ ID="[^"]+"/, ' ID="_evil"');
const into = (parent: string, child: string): string => parent.replace(/<\/[\w:]+>$/, (end) => `${child}${end}`);
const afterIssuer = (xml: string, child: string): string => xml.replace('</saml:Issuer>', `</saml:Issuer>${child}`);

const wrappings = [
  { name: 'forged before signed', xml: responseXml(what, evil + assertion) },
  { name: 'forged after signed', xml: responseXml(what, assertion + evil) },
  { name: 'signed in forged', xml: responseXml(what, into(evil, assertion)) },
  { name: 'signature in forged, signed beside', xml: responseXml(what, afterIssuer(evil, signature) + bare) },
  { name: 'signed in signature', xml: responseXml(what, afterIssuer(evil, into(signature, bare))) },
  { name: 'forged in Extensions', xml: responseXml(what, `<samlp:Extensions>${evil}</samlp:Extensions>${assertion}`) },
  {
    name: 'signed in Object',
    xml: responseXml(what, afterIssuer(evil, into(signature, `<Object>${bare}</Object>`))),
  },
];
for (const { name, xml } of wrappings)
  test(`no element of a wrapped answer gives text that was not signed: ${name}`, async () => {
    const document = await readXml(xml, SAML_LIMITS);
    for (const element of everyElement(document.root)) {
      const text = textOf(document, element);
      if (text !== undefined) assert.ok(!text.includes('admin'));
    }
  });

test('the signed text is the assertion without its signature, in canonical form', async () => {
  const document = await readXml(assertion, SAML_LIMITS);
  assert.equal(
    signedText(document, document.root, certificates),
    bare
      .replace('"/></saml:SubjectConf', '"></saml:SubjectConfirmationData></saml:SubjectConf')
      .replace(
        /(<saml:SubjectConfirmationData)( InResponseTo="[^"]+")( Recipient="[^"]+")( NotOnOrAfter="[^"]+")/,
        '$1$2$4$3',
      )
      .replace(
        /(<saml:Assertion xmlns:saml="[^"]+") (ID="[^"]+") (Version="[^"]+") (IssueInstant="[^"]+")/,
        '$1 $2 $4 $3',
      ),
  );
});

test('any of several certificates may have signed (rollover); none of others', async () => {
  const document = await readXml(assertion, SAML_LIMITS);
  assert.ok(signedText(document, document.root, [keys.other.cert, keys.idp.cert]));
  assert.equal(signedText(document, document.root, [keys.other.cert]), undefined);
  assert.equal(signedText(document, document.root, []), undefined);
});

test('SHA-512, and line ends changed on the way, are fine', async () => {
  for (const xml of [
    answerXml(said({ requestId: '_r' }), { signatureAlgorithm: 'sha512' }),
    answerXml(said({ requestId: '_r', attributes: '\n  \n' })).replaceAll('\n', '\r\n'),
  ])
    assert.equal(await personFrom(xml), 'alice');
});

test('an answer changed anywhere is refused, or says of the person what was signed', async () => {
  const honest = answerXml(said({ requestId: '_r' }));
  const piece = fc.oneof(
    fc.constantFrom(
      '<!---->',
      '"',
      '<',
      '>',
      '&',
      'admin',
      '</saml:NameID>',
      '<saml:NameID>admin</saml:NameID>',
      ' ID="_x"',
      ' xmlns:saml="urn:x"',
      'saml:',
      '\0',
    ),
    fc.string({ minLength: 1, maxLength: 3 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.nat(honest.length - 1), fc.nat(40), piece, async (at, cut, text) => {
      const username = await personFrom(honest.slice(0, at) + text + honest.slice(at + cut));
      assert.ok(username === undefined || username === 'alice', String(username));
    }),
    { numRuns: 300 },
  );
});

function textOf(
  ...[document, element]: [Parameters<typeof signedText>[0], Parameters<typeof signedText>[1]]
): string | undefined {
  try {
    return signedText(document, element, certificates);
  } catch (error) {
    assert.ok(error instanceof LoginError);
    return undefined;
  }
}

/** undefined: refused. */
async function personFrom(xml: string): Promise<string | undefined> {
  const provider = samlProvider(samlConnector(), secrets, samlDeps());
  const answer = { parameters: formOf(xml, 'r'), kept: { id: '_r' }, requestId: 'r' };
  try {
    return (await provider.finish(answer, () => undefined)).username;
  } catch (error) {
    assert.ok(error instanceof LoginError, String(error));
    return undefined;
  }
}
