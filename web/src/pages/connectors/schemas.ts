import github from '../../schemas/github.json';
import oidc from '../../schemas/oidc.json';
import saml from '../../schemas/saml.json';
import type { ConnectorKind } from './connector.ts';

/** For completion. */
export const SCHEMAS: Readonly<Record<ConnectorKind, unknown>> = { oidc, saml, github };
