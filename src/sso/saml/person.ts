import type { Traits } from '../../resource/identity.ts';
import type { ProviderAnswer } from '../connector.ts';
import { fault, shown } from './fault.ts';
import type { SamlLimits } from './limits.ts';
import { childrenOf, leafText, SAML_ASSERTION, type XmlElement } from './xml.ts';

/** Whom a judged assertion speaks of: NameID and attributes. */

/**
 * `usernameAttribute`: the attribute that is the user name, with one value; absent: the NameID is. A transient NameID is another one at each sign-in and so is nobody's name. Throws LoginError `SAML_NAME_ID`,
 * `SAML_USERNAME_ATTRIBUTE`, `SAML_ATTRIBUTE*`.
 */
export function personOf(
  assertion: XmlElement,
  usernameAttribute: string | undefined,
  limits: SamlLimits,
): ProviderAnswer {
  const attributes = attributesOf(assertion, limits);
  const nameId = nameIdOf(assertion, limits);
  const named = nameId === undefined || nameId.format === TRANSIENT ? undefined : nameId.value;
  const username = usernameAttribute === undefined ? named : oneValue(attributes, usernameAttribute);
  const subject = named ?? username;
  if (username === undefined || subject === undefined)
    throw fault(
      'SAML_NAME_ID',
      `expected a NameID that stays the same, got ${nameId === undefined ? 'none' : 'a transient one'}: have the provider send another, or set username_attribute`,
    );
  return {
    subject,
    username,
    attributes,
    raw: { name_id: nameId?.value ?? null, name_id_format: nameId?.format ?? null, attributes },
  };
}

function nameIdOf(
  assertion: XmlElement,
  limits: SamlLimits,
): { readonly value: string; readonly format: string } | undefined {
  const subject = childrenOf(assertion, SAML_ASSERTION, 'Subject')[0];
  const found = subject === undefined ? [] : childrenOf(subject, SAML_ASSERTION, 'NameID');
  if (found.length > 1) throw fault('SAML_NAME_ID', 'expected one NameID');
  const element = found[0];
  if (element === undefined) return undefined;
  const value = leafText(element);
  if (value === undefined || value.trim() === '') throw fault('SAML_NAME_ID', 'expected text in the NameID');
  checkText(value, 'NameID', limits);
  return { value, format: element.attributes.get('Format') ?? '' };
}

function attributesOf(assertion: XmlElement, limits: SamlLimits): Traits {
  const values = new Map<string, string[]>();
  for (const statement of childrenOf(assertion, SAML_ASSERTION, 'AttributeStatement'))
    for (const attribute of childrenOf(statement, SAML_ASSERTION, 'Attribute')) {
      const name = attribute.attributes.get('Name') ?? '';
      if (name === '') throw fault('SAML_ATTRIBUTE', 'expected an Attribute with a Name');
      checkText(name, 'name of an Attribute', limits);
      const known = values.get(name) ?? [];
      known.push(...valuesOf(attribute, name, limits));
      values.set(name, known);
      if (values.size > limits.maxAttributes)
        throw fault('SAML_ATTRIBUTE_LIMIT', `more attributes than maxAttributes ${limits.maxAttributes}`);
      if (known.length > limits.maxValues)
        throw fault(
          'SAML_ATTRIBUTE_LIMIT',
          `attribute ${shown(name)} has more values than maxValues ${limits.maxValues}`,
        );
    }
  return Object.fromEntries(values);
}

/** Values that are elements (a NameID inside) are nobody's role and left out; so are empty ones. */
function valuesOf(attribute: XmlElement, name: string, limits: SamlLimits): string[] {
  const values: string[] = [];
  for (const element of childrenOf(attribute, SAML_ASSERTION, 'AttributeValue')) {
    const text = leafText(element);
    if (text === undefined || text === '') continue;
    checkText(text, `value of attribute ${shown(name)}`, limits);
    values.push(text);
  }
  return values;
}

function oneValue(attributes: Traits, name: string): string {
  const values = Object.hasOwn(attributes, name) ? (attributes[name] ?? []) : [];
  const [value, ...others] = values;
  if (value === undefined || others.length > 0)
    throw fault(
      'SAML_USERNAME_ATTRIBUTE',
      `expected one value of the attribute ${shown(name)} (username_attribute), got ${values.length}`,
    );
  return value;
}

function checkText(text: string, what: string, limits: SamlLimits): void {
  if (text.length > limits.maxValueLength)
    throw fault('SAML_ATTRIBUTE_LIMIT', `the ${what} is longer than maxValueLength ${limits.maxValueLength}`);
}

const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';
