import { Button } from '@mantine/core';
import { IconTrash } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { PageHeader } from '../page-header.tsx';
import { DeleteDialog } from './delete-dialog.tsx';
import type { Item } from './item.ts';

/** The head of a resource's page, with a button that deletes it and then leads to `all`. */
export function DeletableHeader(props: {
  readonly item: Item;
  readonly description: ReactNode;
  readonly mayDelete: boolean;
  /** What it is, as a sentence calls it: "role". */
  readonly noun: string;
  /** What deleting means. */
  readonly text: string;
  /** Where all of them are. */
  readonly all: '/connectors' | '/roles';
}): ReactNode {
  const { item } = props;
  const navigate = useNavigate();
  const [removing, setRemoving] = useState(false);
  return (
    <>
      <PageHeader
        title={item.name}
        description={props.description}
        actions={
          props.mayDelete && (
            <Button
              variant="default"
              leftSection={<IconTrash size={16} aria-hidden />}
              onClick={() => setRemoving(true)}
            >
              Delete
            </Button>
          )
        }
      />
      <DeleteDialog
        item={removing ? item : undefined}
        title={`Delete the ${props.noun} ${item.name}?`}
        text={props.text}
        onClose={() => setRemoving(false)}
        onDeleted={() => void navigate({ to: props.all })}
      />
    </>
  );
}
