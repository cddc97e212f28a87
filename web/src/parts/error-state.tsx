import { Alert, Button, Code, Group, Stack, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { toSentences } from '../api/errors.ts';

/**
 * A failure in three sentences: what, why, what to do next. `what` is said by the page ("The roles could not be loaded"), the rest comes from the error. Announced at once to screen readers.
 * With `onRetry` there is a button to try again.
 */
export function ErrorState(props: {
  readonly error: unknown;
  readonly what: string;
  /** What to do next, where the page knows better than the kind of the error. */
  readonly next?: string;
  readonly onRetry?: (() => void) | undefined;
}): ReactNode {
  const words = toSentences(props.error, props.what);
  return (
    <Alert color="red" variant="light" title={words.what} icon={<IconAlertTriangle aria-hidden />} role="alert">
      <Stack gap="xs">
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
          {words.why} {props.next ?? words.next}
        </Text>
        <Group gap="sm">
          {props.onRetry !== undefined && (
            <Button size="xs" variant="default" onClick={props.onRetry}>
              Try again
            </Button>
          )}
          <Code>{words.code}</Code>
        </Group>
      </Stack>
    </Alert>
  );
}
