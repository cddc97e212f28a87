import { Box, Group, Stack, Text, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import type { ReactNode } from 'react';

/** A page's title (its only h1, and the browser tab's), a line that says what it is for, and its actions on the right. */
export function PageHeader(props: {
  readonly title: string;
  readonly description?: ReactNode;
  readonly actions?: ReactNode;
}): ReactNode {
  useDocumentTitle(`${props.title} · Tessera`);
  return (
    <Group justify="space-between" align="flex-start" mb="lg" gap="md">
      <Stack gap={4} flex="1 1 18rem" miw={0}>
        <Title order={1} style={{ overflowWrap: 'anywhere' }}>
          {props.title}
        </Title>
        {props.description !== undefined && (
          <Text c="dimmed" size="sm" component="div">
            {props.description}
          </Text>
        )}
      </Stack>
      {props.actions !== undefined && <Box>{props.actions}</Box>}
    </Group>
  );
}
