import type { Interceptor, Transport } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-web';
import { QueryClient } from '@tanstack/react-query';
import { isPassing, isSignedOut } from './errors.ts';
import { signInPath } from './next-path.ts';
import { Touches } from './touch.ts';

/** How often a question is asked again by itself when the server is away. */
const RETRIES = 2;
const FRESH_MS = 10_000;

/**
 * Calls to the Auth Service through the proxy, with the browser's session cookie. Bodies are JSON, readable in the browser's network view. The header shows that a page of ours made the
 * call: another site's form can not set it.
 */
export const transport: Transport = createConnectTransport({
  baseUrl: '/webapi/rpc',
  interceptors: [fromOurPages(), signedOutElsewhere()],
});

/** Answers that pages share. A full page load at sign-in and sign-out empties it, so nothing of one person is left for the next. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { staleTime: FRESH_MS, retry: (failures, error) => failures < RETRIES && isPassing(error) },
    mutations: { retry: false },
  },
});

function fromOurPages(): Interceptor {
  const touches = new Touches(window, () => performance.now());
  return (next) => (request) => {
    request.header.set('x-tessera-web', '1');
    if (touches.isUnattended) request.header.set('x-tessera-background', '1');
    return next(request);
  };
}

// Whoever's session ended is sent to the sign-in page once, however many calls fail at the same moment. A stream may end so long after it began.
function signedOutElsewhere(): Interceptor {
  let leaving = false;
  const look = (error: unknown): void => {
    if (leaving || !isSignedOut(error) || onPublicPage()) return;
    leaving = true;
    goToSignIn();
  };
  async function* watched<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
    try {
      yield* messages;
    } catch (error) {
      look(error);
      throw error;
    }
  }
  return (next) => async (request) => {
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: watched(response.message) } : response;
    } catch (error) {
      look(error);
      throw error;
    }
  };
}

/** Leaves this page for the sign-in page, which comes back here. */
function goToSignIn(): void {
  window.location.replace(signInPath(`${window.location.pathname}${window.location.search}`));
}

function onPublicPage(): boolean {
  return /^\/web\/(login|invite)(\/|$)/.test(window.location.pathname);
}
