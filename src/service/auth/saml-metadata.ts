import { StorageError } from '../../errors.ts';
import { serviceProviderMetadata } from '../../sso/saml/metadata.ts';
import type { Handlers } from './gate.ts';

/** What the administrator of a SAML provider needs of us, for the proxy's public address. It holds nothing secret. */
export const getSamlMetadata: Handlers['getSamlMetadata'] = async (request, { context }) => {
  const found = await context.records.read('saml', request.connector);
  if (found === undefined) throw new StorageError('NOT_FOUND', 'there is no saml connector of this name');
  return { xml: serviceProviderMetadata(found.resource) };
};
