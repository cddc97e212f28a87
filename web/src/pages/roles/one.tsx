import { useParams } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { useMay } from '../../api/session.ts';
import { AnchorLink } from '../../parts/links.tsx';
import { DeletableHeader } from '../../parts/resources/deletable-header.tsx';
import type { Item } from '../../parts/resources/item.ts';
import { NotLoaded } from '../../parts/resources/not-loaded.tsx';
import { ResourceEditor } from '../../parts/resources/resource-editor.tsx';
import { useResource } from '../../parts/resources/use-resources.ts';
import schema from '../../schemas/role.json';
import { BesideEditor } from './beside-editor.tsx';

/** One role: its text, and what it opens. */
export function Page(): ReactNode {
  const { name } = useParams({ from: '/shell/roles/$name' });
  const answer = useResource('role', name);
  const { item } = answer;
  if (item !== undefined) return <Role key={name} role={item} />;
  return <NotLoaded name={name} noun="role" all="/roles" answer={answer} />;
}

function Role({ role }: { readonly role: Item }): ReactNode {
  const may = useMay();
  const [draft, setDraft] = useState<string | undefined>(role.json);
  const mayWrite = may('role', 'update');
  return (
    <>
      <DeletableHeader
        item={role}
        description={<AnchorLink to="/roles">All roles</AnchorLink>}
        mayDelete={may('role', 'delete')}
        noun="role"
        text="Nobody can get it back but by writing it anew. A role that somebody still holds is not deleted."
        all="/roles"
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
    </>
  );
}
