/** Signed openings of MySQL sessions, honest and otherwise, with authorities of their own. */
import { parsePrivateKey } from '../../src/pki/keys.ts';
import { type SessionOpening, signOpening } from '../../src/pki/opening.ts';
import { userProfile } from '../../src/pki/profiles.ts';
import { AGENT, type Issued, issue, NOW, routed, type TestCluster, testCluster } from '../../src/pki/test-cluster.ts';
import type { TrustedAuthorities } from '../../src/pki/trust.ts';
import type { Route, UserIdentity } from '../../src/resource/identity.ts';

export { AGENT, NOW } from '../../src/pki/test-cluster.ts';

export type OpeningKit = {
  readonly cluster: TestCluster;
  readonly trust: (type: 'user' | 'host') => TrustedAuthorities;
  /** For alice's `shop` as `reader`, at `NOW`, for `AGENT`, signed by the cluster's proxy. */
  make(change?: Partial<SessionOpening>, by?: Issued): Buffer;
  /** The certificate of somebody else, or for something else. */
  certificate(change?: Partial<UserIdentity>, route?: Partial<Route>): Promise<Buffer>;
};

export async function openingKit(): Promise<OpeningKit> {
  const cluster = await testCluster();
  const certificate = async (change: Partial<UserIdentity> = {}, route: Partial<Route> = {}): Promise<Buffer> => {
    const shop: Route = { service: 'shop', protocol: 'mysql', databaseUser: 'reader', ...route };
    return (await issue(cluster.user, userProfile({ ...routed, route: shop, ...change }))).der;
  };
  const alices = await certificate();
  return {
    cluster,
    trust: (type) => (type === 'user' ? cluster.userAuthorities : cluster.hostAuthorities),
    certificate,
    make: (change = {}, by = cluster.proxy) =>
      signOpening(
        {
          sessionId: '33333333-3333-4333-8333-333333333333',
          timeMs: NOW,
          protocol: 'mysql',
          clientAddress: '10.1.1.1:5',
          agentHostId: AGENT,
          clientCertificateDer: alices,
          ...change,
        },
        parsePrivateKey(by.keys.privateKeyPem),
        by.der,
      ),
  };
}
