import { Center, Stack, Text, ThemeIcon } from '@mantine/core';
import type { Icon } from '@tabler/icons-react';
import type { ReactNode } from 'react';

/** Nothing is here, and that is no fault: why, and what to do next (`children`: a button, or a CopyLine). */
export function EmptyState(props: {
  readonly icon?: Icon;
  readonly title: string;
  readonly text?: ReactNode;
  readonly children?: ReactNode;
}): ReactNode {
  return (
    <Center py={48} px="md">
      <Stack align="center" gap="sm" maw={460} w="100%">
        {props.icon !== undefined && (
          <ThemeIcon variant="light" size={56} radius="xl" aria-hidden>
            <props.icon size={28} stroke={1.5} />
          </ThemeIcon>
        )}
        <Text fw={600} ta="center">
          {props.title}
        </Text>
        {props.text !== undefined && (
          <Text c="dimmed" size="sm" ta="center" component="div">
            {props.text}
          </Text>
        )}
        {props.children}
      </Stack>
    </Center>
  );
}
