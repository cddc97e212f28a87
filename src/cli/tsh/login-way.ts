import type { GetSignInOptionsResponse } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import type { AuthConnection } from '../../rpc/client.ts';
import { failure, failureCode } from '../failure.ts';
import type { Io } from '../io.ts';
import { visible } from '../io.ts';
import type { BrowserMode } from './browser-modes.ts';
import { hasBrowser } from './browser-open.ts';

/** Which of the ways to sign in is taken: what was asked for, else what the cluster prefers and this terminal can. */

export type WayOptions = {
  /** `local` or the name of a connector. */
  readonly auth?: string | undefined;
  /** Given: local users sign in in the browser too. */
  readonly browser?: BrowserMode | undefined;
  readonly device?: boolean | undefined;
};

export type Way =
  | { readonly type: 'password'; readonly auth: 'local' }
  /** `connector` empty: approved at the web UI. */
  | { readonly type: 'browser'; readonly auth: string; readonly connector: string; readonly open: boolean }
  | { readonly type: 'code'; readonly auth: string };

export type SignInOptions = Pick<GetSignInOptionsResponse, 'local' | 'secondFactors' | 'connectors' | 'preferred'>;

/** What the cluster offers; what it offered before there was a choice, when it does not know the question. */
export async function askSignInOptions({ client }: AuthConnection): Promise<SignInOptions> {
  try {
    return await client.getSignInOptions({});
  } catch (error) {
    if (failureCode(error) !== 'unimplemented') throw error;
    return { local: true, secondFactors: ['otp'], connectors: [], preferred: 'local' };
  }
}

/** Throws `NO_SUCH_CONNECTOR`, `LOCAL_SIGN_IN_OFF`, `NO_WAY_TO_SIGN_IN` with what there is. */
export function chooseWay(io: Io, asked: WayOptions, offered: SignInOptions): Way {
  const auth = asked.auth ?? offered.preferred;
  if (auth === '')
    throw failure(
      'NO_WAY_TO_SIGN_IN',
      'this cluster has no way to sign in: local users are off and there is no connector',
      'ask the administrator',
    );
  if (auth !== 'local' && !offered.connectors.some(({ name }) => name === auth))
    throw failure(
      'NO_SUCH_CONNECTOR',
      `there is no connector ${auth} to sign in with`,
      `--auth takes ${choices(offered)}`,
    );
  if (auth === 'local' && !offered.local)
    throw failure(
      'LOCAL_SIGN_IN_OFF',
      'local users can not sign in to this cluster',
      `--auth takes ${choices(offered)}`,
    );
  if (asked.device === true) return { type: 'code', auth };
  const inTerminal = auth === 'local' && offered.secondFactors.includes('otp') && asked.browser === undefined;
  if (inTerminal) return { type: 'password', auth: 'local' };
  // Nobody would see a browser that opens here, and one elsewhere can not answer to this machine.
  if (asked.browser === undefined && !hasBrowser(io)) return { type: 'code', auth };
  return {
    type: 'browser',
    auth,
    connector: auth === 'local' ? '' : auth,
    open: asked.browser !== 'none' && hasBrowser(io),
  };
}

function choices({ connectors, local }: SignInOptions): string {
  const names = [...(local ? ['local'] : []), ...connectors.map(({ name }) => visible(name))];
  return names.length === 0 ? 'nothing here; ask the administrator' : names.join(', ');
}
