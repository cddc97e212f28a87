import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { ErrorState } from './error-state.tsx';

/**
 * Asks before something that can not be undone. The title says what will happen, the text what follows from it, the button repeats the verb. The harmless button has the focus. While
 * `busy` it stays open; an `error` is shown inside.
 */
export function ConfirmDialog(props: {
  readonly opened: boolean;
  readonly title: string;
  readonly text?: ReactNode;
  /** The verb: "Remove", "Terminate". */
  readonly action: string;
  readonly danger?: boolean;
  readonly busy?: boolean;
  readonly error?: unknown;
  readonly children?: ReactNode;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}): ReactNode {
  const busy = props.busy ?? false;
  return (
    <Modal
      opened={props.opened}
      onClose={() => (busy ? undefined : props.onClose())}
      title={<Text fw={600}>{props.title}</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
      centered
    >
      <Stack gap="md">
        {props.text !== undefined && (
          <Text size="sm" component="div">
            {props.text}
          </Text>
        )}
        {props.children}
        {props.error !== undefined && props.error !== null && (
          <ErrorState error={props.error} what="That did not work" />
        )}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={props.onClose} disabled={busy} data-autofocus>
            Cancel
          </Button>
          <Button color={props.danger === true ? 'red' : 'tessera'} onClick={props.onConfirm} loading={busy}>
            {props.action}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
