import { ActionIcon, AppShell, Badge, Burger, Button, Group, Kbd, NavLink, Text } from '@mantine/core';
import { useDisclosure, useHotkeys } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useRef, useState, type ReactNode } from 'react';
import { useSession, type Session } from '../api/session.ts';
import { Brand } from './brand.tsx';
import { placesFor, type Place } from './navigation.ts';
import { PersonMenu } from './person-menu.tsx';
import { ThemeToggle } from './theme-toggle.tsx';

const Palette = lazy(async () => ({ default: (await import('./palette.tsx')).Palette }));

/** The frame of every page for a signed-in person: navigation by what they may see, palette, colours, their menu. */
export function Shell(): ReactNode {
  const session = useSession();
  const [opened, menu] = useDisclosure();
  const [palette, setPalette] = useState(false);
  const places = placesFor(session);
  const { pathname } = useLocation();
  const { close } = menu;
  useHotkeys([['mod+K', () => setPalette(true)]], []);
  useEffect(close, [pathname, close]);
  useFocusOnPage(pathname);
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 232, breakpoint: 'sm', collapsed: { mobile: !opened } }}
      padding={{ base: 'md', md: 'lg' }}
    >
      <a className="skip-link" href="#main">
        Skip to the page
      </a>
      <Header session={session} opened={opened} onToggle={menu.toggle} onPalette={() => setPalette(true)} />
      <AppShell.Navbar p="sm" aria-label="Pages">
        <AppShell.Section grow style={{ overflowY: 'auto' }}>
          <Places title="Work" places={places.filter((place) => place.group === 'Work')} here={pathname} />
          <Places title="Access" places={places.filter((place) => place.group === 'Access')} here={pathname} />
        </AppShell.Section>
        <AppShell.Section>
          <Text size="xs" c="dimmed" px="sm" py={4}>
            Tessera {session.version}
          </Text>
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1}>
        <Outlet />
      </AppShell.Main>
      {palette && (
        <Suspense>
          <Palette places={places} onClosed={() => setPalette(false)} />
        </Suspense>
      )}
    </AppShell>
  );
}

// After going elsewhere the focus is at the new page, not at the link that led there; a field that took it by itself keeps it.
function useFocusOnPage(pathname: string): void {
  const before = useRef(pathname);
  useEffect(() => {
    if (before.current === pathname) return;
    before.current = pathname;
    const main = document.getElementById('main');
    if (main?.contains(document.activeElement) === false) main.focus({ preventScroll: true });
  }, [pathname]);
}

function Header(props: {
  readonly session: Session;
  readonly opened: boolean;
  readonly onToggle: () => void;
  readonly onPalette: () => void;
}): ReactNode {
  return (
    <AppShell.Header>
      <Group h="100%" px="md" justify="space-between" wrap="nowrap">
        <Group gap="sm" wrap="nowrap">
          <Burger
            opened={props.opened}
            onClick={props.onToggle}
            hiddenFrom="sm"
            size="sm"
            aria-label={props.opened ? 'Close the navigation' : 'Open the navigation'}
            aria-expanded={props.opened}
          />
          <Brand />
          <Badge title="The cluster" variant="default" tt="none" fw={500} visibleFrom="sm" maw={220}>
            {props.session.clusterName}
          </Badge>
        </Group>
        <Group gap="xs" wrap="nowrap">
          <PaletteButton onOpen={props.onPalette} />
          <ThemeToggle />
          <PersonMenu session={props.session} />
        </Group>
      </Group>
    </AppShell.Header>
  );
}

function Places(props: {
  readonly title: string;
  readonly places: readonly Place[];
  readonly here: string;
}): ReactNode {
  if (props.places.length === 0) return null;
  return (
    <>
      <Text size="xs" c="dimmed" fw={600} px="sm" pt="sm" pb={4}>
        {props.title}
      </Text>
      {props.places.map((place) => {
        const active =
          place.to === '/' ? props.here === '/' : props.here === place.to || props.here.startsWith(`${place.to}/`);
        return (
          <NavLink
            key={place.to}
            component={Link}
            to={place.to}
            label={place.label}
            active={active}
            aria-current={active ? 'page' : undefined}
            leftSection={<place.icon size={18} stroke={1.6} aria-hidden />}
            mb={2}
            style={{ borderRadius: 'var(--mantine-radius-md)' }}
          />
        );
      })}
    </>
  );
}

function PaletteButton({ onOpen }: { readonly onOpen: () => void }): ReactNode {
  const keys = navigator.userAgent.includes('Mac') ? '⌘ K' : 'Ctrl K';
  return (
    <>
      <Button
        variant="default"
        size="xs"
        h={34}
        visibleFrom="sm"
        onClick={onOpen}
        leftSection={<IconSearch size={14} aria-hidden />}
        rightSection={<Kbd size="xs">{keys}</Kbd>}
        c="dimmed"
        fw={400}
      >
        Go to…
      </Button>
      <ActionIcon variant="subtle" color="gray" size="lg" hiddenFrom="sm" onClick={onOpen} aria-label="Go to a page">
        <IconSearch size={18} stroke={1.6} />
      </ActionIcon>
    </>
  );
}
