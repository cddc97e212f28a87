import { Box, Button, Group, Modal, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { VisibleText } from '../events/visible-text.tsx';
import { ErrorState } from '../error-state.tsx';
import { changedParts, type LineChange } from './changed-lines.ts';
import classes from './changes.module.css';

/** Shows what will be different, line by line, and saves. */
export function ChangesDialog(props: {
  readonly opened: boolean;
  readonly title: string;
  readonly changes: readonly LineChange[];
  /** What else to know before saving. */
  readonly note?: ReactNode;
  readonly action: string;
  readonly busy: boolean;
  readonly error: unknown;
  /** Somebody else wrote it meanwhile. */
  readonly conflict: boolean;
  readonly onCompare: () => void;
  readonly onSave: () => void;
  readonly onClose: () => void;
}): ReactNode {
  const { conflict } = props;
  return (
    <Modal
      opened={props.opened}
      onClose={() => (props.busy ? undefined : props.onClose())}
      title={<Text fw={600}>{props.title}</Text>}
      size="xl"
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <Stack gap="md">
        <Changes changes={props.changes} />
        {props.note !== undefined && (
          <Text size="sm" c="dimmed" component="div">
            {props.note}
          </Text>
        )}
        {props.error !== null && props.error !== undefined && (
          <ErrorState
            error={props.error}
            what="It was not saved"
            {...(conflict
              ? { next: 'Your text is still here: compare it with what is there now, then save or correct it.' }
              : {})}
          />
        )}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={props.onClose} disabled={props.busy}>
            Go on editing
          </Button>
          {conflict ? (
            <Button onClick={props.onCompare} loading={props.busy} data-autofocus>
              Compare with what is there now
            </Button>
          ) : (
            <Button onClick={props.onSave} loading={props.busy} data-autofocus>
              {props.action}
            </Button>
          )}
        </Group>
      </Stack>
    </Modal>
  );
}

/** The changed lines with some around them. */
function Changes({ changes }: { readonly changes: readonly LineChange[] }): ReactNode {
  const count = (kind: LineChange['kind']): number => changes.filter((change) => change.kind === kind).length;
  const parts = changedParts(changes);
  return (
    <>
      <Text size="sm" role="status">
        {parts.length === 0
          ? 'No line is different.'
          : `${linesWord(count('added'))} added, ${linesWord(count('removed'))} removed.`}
      </Text>
      {parts.length > 0 && (
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
        <Box className={classes['changes']} tabIndex={0} role="group" aria-label="Changed lines">
          {parts.map((part, index) => (
            <div key={index}>
              {part.skipped > 0 && <div className={classes['skipped']}>{linesWord(part.skipped)} as before</div>}
              {part.lines.map((line, row) => (
                <Line key={row} line={line} />
              ))}
            </div>
          ))}
        </Box>
      )}
    </>
  );
}

function linesWord(count: number): string {
  return count === 1 ? '1 line' : `${count} lines`;
}

const SIGNS = { same: ' ', added: '+', removed: '−' } as const;
const WORDS = { same: '', added: 'added: ', removed: 'removed: ' } as const;

function Line({ line }: { readonly line: LineChange }): ReactNode {
  return (
    <div className={classes[line.kind]}>
      <span className={classes['sign']} aria-hidden>
        {SIGNS[line.kind]}
      </span>
      <span className="visually-hidden">{WORDS[line.kind]}</span>
      <VisibleText text={line.text} layout="block" />
    </div>
  );
}
