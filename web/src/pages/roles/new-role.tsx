import { useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { AnchorLink } from '../../parts/links.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { ResourceEditor } from '../../parts/resources/resource-editor.tsx';
import { UNCHECKED } from '../../parts/resources/unchecked.ts';
import schema from '../../schemas/role.json';
import { BesideEditor } from './beside-editor.tsx';
import type { Template } from './templates.ts';

/** A new role, from a template. */
export function NewRole({ template }: { readonly template: Template }): ReactNode {
  const navigate = useNavigate();
  const [draft, setDraft] = useState<string | undefined>(UNCHECKED);
  return (
    <>
      <PageHeader title="New role" description={<AnchorLink to="/roles">All roles</AnchorLink>} />
      <BesideEditor draft={draft}>
        <ResourceEditor
          kind="role"
          noun="role"
          template={template.yaml}
          schema={schema}
          mayWrite
          onDraft={setDraft}
          onSaved={(item) => void navigate({ to: '/roles/$name', params: { name: item.name } })}
        />
      </BesideEditor>
    </>
  );
}
