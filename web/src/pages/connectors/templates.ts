import { originOf, type ConnectorKind } from './connector.ts';

/** A new connector begins with one of these; what stands in angle brackets is the provider's to say. */
export type Template = {
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly kind: ConnectorKind;
  /** For the proxy's public address. */
  readonly yaml: (publicAddr: string) => string;
};

export const TEMPLATES: readonly Template[] = [
  {
    id: 'google',
    title: 'Google',
    text: 'Workspace accounts by OpenID Connect. Google sends no groups: rules by the domain',
    kind: 'oidc',
    yaml: (at) =>
      oidc(at, {
        name: 'google',
        display: 'Google',
        issuer: 'https://accounts.google.com',
        rules: ['- {claim: hd, value: example.com, roles: [access]}'],
      }),
  },
  {
    id: 'okta',
    title: 'Okta',
    text: 'OpenID Connect with a groups claim',
    kind: 'oidc',
    yaml: (at) =>
      oidc(at, {
        name: 'okta',
        display: 'Okta',
        issuer: 'https://example.okta.com',
        scope: '[openid, email, profile, groups]',
        rules: [
          '- {claim: groups, value: db-admins, roles: [editor, auditor]}',
          '- {claim: groups, value: "^db-.*$", roles: [access]}',
        ],
      }),
  },
  {
    id: 'entra',
    title: 'Microsoft Entra ID',
    text: 'OpenID Connect; groups come as object ids, or app roles',
    kind: 'oidc',
    yaml: (at) =>
      oidc(at, {
        name: 'entra',
        display: 'Microsoft',
        issuer: 'https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0',
        username: 'preferred_username',
        rules: [
          '- {claim: groups, value: aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee, roles: [access]}',
          '- {claim: roles, value: Database.Admin, roles: [editor]}',
        ],
      }),
  },
  {
    id: 'keycloak',
    title: 'Keycloak',
    text: 'OpenID Connect with a group membership mapper',
    kind: 'oidc',
    yaml: (at) =>
      oidc(at, {
        name: 'keycloak',
        display: 'Keycloak',
        issuer: 'https://id.example.com/realms/company',
        username: 'preferred_username',
        rules: ['- {claim: groups, value: dba, roles: [access, auditor]}'],
      }),
  },
  {
    id: 'saml',
    title: 'SAML 2.0',
    text: 'AD FS, Shibboleth, SimpleSAMLphp and others',
    kind: 'saml',
    yaml: (at) => `kind: saml
version: v2
metadata:
  name: corp
spec:
  display: Example Corp
  acs: ${originOf(at)}/v1/webapi/saml/acs/corp
  entity_descriptor_url: https://idp.example.com/metadata
  attributes_to_roles:
    - {name: groups, value: dba, roles: [access, auditor]}
`,
  },
  {
    id: 'github',
    title: 'GitHub',
    text: 'Members of organizations and teams',
    kind: 'github',
    yaml: (at) => `kind: github
version: v3
metadata:
  name: github
spec:
  display: GitHub
  client_id: <client id of the OAuth app>
  client_secret: <its secret>
  redirect_url: ${originOf(at)}/v1/webapi/github/callback
  teams_to_roles:
    - {organization: example, team: databases, roles: [access]}
`,
  },
];

function oidc(
  publicAddr: string,
  of: {
    readonly name: string;
    readonly display: string;
    readonly issuer: string;
    readonly scope?: string;
    readonly username?: string;
    readonly rules: readonly string[];
  },
): string {
  return [
    'kind: oidc',
    'version: v3',
    'metadata:',
    `  name: ${of.name}`,
    'spec:',
    `  display: ${of.display}`,
    `  issuer_url: ${of.issuer}`,
    '  client_id: <client id>',
    '  client_secret: <client secret>',
    `  redirect_url: ${originOf(publicAddr)}/v1/webapi/oidc/callback`,
    ...(of.scope === undefined ? [] : [`  scope: ${of.scope}`]),
    ...(of.username === undefined ? [] : [`  username_claim: ${of.username}`]),
    '  claims_to_roles:',
    ...of.rules.map((rule) => `    ${rule}`),
    '',
  ].join('\n');
}
