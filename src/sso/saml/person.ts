import type { Traits } from '../../resource/identity.ts';
import { ATTRIBUTE_LIMITS, attributesOf } from '../attributes.ts';
import type { ProviderAnswer } from '../connector.ts';
import { fault, shown } from './fault.ts';
import { childrenOf, leafText, SAML_ASSERTION, type XmlElement } from './xml.ts';

/** Whom a judged assertion speaks of: NameID and attributes. */

/**
 * `usernameAttribute`: the attribute that is the user name, with one value; absent: the NameID is. A transient NameID is another one at each sign-in and so is nobody's name. `dropped`: attributes of which
 * something was left out, as no trait could hold it. Throws LoginError `SAML_NAME_ID`, `SAML_USERNAME_ATTRIBUTE`, `SSO_GROUPS_OVERAGE`, and those of `attributesOf`.
 */
export function personOf(
  assertion: XmlElement,
  usernameAttribute: string | undefined,
): ProviderAnswer & { readonly dropped: readonly string[] } {
  const { attributes, dropped } = attributesOf(claimsOf(assertion));
  const nameId = nameIdOf(assertion);
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
    dropped,
    raw: { name_id: nameId?.value ?? null, name_id_format: nameId?.format ?? null, attributes },
  };
}

function nameIdOf(assertion: XmlElement): { readonly value: string; readonly format: string } | undefined {
  const subject = childrenOf(assertion, SAML_ASSERTION, 'Subject')[0];
  const found = subject === undefined ? [] : childrenOf(subject, SAML_ASSERTION, 'NameID');
  if (found.length > 1) throw fault('SAML_NAME_ID', 'expected one NameID');
  const element = found[0];
  if (element === undefined) return undefined;
  const value = leafText(element);
  if (value === undefined || value.trim() === '') throw fault('SAML_NAME_ID', 'expected text in the NameID');
  if (value.length > ATTRIBUTE_LIMITS.valueLength || /[\u0000-\u001f\u007f]/.test(value))
    throw fault('SAML_NAME_ID', `expected a NameID of at most ${ATTRIBUTE_LIMITS.valueLength} characters on one line`);
  return { value, format: element.attributes.get('Format') ?? '' };
}

/** Values that are elements (a NameID inside) are nobody's role and left out; so are empty ones. */
function claimsOf(assertion: XmlElement): Readonly<Record<string, readonly string[]>> {
  const values = new Map<string, string[]>();
  for (const statement of childrenOf(assertion, SAML_ASSERTION, 'AttributeStatement'))
    for (const attribute of childrenOf(statement, SAML_ASSERTION, 'Attribute')) {
      const name = attribute.attributes.get('Name') ?? '';
      if (name === GROUPS_ELSEWHERE)
        throw fault(
          'SSO_GROUPS_OVERAGE',
          'the person is in more groups than Entra ID puts into an assertion: have it send only groups assigned to the application, or app roles',
        );
      const texts = childrenOf(attribute, SAML_ASSERTION, 'AttributeValue').map((value) => leafText(value) ?? '');
      values.set(name, [...(values.get(name) ?? []), ...texts.filter((text) => text !== '')]);
    }
  return Object.fromEntries(values);
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

const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';
/** What Entra ID sends instead of the groups when there are more than 150. */
const GROUPS_ELSEWHERE = 'http://schemas.microsoft.com/claims/groups.link';
