import { Box, Card, Center, Group, Stack } from '@mantine/core';
import { Outlet } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Brand } from './brand.tsx';
import { ThemeToggle } from './theme-toggle.tsx';

/** The frame of pages before sign-in: one card in the middle, nothing that needs a session. */
export function Plain(): ReactNode {
  return (
    <Box mih="100%" bg="var(--tessera-canvas)">
      <Group component="header" justify="space-between" p="md">
        <Brand />
        <ThemeToggle />
      </Group>
      <Center component="main" id="main" px="md" pb="xl" pt={{ base: 'xs', sm: '6vh' }}>
        <Card withBorder p={{ base: 'lg', xs: 'xl' }} radius="lg" w="100%" maw={440} shadow="sm">
          <Stack gap="md">
            <Outlet />
          </Stack>
        </Card>
      </Center>
    </Box>
  );
}
