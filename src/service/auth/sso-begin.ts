import { LoginError } from '../../errors.ts';
import type { Connector } from '../../resource/resource.ts';
import type { Provider } from '../../sso/connector.ts';
import { admitRequest, keepRequest, newRequestId, type SsoPurpose } from '../../sso/requests.ts';
import { findConnector } from './connectors.ts';
import type { AuthContext } from './context.ts';

/** The first half of a sign-in at a provider: where the browser goes. sso.ts has the second. */

/**
 * Begins a sign-in for tsh: what its person opens in a browser. `connector`: a name. The answer ends in `completeClientLogin` or `refuseClientLogin`. Throws LoginError `CONNECTOR_UNKNOWN`, LimitError `SSO_BUSY`,
 * UpstreamError.
 */
export async function beginSso(
  of: { readonly connector: string; readonly clientLoginId: string; readonly address: string },
  context: AuthContext,
): Promise<{ readonly redirectUrl: string }> {
  const found = await findConnector(of.connector, context);
  if (found === undefined) throw unknownConnector(of.connector);
  const purpose = { type: 'client', clientLoginId: of.clientLoginId } as const;
  return { redirectUrl: await begin(found, { purpose, address: of.address }, context) };
}

/** Asks the provider where to go and keeps the request. */
export async function begin(
  { connector, provider }: { readonly connector: Connector; readonly provider: Provider },
  of: {
    readonly purpose: SsoPurpose;
    readonly binding?: string;
    readonly address: string;
    readonly origin?: string | undefined;
  },
  context: AuthContext,
): Promise<string> {
  const deps = { store: context.store, now: () => context.clock.now() };
  await admitRequest(of.address, deps);
  const id = newRequestId();
  const { redirectUrl, kept } = await provider.begin({
    requestId: id,
    ...(of.origin === undefined ? {} : { origin: of.origin }),
  });
  const { purpose, binding, address } = of;
  const request = { kind: connector.kind, connector: connector.metadata.name, purpose, address, kept };
  await keepRequest(id, binding === undefined ? request : { ...request, binding }, deps);
  return redirectUrl;
}

/** For a name that no connector has. */
export function unknownConnector(name: string): LoginError {
  return new LoginError('CONNECTOR_UNKNOWN', `connector ${JSON.stringify(name.slice(0, 64))} does not exist`);
}
