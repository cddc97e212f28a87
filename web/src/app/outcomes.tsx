import { Anchor, Container, Stack, Text, Title } from '@mantine/core';
import { Link, type ErrorComponentProps } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { ErrorState } from '../parts/error-state.tsx';
import { PageSkeleton } from '../parts/skeletons.tsx';

/** While a page's code or its first answer is on the way. */
export function PagePending(): ReactNode {
  return (
    <Container size="xl" p="md">
      <PageSkeleton />
    </Container>
  );
}

/** A page that could not be loaded or failed while it was drawn. */
export function PageFailure({ error, reset }: ErrorComponentProps): ReactNode {
  return (
    <Container size="sm" p="md" mt="xl">
      <ErrorState error={error} what="This page could not be shown" onRetry={reset} />
      {/* A full load, not a route: whatever is broken here is left behind. */}
      <Anchor href="/web/login" size="sm" mt="md" display="inline-block">
        Sign in anew
      </Anchor>
    </Container>
  );
}

/** An address that leads nowhere, outside of every frame. */
export function NowhereAtAll(): ReactNode {
  return (
    <main id="main">
      <NotFound />
    </main>
  );
}

/** An address that leads nowhere, inside a frame. */
export function NotFound(): ReactNode {
  return (
    <Container size="sm" p="md" mt="xl">
      <Stack align="center" gap="xs">
        <Title order={1}>There is no such page</Title>
        <Text c="dimmed" ta="center">
          The address may be misspelt, or what it showed was removed.
        </Text>
        <Anchor component={Link} to="/">
          Go to the first page
        </Anchor>
      </Stack>
    </Container>
  );
}
