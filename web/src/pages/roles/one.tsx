import { Button } from '@mantine/core';
import { IconTrash } from '@tabler/icons-react';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { useMay } from '../../api/session.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { AnchorLink } from '../../parts/links.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { DeleteDialog } from '../../parts/resources/delete-dialog.tsx';
import type { Item } from '../../parts/resources/item.ts';
import { ResourceEditor } from '../../parts/resources/resource-editor.tsx';
import { useResource } from '../../parts/resources/use-resources.ts';
import { PageSkeleton } from '../../parts/skeletons.tsx';
import schema from '../../schemas/role.json';
import { BesideEditor } from './beside-editor.tsx';

/** One role: its text, and what it opens. */
export function Page(): ReactNode {
  const { name } = useParams({ from: '/shell/roles/$name' });
  const { item, isPending, error, retry } = useResource('role', name);
  if (item !== undefined) return <Role key={name} role={item} />;
  return (
    <>
      <PageHeader title={name} description={<AnchorLink to="/roles">All roles</AnchorLink>} />
      {isPending ? <PageSkeleton /> : <ErrorState error={error} what="The role could not be loaded" onRetry={retry} />}
    </>
  );
}

function Role({ role }: { readonly role: Item }): ReactNode {
  const may = useMay();
  const navigate = useNavigate();
  const [draft, setDraft] = useState<string | undefined>(role.json);
  const [removing, setRemoving] = useState(false);
  const mayWrite = may('role', 'update');
  return (
    <>
      <PageHeader
        title={role.name}
        description={<AnchorLink to="/roles">All roles</AnchorLink>}
        actions={
          may('role', 'delete') && (
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
      <BesideEditor draft={mayWrite ? draft : role.json}>
        <ResourceEditor
          kind="role"
          noun="role"
          stored={role}
          schema={schema}
          mayWrite={mayWrite}
          onDraft={setDraft}
          hint="A change counts at the next connection. Sessions that are open go on: use a lock when it must be now."
        />
      </BesideEditor>
      <DeleteDialog
        item={removing ? role : undefined}
        title={`Delete the role ${role.name}?`}
        text="Nobody can get it back but by writing it anew. A role that somebody still holds is not deleted."
        onClose={() => setRemoving(false)}
        onDeleted={() => void navigate({ to: '/roles' })}
      />
    </>
  );
}
