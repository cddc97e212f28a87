import { constants, createDecipheriv, privateDecrypt } from 'node:crypto';
import { fault, shown } from './fault.ts';
import { childrenOf, leafText, SAML_ASSERTION, XML_ENCRYPTION, XML_SIGNATURE, type XmlElement } from './xml.ts';

/**
 * An EncryptedAssertion (SAML core section 2.3.4) in modern algorithms only: AES-GCM, its key by RSA-OAEP. CBC has no integrity and RSA 1.5 no safe padding: whoever may send
 * us answers could decrypt those of others by watching what is refused.
 */

/** The plain bytes: XML that nobody has checked yet. Throws LoginError `SAML_ENCRYPTION_*`. `privateKey`: PEM. */
export function decryptAssertion(encrypted: XmlElement, privateKey: string | undefined): Buffer {
  if (privateKey === undefined)
    throw fault('SAML_ENCRYPTION_UNEXPECTED', 'the assertion is encrypted and the connector has no assertion_key_pair');
  if (encrypted.name !== 'EncryptedAssertion' || encrypted.namespace !== SAML_ASSERTION)
    throw shape('expected an EncryptedAssertion');
  const data = only(encrypted, XML_ENCRYPTION, 'EncryptedData');
  const content = CONTENT.get(algorithmOf(data));
  if (content === undefined)
    throw algorithm('the assertion to be encrypted by AES-GCM (aes128-gcm, aes256-gcm)', algorithmOf(data));
  const encryptedKey = encryptedKeyOf(encrypted, data);
  const oaepHash = oaepHashOf(only(encryptedKey, XML_ENCRYPTION, 'EncryptionMethod'));
  const sealed = cipherValueOf(data);
  if (sealed.length < IV_BYTES + TAG_BYTES) throw shape('the encrypted assertion is too short');
  try {
    const key = privateDecrypt(
      { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash },
      cipherValueOf(encryptedKey),
    );
    const decipher = createDecipheriv(content, key, sealed.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, sealed.length - TAG_BYTES)), decipher.final()]);
  } catch {
    // No cause, and one message for every step: what fails says nothing about the key.
    throw fault(
      'SAML_ENCRYPTION_FAILED',
      'the assertion cannot be decrypted: expected it to be encrypted for the connector’s assertion_key_pair',
    );
  }
}

/** Inside of EncryptedData, or beside it as OpenSAML puts it (Okta, Shibboleth); for one recipient, which is us. */
function encryptedKeyOf(encrypted: XmlElement, data: XmlElement): XmlElement {
  const keyInfo = childrenOf(data, XML_SIGNATURE, 'KeyInfo')[0];
  const inside = keyInfo === undefined ? [] : childrenOf(keyInfo, XML_ENCRYPTION, 'EncryptedKey');
  const [key, ...others] = [...inside, ...childrenOf(encrypted, XML_ENCRYPTION, 'EncryptedKey')];
  if (key === undefined || others.length > 0) throw shape('expected one EncryptedKey');
  const method = keyInfo === undefined ? undefined : childrenOf(keyInfo, XML_SIGNATURE, 'RetrievalMethod')[0];
  if (method !== undefined && method.attributes.get('URI') !== `#${key.attributes.get('Id') ?? ''}`)
    throw shape('expected the RetrievalMethod to name the EncryptedKey');
  return key;
}

/** XML Encryption 1.1 section 5.5.2. Node's OAEP uses one hash for the label and for MGF1, so a mixture cannot be opened. */
function oaepHashOf(method: XmlElement): 'sha1' | 'sha256' | 'sha512' {
  const name = method.attributes.get('Algorithm') ?? '';
  const digest = childrenOf(method, XML_SIGNATURE, 'DigestMethod')[0]?.attributes.get('Algorithm') ?? SHA1;
  const mask = childrenOf(method, XML_ENCRYPTION_11, 'MGF')[0]?.attributes.get('Algorithm') ?? MGF1_SHA1;
  if (name !== OAEP_MGF1P && name !== OAEP_11)
    throw algorithm('the key to be encrypted by RSA-OAEP (rsa-oaep-mgf1p, xmlenc11 rsa-oaep)', name);
  const hash = OAEP_HASHES.get(`${digest} ${name === OAEP_MGF1P ? MGF1_SHA1 : mask}`);
  if (hash === undefined) throw algorithm('RSA-OAEP with the same hash for digest and mask', digest);
  return hash;
}

function algorithmOf(data: XmlElement): string {
  return only(data, XML_ENCRYPTION, 'EncryptionMethod').attributes.get('Algorithm') ?? '';
}

function cipherValueOf(element: XmlElement): Buffer {
  const text = leafText(only(only(element, XML_ENCRYPTION, 'CipherData'), XML_ENCRYPTION, 'CipherValue'));
  if (text === undefined || !/^[A-Za-z\d+/\s]*={0,2}\s*$/.test(text)) throw shape('expected a CipherValue in base64');
  return Buffer.from(text, 'base64');
}

function only(element: XmlElement, namespace: string, name: string): XmlElement {
  const [first, ...others] = childrenOf(element, namespace, name);
  if (first === undefined || others.length > 0) throw shape(`expected one ${name} in ${element.name}`);
  return first;
}

function shape(text: string): Error {
  return fault('SAML_ENCRYPTION_SHAPE', text);
}

function algorithm(expected: string, got: string): Error {
  return fault('SAML_ENCRYPTION_ALGORITHM', `expected ${expected}, got ${shown(got)}`);
}

const XML_ENCRYPTION_11 = 'http://www.w3.org/2009/xmlenc11#';
const CONTENT: ReadonlyMap<string, 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm'> = new Map([
  [`${XML_ENCRYPTION_11}aes128-gcm`, 'aes-128-gcm'],
  [`${XML_ENCRYPTION_11}aes192-gcm`, 'aes-192-gcm'],
  [`${XML_ENCRYPTION_11}aes256-gcm`, 'aes-256-gcm'],
]);
const OAEP_MGF1P = `${XML_ENCRYPTION}rsa-oaep-mgf1p`;
const OAEP_11 = `${XML_ENCRYPTION_11}rsa-oaep`;
const SHA1 = `${XML_SIGNATURE}sha1`;
const MGF1_SHA1 = `${XML_ENCRYPTION_11}mgf1sha1`;
const OAEP_HASHES: ReadonlyMap<string, 'sha1' | 'sha256' | 'sha512'> = new Map([
  [`${SHA1} ${MGF1_SHA1}`, 'sha1'],
  [`${XML_ENCRYPTION}sha256 ${XML_ENCRYPTION_11}mgf1sha256`, 'sha256'],
  [`${XML_ENCRYPTION}sha512 ${XML_ENCRYPTION_11}mgf1sha512`, 'sha512'],
]);
/** XML Encryption 1.1 section 5.2.4. */
const IV_BYTES = 12;
const TAG_BYTES = 16;
