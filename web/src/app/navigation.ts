import {
  IconDatabase,
  IconHome,
  IconListSearch,
  IconLock,
  IconPlugConnected,
  IconSettings,
  IconShieldLock,
  IconTerminal2,
  IconTicket,
  IconUsers,
  type Icon,
} from '@tabler/icons-react';
import { may, type Session, type Verb } from '../api/session.ts';

/** A place in the navigation and in the command palette. */
export type Place = {
  readonly to:
    | '/'
    | '/databases'
    | '/sessions'
    | '/audit'
    | '/users'
    | '/roles'
    | '/locks'
    | '/tokens'
    | '/connectors'
    | '/settings';
  readonly label: string;
  readonly description: string;
  readonly icon: Icon;
  readonly group: 'Work' | 'Access';
  /** Shown to those whose roles give it; without it to everybody. */
  readonly needs?: readonly [resource: string, verb: Verb];
};

const PLACES: readonly Place[] = [
  { to: '/', label: 'Home', description: 'What matters today', icon: IconHome, group: 'Work' },
  {
    to: '/databases',
    label: 'Databases',
    description: 'What you can reach, and how',
    icon: IconDatabase,
    group: 'Work',
  },
  {
    to: '/sessions',
    label: 'Sessions',
    description: 'Live now, and what was done before',
    icon: IconTerminal2,
    group: 'Work',
  },
  {
    to: '/audit',
    label: 'Audit log',
    description: 'Every statement and every refusal',
    icon: IconListSearch,
    group: 'Work',
    needs: ['event', 'list'],
  },
  {
    to: '/users',
    label: 'Users',
    description: 'People, their roles and factors',
    icon: IconUsers,
    group: 'Access',
    needs: ['user', 'list'],
  },
  {
    to: '/roles',
    label: 'Roles',
    description: 'Who can reach what, and why',
    icon: IconShieldLock,
    group: 'Access',
    needs: ['role', 'list'],
  },
  {
    to: '/locks',
    label: 'Locks',
    description: 'Stop a person, role or agent now',
    icon: IconLock,
    group: 'Access',
    needs: ['lock', 'list'],
  },
  {
    to: '/tokens',
    label: 'Join tokens',
    description: 'Let agents and proxies join',
    icon: IconTicket,
    group: 'Access',
    needs: ['token', 'list'],
  },
  {
    to: '/connectors',
    label: 'Connectors',
    description: 'Single sign-on: OIDC, SAML, GitHub',
    icon: IconPlugConnected,
    group: 'Access',
    needs: ['auth_connector', 'list'],
  },
  {
    to: '/settings',
    label: 'Settings',
    description: 'Sign-in rules of the cluster',
    icon: IconSettings,
    group: 'Access',
    needs: ['cluster_auth_preference', 'read'],
  },
];

/** Where this person can go: what their roles would refuse is left out. */
export function placesFor(session: Session): readonly Place[] {
  return PLACES.filter((place) => place.needs === undefined || may(session, ...place.needs));
}
