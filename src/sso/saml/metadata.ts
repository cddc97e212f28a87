import type { SamlConnector } from '../../resource/resource.ts';

/** What we tell a provider of ourselves: entity id, where answers go, keys (SAML metadata section 2.4.4). */

/** Our name at the provider: `service_provider_issuer`, else the address of the answers. */
export function serviceProviderEntityId(connector: SamlConnector): string {
  return connector.spec.service_provider_issuer ?? connector.spec.acs;
}

/** Whom assertions must be for: `audience`, else our entity id. */
export function audienceOf(connector: SamlConnector): string {
  return connector.spec.audience ?? serviceProviderEntityId(connector);
}

/**
 * The XML to give to the provider's administrator. Public: certificates only. Requests are signed when the connector has a signing certificate, which Auth makes for every
 * connector; assertions must be signed always.
 */
export function serviceProviderMetadata(connector: SamlConnector): string {
  const { acs, signing_key_pair: signing, assertion_key_pair: assertion } = connector.spec;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${escape(serviceProviderEntityId(connector))}">`,
    `  <md:SPSSODescriptor AuthnRequestsSigned="${signing !== undefined}" WantAssertionsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">`,
    ...(signing === undefined ? [] : keyDescriptor('signing', signing.cert, [])),
    ...(assertion === undefined ? [] : keyDescriptor('encryption', assertion.cert, ENCRYPTION)),
    `    <md:AssertionConsumerService index="0" isDefault="true" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="${escape(acs)}"/>`,
    '  </md:SPSSODescriptor>',
    '</md:EntityDescriptor>',
    '',
  ].join('\n');
}

function keyDescriptor(use: 'signing' | 'encryption', certificatePem: string, methods: readonly string[]): string[] {
  const base64 = certificatePem.replaceAll(/-----[^-]*-----|[^A-Za-z\d+/=]/g, '');
  return [
    `    <md:KeyDescriptor use="${use}">`,
    '      <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>',
    `        <ds:X509Certificate>${base64}</ds:X509Certificate>`,
    '      </ds:X509Data></ds:KeyInfo>',
    ...methods.map((method) => `      <md:EncryptionMethod Algorithm="${method}"/>`),
    '    </md:KeyDescriptor>',
  ];
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** As decrypt.ts takes them. */
const ENCRYPTION = [
  'http://www.w3.org/2009/xmlenc11#aes256-gcm',
  'http://www.w3.org/2009/xmlenc11#aes128-gcm',
  'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
];
