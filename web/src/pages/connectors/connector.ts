import { listAt, textAt, valueAt } from '../../parts/events/event.ts';
import type { Item } from '../../parts/resources/item.ts';

export type ConnectorKind = 'oidc' | 'saml' | 'github';
export const CONNECTOR_KINDS: readonly ConnectorKind[] = ['oidc', 'saml', 'github'];

export function isConnectorKind(kind: string): kind is ConnectorKind {
  return CONNECTOR_KINDS.some((known) => known === kind);
}

/** The protocol as people call it. */
export function protocolName(kind: string): string {
  switch (kind) {
    case 'oidc':
      return 'OpenID Connect';
    case 'saml':
      return 'SAML 2.0';
    case 'github':
      return 'GitHub';
    default:
      return kind;
  }
}

/** What the sign-in button says. */
export function displayName(connector: Item): string {
  return textAt(connector.spec, 'display') || connector.name;
}

/** Whose sign-ins it takes: the issuer, the metadata's address, GitHub's address. */
export function issuerOf(connector: Item): string {
  switch (connector.kind) {
    case 'oidc':
      return textAt(connector.spec, 'issuer_url');
    case 'saml':
      return textAt(connector.spec, 'entity_descriptor_url') || 'metadata as text';
    default:
      return textAt(connector.spec, 'endpoint_url') || 'https://github.com';
  }
}

const RULES: Readonly<Record<string, string>> = {
  oidc: 'claims_to_roles',
  saml: 'attributes_to_roles',
  github: 'teams_to_roles',
};

/** The roles that its rules give, each once. */
export function rolesOf(connector: Item): readonly string[] {
  const rules = valueAt(connector.spec, RULES[connector.kind] ?? '');
  if (!Array.isArray(rules)) return [];
  return [...new Set(rules.flatMap((rule: unknown) => listAt(rule, 'roles')))];
}

/** An address that the provider has to know. */
export type Address = { readonly label: string; readonly note: string; readonly value: string };

/** What is entered at the provider, at the proxy's public address `host:port`. */
export function addressesFor(kind: ConnectorKind, name: string, publicAddr: string): readonly Address[] {
  const origin = originOf(publicAddr);
  switch (kind) {
    case 'oidc':
      return [
        {
          label: 'Redirect address',
          note: 'Also: callback URL, redirect URI. The same stands in redirect_url.',
          value: `${origin}/v1/webapi/oidc/callback`,
        },
      ];
    case 'github':
      return [
        {
          label: 'Authorization callback URL',
          note: 'Of the OAuth app. The same stands in redirect_url.',
          value: `${origin}/v1/webapi/github/callback`,
        },
      ];
    case 'saml':
      return [
        {
          label: 'Address for answers (ACS)',
          note: 'Also: reply URL, single sign-on URL; by default our entity id and audience too. The same stands in acs.',
          value: `${origin}/v1/webapi/saml/acs/${encodeURIComponent(name)}`,
        },
        {
          label: 'Our metadata',
          note: 'With the certificate that signs our requests. There once the connector is saved.',
          value: `${origin}/v1/webapi/saml/metadata/${encodeURIComponent(name)}`,
        },
      ];
  }
}

/** `host:443` is shown without its port, as providers compare addresses letter by letter. */
export function originOf(publicAddr: string): string {
  return `https://${publicAddr === '' ? 'access.example.com' : publicAddr.replace(/:443$/, '')}`;
}
