import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router';
import type { QueryClient } from '@tanstack/react-query';
import { isSignedOut } from '../api/errors.ts';
import { signInPath } from '../api/next-path.ts';
import { loadSession } from '../api/session.ts';
import { queryClient } from '../api/transport.ts';
import { holdToken } from '../pages/invite/held-token.ts';
import { NotFound, NowhereAtAll, PageFailure, PagePending } from './outcomes.tsx';

/**
 * Every page and its address below /web. Pages and both frames are chunks of their own, loaded when somebody goes there; `plain` is the frame of pages before sign-in, `shell` that of all
 * others and asks for the session first.
 */

const root = createRootRouteWithContext<{ readonly queryClient: QueryClient }>()({
  notFoundComponent: NowhereAtAll,
  // Pages read their own parameters and check each (filters.ts); what is not theirs they leave alone.
  validateSearch: (search: Record<string, unknown>): { readonly [name: string]: unknown } => search,
});

const plain = createRoute({
  getParentRoute: () => root,
  id: 'plain',
  component: lazyRouteComponent(() => import('./plain.tsx'), 'Plain'),
});

const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  beforeLoad: async ({ context, location }) => {
    try {
      await loadSession(context.queryClient);
    } catch (error) {
      if (isSignedOut(error)) throw redirect({ href: signInPath(`/web${location.href}`), reloadDocument: true });
      throw error;
    }
  },
  component: lazyRouteComponent(() => import('./shell.tsx'), 'Shell'),
});

const signIn = createRoute({
  getParentRoute: () => plain,
  path: '/login',
  component: lazyRouteComponent(() => import('../pages/sign-in/page.tsx'), 'Page'),
});
// The token leaves the address bar and the history before the page is shown, and before anything is asked of the server.
const inviteLink = createRoute({
  getParentRoute: () => plain,
  path: '/invite/$token',
  beforeLoad: ({ params, preload }) => {
    if (preload) return;
    holdToken(params.token);
    throw redirect({ to: '/invite', replace: true });
  },
});
const invite = createRoute({
  getParentRoute: () => plain,
  path: '/invite',
  component: lazyRouteComponent(() => import('../pages/invite/page.tsx'), 'Page'),
});

const home = createRoute({
  getParentRoute: () => shell,
  path: '/',
  component: lazyRouteComponent(() => import('../pages/home/page.tsx'), 'Page'),
});
const account = createRoute({
  getParentRoute: () => shell,
  path: '/account',
  component: lazyRouteComponent(() => import('../pages/account/page.tsx'), 'Page'),
});
const device = createRoute({
  getParentRoute: () => shell,
  path: '/device',
  component: lazyRouteComponent(() => import('../pages/device/page.tsx'), 'Page'),
});
const confirm = createRoute({
  getParentRoute: () => shell,
  path: '/confirm/$id',
  component: lazyRouteComponent(() => import('../pages/confirm/page.tsx'), 'Page'),
});

const databases = createRoute({
  getParentRoute: () => shell,
  path: '/databases',
  component: lazyRouteComponent(() => import('../pages/databases/page.tsx'), 'Page'),
});
const enrol = createRoute({
  getParentRoute: () => shell,
  path: '/databases/enrol',
  component: lazyRouteComponent(() => import('../pages/databases/enrol.tsx'), 'Page'),
});
const audit = createRoute({
  getParentRoute: () => shell,
  path: '/audit',
  component: lazyRouteComponent(() => import('../pages/audit/page.tsx'), 'Page'),
});
const sessions = createRoute({
  getParentRoute: () => shell,
  path: '/sessions',
  component: lazyRouteComponent(() => import('../pages/sessions/page.tsx'), 'Page'),
});
const session = createRoute({
  getParentRoute: () => shell,
  path: '/sessions/$sid',
  component: lazyRouteComponent(() => import('../pages/sessions/one.tsx'), 'Page'),
});

const users = createRoute({
  getParentRoute: () => shell,
  path: '/users',
  component: lazyRouteComponent(() => import('../pages/users/page.tsx'), 'Page'),
});
const user = createRoute({
  getParentRoute: () => shell,
  path: '/users/$name',
  component: lazyRouteComponent(() => import('../pages/users/one.tsx'), 'Page'),
});
const roles = createRoute({
  getParentRoute: () => shell,
  path: '/roles',
  component: lazyRouteComponent(() => import('../pages/roles/page.tsx'), 'Page'),
});
const role = createRoute({
  getParentRoute: () => shell,
  path: '/roles/$name',
  component: lazyRouteComponent(() => import('../pages/roles/one.tsx'), 'Page'),
});
const locks = createRoute({
  getParentRoute: () => shell,
  path: '/locks',
  component: lazyRouteComponent(() => import('../pages/locks/page.tsx'), 'Page'),
});
const tokens = createRoute({
  getParentRoute: () => shell,
  path: '/tokens',
  component: lazyRouteComponent(() => import('../pages/tokens/page.tsx'), 'Page'),
});
const connectors = createRoute({
  getParentRoute: () => shell,
  path: '/connectors',
  component: lazyRouteComponent(() => import('../pages/connectors/page.tsx'), 'Page'),
});
const connector = createRoute({
  getParentRoute: () => shell,
  path: '/connectors/$kind/$name',
  component: lazyRouteComponent(() => import('../pages/connectors/one.tsx'), 'Page'),
});
const settings = createRoute({
  getParentRoute: () => shell,
  path: '/settings',
  component: lazyRouteComponent(() => import('../pages/settings/page.tsx'), 'Page'),
});

const routeTree = root.addChildren([
  plain.addChildren([signIn, inviteLink, invite]),
  shell.addChildren([
    ...([home, account, device, confirm, databases, enrol, audit, sessions, session] as const),
    ...([users, user, roles, role, locks, tokens, connectors, connector, settings] as const),
  ]),
]);

export const router = createRouter({
  routeTree,
  basepath: '/web',
  context: { queryClient },
  defaultPreload: 'intent',
  scrollRestoration: true,
  defaultPendingComponent: PagePending,
  defaultErrorComponent: PageFailure,
  defaultNotFoundComponent: NotFound,
});

// The code of the first page and its frame comes while the server is asked who the person is, not after.
for (const match of router.matchRoutes(router.latestLocation)) {
  const routes: Readonly<Record<string, Parameters<typeof router.loadRouteChunk>[0]>> = router.routesById;
  const route = routes[match.routeId as string];
  // What can not be loaded is said where it is shown.
  if (route !== undefined) router.loadRouteChunk(route)?.catch(() => undefined);
}

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
