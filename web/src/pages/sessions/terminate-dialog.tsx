import { Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useEffect, useState, type ReactNode } from 'react';
import type { LiveSession } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx';
import { log } from '../../parts/events/log-client.ts';
import { VisibleText } from '../../parts/events/visible-text.tsx';

/** Asks before a session is ended, and for words to the person whose session it is. */
export function TerminateDialog(props: {
  readonly session: Pick<LiveSession, 'sessionId' | 'user' | 'databaseService'> | undefined;
  readonly onClose: () => void;
  readonly onEnded?: () => void;
}): ReactNode {
  const { session } = props;
  const [message, setMessage] = useState('');
  const ending = useMutation({
    mutationFn: (sessionId: string) => log.terminateSession({ sessionId, message: message.trim() }),
    onSuccess: () => {
      props.onEnded?.();
      props.onClose();
    },
  });
  const { reset } = ending;
  useEffect(() => {
    setMessage('');
    reset();
  }, [session?.sessionId, reset]);
  return (
    <ConfirmDialog
      opened={session !== undefined}
      title="Terminate this session?"
      text={
        session !== undefined && (
          <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
            The connection of{' '}
            <b>
              <VisibleText text={session.user} />
            </b>{' '}
            to{' '}
            <b>
              <VisibleText text={session.databaseService} />
            </b>{' '}
            ends within a second; a transaction that is open there is rolled back. The person may connect again: to keep
            them out, lock the user.
          </Text>
        )
      }
      action="Terminate"
      danger
      busy={ending.isPending}
      error={ending.error}
      onConfirm={() => (session === undefined ? undefined : ending.mutate(session.sessionId))}
      onClose={props.onClose}
    >
      <TextInput
        label="A message for them"
        description="Their client shows it as the reason. It is recorded in the audit log."
        placeholder="please do not run this before 18:00"
        value={message}
        maxLength={200}
        onChange={(event) => setMessage(event.currentTarget.value)}
      />
    </ConfirmDialog>
  );
}
