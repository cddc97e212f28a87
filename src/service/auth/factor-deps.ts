import { isIP } from 'node:net';
import type { FactorDeps } from '../../sso/local/second-factors.ts';
import type { RelyingParty } from '../../sso/local/webauthn.ts';
import type { ClusterAuthPreference } from '../../resource/resource.ts';
import { preferenceOf, type AuthContext } from './context.ts';

/** What second factors work with in this cluster. */
export async function factorDeps(context: AuthContext): Promise<FactorDeps> {
  const preference = await preferenceOf(context);
  return {
    store: context.store,
    secrets: context.sealer,
    now: () => context.clock.now(),
    relyingParty: await relyingPartyOf(preference, context),
    kinds: preference.spec.second_factors,
  };
}

// The domain that passkeys are bound to: `webauthn.rp_id`, else that of the proxies (where the proxies that are up have several, the first in the alphabet: such a cluster says
// `rp_id`). Origins are those of every proxy at it or below it.
async function relyingPartyOf(
  preference: ClusterAuthPreference,
  context: AuthContext,
): Promise<RelyingParty | undefined> {
  const addresses = (await context.records.list('proxy_server')).flatMap(({ resource }) => {
    const url = URL.parse(`https://${resource.spec.public_addr}`);
    return url === null ? [] : [url];
  });
  const id =
    preference.spec.webauthn?.rp_id ??
    addresses
      .map(({ hostname }) => hostname)
      .filter(isDomain)
      .toSorted()[0];
  if (id === undefined) return undefined;
  const origins = addresses.filter(({ hostname }) => hostname === id || hostname.endsWith(`.${id}`));
  if (origins.length === 0) return undefined;
  return { id, name: context.clusterName, origins: [...new Set(origins.map(({ origin }) => origin))] };
}

function isDomain(hostname: string): boolean {
  return isIP(hostname) === 0 && !hostname.startsWith('[');
}
