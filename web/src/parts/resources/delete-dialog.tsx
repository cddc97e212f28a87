import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { ConfirmDialog } from '../confirm-dialog.tsx';
import { log } from '../events/log-client.ts';
import type { Item } from './item.ts';
import { useRefresh } from './use-resources.ts';

/** Asks, then deletes. Shown while there is an `item`; why the server refused stays inside. */
export function DeleteDialog(props: {
  readonly item: Pick<Item, 'kind' | 'name'> | undefined;
  readonly title: string;
  readonly text: ReactNode;
  /** The verb; "Delete". */
  readonly action?: string;
  /** Said when it is done; "Deleted." */
  readonly done?: string;
  readonly onClose: () => void;
  readonly onDeleted?: () => void;
}): ReactNode {
  const refresh = useRefresh();
  const removing = useMutation({
    mutationFn: ({ kind, name }: Pick<Item, 'kind' | 'name'>) => log.deleteResource({ kind, name }),
    onSuccess: async (_answer, { kind }) => {
      notifications.show({ message: props.done ?? 'Deleted.', color: 'green' });
      props.onClose();
      props.onDeleted?.();
      await refresh(kind);
    },
  });
  const close = (): void => {
    removing.reset();
    props.onClose();
  };
  return (
    <ConfirmDialog
      opened={props.item !== undefined}
      title={props.title}
      text={props.text}
      action={props.action ?? 'Delete'}
      danger
      busy={removing.isPending}
      error={removing.error}
      onConfirm={() => (props.item === undefined ? undefined : removing.mutate(props.item))}
      onClose={close}
    />
  );
}
