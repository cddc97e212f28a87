import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LoginError } from '../../errors.ts';
import { samlInstant } from './instant.ts';
import { childrenOf, decodeUtf8, readXml } from './xml.ts';

const limits = { maxDepth: 4, maxNodes: 20 };

const taken = [
  { name: 'an XML declaration', xml: '<?xml version="1.0" encoding="UTF-8"?>\n<a/>' },
  { name: 'single quotes', xml: "<?xml version='1.0' standalone='yes'?><a b='\"'/>" },
  { name: 'a byte order mark', xml: '\ufeff<a/>' },
  { name: 'spaces in tags', xml: '<a  b = "c"\n d="e" ></a >' },
  { name: 'the five entities and numbers', xml: '<a b="&lt;&#x41;">&amp;&gt;&quot;&apos;&#65;</a>' },
  { name: 'a > in a value', xml: '<a b="x>y"/>' },
  { name: 'space around the root', xml: '\n <a/>\n ' },
];
for (const { name, xml } of taken)
  test(`read: ${name}`, async () => assert.equal((await readXml(xml, limits)).root.name, 'a'));

const refused = [
  { name: 'nothing', xml: '', code: 'SAML_XML_MALFORMED' },
  { name: 'text alone', xml: 'hello', code: 'SAML_XML_MALFORMED' },
  { name: 'two roots', xml: '<a/><b/>', code: 'SAML_XML_MALFORMED' },
  { name: 'text after the root', xml: '<a/>x', code: 'SAML_XML_MALFORMED' },
  { name: 'not closed', xml: '<a><b></b>', code: 'SAML_XML_MALFORMED' },
  { name: 'closed crosswise', xml: '<a><b></a></b>', code: 'SAML_XML_MALFORMED' },
  { name: 'closed twice', xml: '<a></a></a>', code: 'SAML_XML_MALFORMED' },
  { name: 'a value without quotes', xml: '<a b=c/>', code: 'SAML_XML_MALFORMED' },
  { name: 'an attribute without a value', xml: '<a b/>', code: 'SAML_XML_MALFORMED' },
  { name: 'attributes without space between', xml: '<a b="1"c="2"/>', code: 'SAML_XML_MALFORMED' },
  { name: 'an attribute twice', xml: '<a b="1" b="2"/>', code: 'SAML_XML_MALFORMED' },
  { name: 'a < in a value', xml: '<a b="<"/>', code: 'SAML_XML_MALFORMED' },
  { name: 'a name of other letters', xml: '<ä/>', code: 'SAML_XML_MALFORMED' },
  { name: 'two colons', xml: '<a:b:c xmlns:a="urn:a"/>', code: 'SAML_XML_MALFORMED' },
  { name: 'a zero byte', xml: '<a>\0</a>', code: 'SAML_XML_MALFORMED' },
  { name: 'half a character', xml: '<a>\ud800</a>', code: 'SAML_XML_MALFORMED' },
  { name: 'the prefix xml declared', xml: '<a xmlns:xml="urn:x"/>', code: 'SAML_XML_MALFORMED' },
  { name: 'a prefix that nobody declared', xml: '<x:a/>', code: 'SAML_XML_NAMESPACE' },
  { name: 'number of no character', xml: '<a>&#0;</a>', code: 'SAML_XML_ENTITY' },
  { name: 'number of half a character', xml: '<a>&#xD800;</a>', code: 'SAML_XML_ENTITY' },
  { name: 'a lone ampersand', xml: '<a>a & b</a>', code: 'SAML_XML_ENTITY' },
  { name: 'an entity by name', xml: '<a>&nbsp;</a>', code: 'SAML_XML_ENTITY' },
  { name: 'a comment', xml: '<a><!-- x --></a>', code: 'SAML_XML_COMMENT' },
  { name: 'a comment before the root', xml: '<!-- x --><a/>', code: 'SAML_XML_COMMENT' },
  { name: 'CDATA', xml: '<a><![CDATA[x]]></a>', code: 'SAML_XML_DECLARATION' },
  { name: 'a DOCTYPE in small letters', xml: '<!doctype a><a/>', code: 'SAML_XML_DOCTYPE' },
  { name: 'an instruction', xml: '<a><?x?></a>', code: 'SAML_XML_INSTRUCTION' },
  { name: 'another XML version', xml: '<?xml version="1.1"?><a/>', code: 'SAML_XML_INSTRUCTION' },
  { name: 'another encoding', xml: '<?xml version="1.0" encoding="ISO-8859-1"?><a/>', code: 'SAML_XML_INSTRUCTION' },
  { name: 'an id twice', xml: '<a ID="x"><b ID="x"/></a>', code: 'SAML_XML_ID' },
  { name: 'an id twice in other spelling', xml: '<a ID="x"><b Id="x"/></a>', code: 'SAML_XML_ID' },
  { name: 'an id with a prefix', xml: '<a ID="x"><b xmlns:c="urn:c" c:id="x"/></a>', code: 'SAML_XML_ID' },
  { name: 'an id that is no name', xml: '<a ID="x&quot;]"/>', code: 'SAML_XML_ID' },
  { name: 'too deep', xml: '<a><b><c><d><e/></d></c></b></a>', code: 'SAML_XML_TOO_DEEP' },
  { name: 'too much', xml: `<a>${'<b/>'.repeat(20)}</a>`, code: 'SAML_XML_TOO_LARGE' },
];
for (const { name, xml, code } of refused)
  test(`refused: ${name}`, () => assert.rejects(readXml(xml, limits), { name: 'LoginError', code }));

test('comments where they may be: skipped, and text around them is one text', async () => {
  const { root } = await readXml('<!-- x --><a>al<!-- > -->ice</a><!-- y -->', limits, { comments: true });
  assert.equal(root.text, 'alice');
  await assert.rejects(readXml('<a><!-- -- --></a>', limits, { comments: true }), { code: 'SAML_XML_MALFORMED' });
  await assert.rejects(readXml('<a><!-- x', limits, { comments: true }), { code: 'SAML_XML_MALFORMED' });
  await assert.rejects(readXml('<!-- x --><!DOCTYPE a><a/>', limits, { comments: true }), { code: 'SAML_XML_DOCTYPE' });
});

test('the tree: name spaces, attributes without a prefix, text', async () => {
  const { root } = await readXml('<a xmlns="urn:a" xmlns:b="urn:b" x="1" b:y="2">t<b:c/>&lt;u<c/></a>', limits);
  assert.equal(root.namespace, 'urn:a');
  assert.deepEqual([...root.attributes], [['x', '1']]);
  assert.equal(root.text, 't<u');
  assert.equal(childrenOf(root, 'urn:b', 'c').length, 1);
  assert.equal(childrenOf(root, 'urn:a', 'c').length, 1);
});

test('an element of another document has no node here', async () => {
  const one = await readXml('<a/>', limits);
  const two = await readXml('<a/>', limits);
  assert.throws(() => one.nodeOf(two.root), { code: 'SAML_XML_MALFORMED' });
});

test('bytes that are no UTF-8', () =>
  assert.throws(() => decodeUtf8(Buffer.from([0x3c, 0xff])), { code: 'SAML_XML_ENCODING' }));

test('any text at all is read or refused, never another error', async () => {
  const bits = fc.constantFrom(
    '<',
    '>',
    '/',
    '"',
    "'",
    'a',
    ':',
    '=',
    ' ',
    '&',
    ';',
    '#',
    '!',
    '-',
    '?',
    '[',
    ']',
    'xmlns',
    'ID',
    '\n',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(bits, { maxLength: 30 }), async (parts) => {
      try {
        await readXml(`<a>${parts.join('')}</a>`, limits);
      } catch (error) {
        assert.ok(error instanceof LoginError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('scanning takes time in proportion, also where patterns try again', async () => {
  const started = process.cpuUsage();
  for (const xml of [
    `<a${' '.repeat(200_000)}!`,
    `<a b="${'x'.repeat(200_000)}`,
    `<a ${'b="" '.repeat(40_000)}`,
    '<a'.repeat(100_000),
    '&'.repeat(200_000),
  ])
    await assert.rejects(readXml(xml, limits), LoginError);
  assert.ok(process.cpuUsage(started).user < 2_000_000);
});

const instants = [
  { text: '2026-01-15T12:00:00Z', want: Date.UTC(2026, 0, 15, 12) },
  { text: '2026-01-15T12:00:00.123456789Z', want: Date.UTC(2026, 0, 15, 12, 0, 0, 123) },
  { text: '2026-01-15T13:00:00+01:00', want: Date.UTC(2026, 0, 15, 12) },
  { text: '2026-01-15T12:00:00', want: undefined },
  { text: '2026-02-29T12:00:00Z', want: undefined },
  { text: '2024-02-29T12:00:00Z', want: Date.UTC(2024, 1, 29, 12) },
  { text: '2026-13-01T12:00:00Z', want: undefined },
  { text: '2026-01-15T24:00:00Z', want: undefined },
  { text: '2026-01-15', want: undefined },
  { text: '1768478400000', want: undefined },
  { text: ' 2026-01-15T12:00:00Z', want: undefined },
  { text: '+012026-01-15T12:00:00Z', want: undefined },
];
for (const { text, want } of instants) test(`time: ${text}`, () => assert.equal(samlInstant(text), want));
