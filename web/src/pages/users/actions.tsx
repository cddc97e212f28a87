import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { IconKey, IconLock, IconLockOpen, IconTrash } from '@tabler/icons-react';
import { useState, type ReactNode } from 'react';
import { PutResourceRequest_Mode as Mode } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { useMay } from '../../api/session.ts';
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx';
import { log } from '../../parts/events/log-client.ts';
import type { Item } from '../../parts/resources/item.ts';
import { useRefresh } from '../../parts/resources/use-resources.ts';
import { useNow } from '../../parts/time.tsx';
import { locksOfUser } from '../locks/lock.ts';
import { NewLockDialog } from '../locks/new-lock-dialog.tsx';
import { LinkOnce, type Link } from './link-once.tsx';
import { connectorOf, lockoutOf, unlockedUserJson } from './user.ts';

type Props = {
  readonly user: Item;
  readonly locks: readonly Item[];
  readonly onDelete: () => void;
};

/** What can be done to a user, by what the person may. */
export function UserActions({ user, locks, onDelete }: Props): ReactNode {
  const may = useMay();
  const nowMs = useNow();
  const held = locksOfUser(locks, user.name, nowMs);
  const isLocked = held.length > 0 || lockoutOf(user, nowMs) !== undefined;
  const [open, setOpen] = useState<'lock' | 'unlock' | 'reset'>();
  const close = (): void => setOpen(undefined);
  const mayUnlock =
    (held.length === 0 || may('lock', 'delete')) && (lockoutOf(user, nowMs) === undefined || may('user', 'update'));
  return (
    <Group gap="xs">
      {connectorOf(user) === undefined && may('user', 'update') && (
        <Button variant="default" leftSection={<IconKey size={16} aria-hidden />} onClick={() => setOpen('reset')}>
          Reset
        </Button>
      )}
      {isLocked && mayUnlock && (
        <Button
          variant="default"
          leftSection={<IconLockOpen size={16} aria-hidden />}
          onClick={() => setOpen('unlock')}
        >
          Unlock
        </Button>
      )}
      {held.length === 0 && may('lock', 'create') && (
        <Button variant="default" leftSection={<IconLock size={16} aria-hidden />} onClick={() => setOpen('lock')}>
          Lock
        </Button>
      )}
      {may('user', 'delete') && (
        <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={onDelete}>
          Delete
        </Button>
      )}
      <NewLockDialog opened={open === 'lock'} onClose={close} target={{ kind: 'user', value: user.name }} />
      <Unlock opened={open === 'unlock'} user={user} held={held} onClose={close} />
      <Reset opened={open === 'reset'} user={user.name} onClose={close} />
    </Group>
  );
}

function Unlock(props: {
  readonly opened: boolean;
  readonly user: Item;
  readonly held: readonly Item[];
  readonly onClose: () => void;
}): ReactNode {
  const { user, held } = props;
  const refresh = useRefresh();
  const unlocking = useMutation({
    mutationFn: async () => {
      for (const lock of held) await log.deleteResource({ kind: 'lock', name: lock.name });
      if (lockoutOf(user, Date.now()) !== undefined)
        await log.putResource({
          json: unlockedUserJson(user.json),
          mode: Mode.UPDATE,
          expectedRevision: user.revision,
        });
    },
    onSuccess: () => {
      notifications.show({ message: `${user.name} is unlocked.`, color: 'green' });
      props.onClose();
    },
    onSettled: () => Promise.all([refresh('lock'), refresh('user')]),
  });
  return (
    <ConfirmDialog
      opened={props.opened}
      title={`Unlock ${user.name}?`}
      text={
        held.length === 0
          ? 'After wrong passwords or codes nobody can sign in with this name for a while. Be sure that it was them.'
          : `${held.length === 1 ? 'A lock' : `${held.length} locks`} of this user will be removed; they may sign in again at once.`
      }
      action="Unlock"
      busy={unlocking.isPending}
      error={unlocking.error}
      onConfirm={() => unlocking.mutate()}
      onClose={props.onClose}
    />
  );
}

function Reset(props: { readonly opened: boolean; readonly user: string; readonly onClose: () => void }): ReactNode {
  const [link, setLink] = useState<Link>();
  const refresh = useRefresh();
  const resetting = useMutation({
    mutationFn: () => log.resetUser({ user: props.user, ttlSeconds: 0 }),
    onSuccess: async (answer) => {
      setLink({ user: props.user, link: answer.link, token: answer.resetToken, expires: answer.expires });
      await refresh('user');
    },
  });
  const close = (): void => {
    setLink(undefined);
    resetting.reset();
    props.onClose();
  };
  if (link === undefined)
    return (
      <ConfirmDialog
        opened={props.opened}
        title={`Reset ${props.user}?`}
        text="The password and every second factor stop working at once, and their browsers are signed out. They choose new ones with a link that you get now."
        action="Reset and make the link"
        danger
        busy={resetting.isPending}
        error={resetting.error}
        onConfirm={() => resetting.mutate()}
        onClose={close}
      />
    );
  return (
    <Modal
      opened={props.opened}
      onClose={close}
      closeOnClickOutside={false}
      closeOnEscape={false}
      size="lg"
      title={<Text fw={600}>{props.user} is reset</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <Stack gap="md">
        <LinkOnce link={link} what="reset" />
        <Group justify="flex-end">
          <Button onClick={close}>I have copied it</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
