import { ActionIcon, Box, Group, Text } from '@mantine/core';
import { useClipboard } from '@mantine/hooks';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import type { ReactNode } from 'react';

/**
 * One line to paste elsewhere: a command, a link, a secret. `label` names it for screen readers and for the button; `prompt` draws a `$` that is not copied. Long lines scroll, they are
 * never cut, as a cut command is a wrong command.
 */
export function CopyLine(props: {
  readonly value: string;
  readonly label: string;
  readonly prompt?: boolean;
}): ReactNode {
  const clipboard = useClipboard({ timeout: 2000 });
  return (
    <Group
      gap={0}
      wrap="nowrap"
      bg="var(--tessera-well)"
      bd="1px solid var(--mantine-color-default-border)"
      style={{ borderRadius: 'var(--mantine-radius-md)' }}
    >
      <Box className="copy-line-text" tabIndex={0} role="group" aria-label={props.label}>
        <Text ff="monospace" size="sm" px="sm" py={8} style={{ whiteSpace: 'pre' }}>
          {props.prompt === true && (
            <Text span inherit c="dimmed" aria-hidden style={{ userSelect: 'none' }}>
              ${' '}
            </Text>
          )}
          {props.value}
        </Text>
      </Box>
      <ActionIcon
        variant="subtle"
        color={clipboard.copied ? 'green' : 'gray'}
        size="lg"
        mx={2}
        title={clipboard.copied ? 'Copied' : 'Copy'}
        aria-label={`Copy: ${props.label}`}
        onClick={() => clipboard.copy(props.value)}
      >
        {clipboard.copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
      </ActionIcon>
      <Box className="visually-hidden" aria-live="polite">
        {clipboard.copied
          ? `Copied: ${props.label}`
          : clipboard.error === null
            ? ''
            : 'Copying failed; select the text instead'}
      </Box>
    </Group>
  );
}
