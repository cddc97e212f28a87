import '@mantine/spotlight/styles.css';
import { Spotlight, createSpotlight, type SpotlightActionData } from '@mantine/spotlight';
import { IconLogout, IconMoon, IconSearch, IconSun, IconUser } from '@tabler/icons-react';
import { useMantineColorScheme } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, type ReactNode } from 'react';
import type { Place } from './navigation.ts';
import { signOut } from './sign-out.ts';

const [store, palette] = createSpotlight();

/** Go anywhere by typing. Mounted when it is wanted, so that nobody loads it who does not use it. */
export function Palette(props: { readonly places: readonly Place[]; readonly onClosed: () => void }): ReactNode {
  const actions = useActions(props.places);
  useEffect(() => palette.open(), []);
  return (
    <Spotlight
      store={store}
      actions={actions}
      shortcut={null}
      highlightQuery
      nothingFound="Nothing of that name"
      scrollable
      maxHeight={420}
      attributes={{ content: { 'aria-label': 'Go to' } }}
      onSpotlightClose={props.onClosed}
      searchProps={{
        leftSection: <IconSearch size={18} aria-hidden />,
        placeholder: 'Where to?',
        'aria-label': 'Search pages and actions',
      }}
    />
  );
}

function useActions(places: readonly Place[]): SpotlightActionData[] {
  const navigate = useNavigate();
  const { setColorScheme } = useMantineColorScheme();
  return [
    ...places.map((place) => ({
      id: place.to,
      label: place.label,
      description: place.description,
      leftSection: <place.icon size={20} stroke={1.6} aria-hidden />,
      onClick: () => void navigate({ to: place.to }),
    })),
    {
      id: 'account',
      label: 'Your account',
      description: 'Second factors, roles, traits',
      leftSection: <IconUser size={20} stroke={1.6} aria-hidden />,
      onClick: () => void navigate({ to: '/account' }),
    },
    {
      id: 'dark',
      label: 'Dark colours',
      leftSection: <IconMoon size={20} stroke={1.6} aria-hidden />,
      onClick: () => setColorScheme('dark'),
    },
    {
      id: 'light',
      label: 'Light colours',
      leftSection: <IconSun size={20} stroke={1.6} aria-hidden />,
      onClick: () => setColorScheme('light'),
    },
    {
      id: 'sign-out',
      label: 'Sign out',
      leftSection: <IconLogout size={20} stroke={1.6} aria-hidden />,
      onClick: () => void signOut(),
    },
  ];
}
