import type { FactorDeps, RelyingParty } from '../../sso/local/second-factors.ts';
import { preferenceOf, type AuthContext } from './context.ts';

/** What second factors work with in this cluster. */
export async function factorDeps(context: AuthContext): Promise<FactorDeps> {
  return {
    store: context.store,
    secrets: context.sealer,
    now: () => context.clock.now(),
    relyingParty: await relyingPartyOf(context),
  };
}

/** The domain that passkeys are bound to: `webauthn.rp_id`, else the host of the first proxy; origins are those of every proxy at it or below it. */
async function relyingPartyOf(context: AuthContext): Promise<RelyingParty | undefined> {
  const addresses = (await context.records.list('proxy_server')).flatMap(({ resource }) => {
    const url = URL.parse(`https://${resource.spec.public_addr}`);
    return url === null ? [] : [url];
  });
  const id = (await preferenceOf(context)).spec.webauthn?.rp_id ?? addresses[0]?.hostname;
  if (id === undefined) return undefined;
  const origins = addresses.filter(({ hostname }) => hostname === id || hostname.endsWith(`.${id}`));
  if (origins.length === 0) return undefined;
  return { id, name: context.clusterName, origins: [...new Set(origins.map(({ origin }) => origin))] };
}
