import { useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { useSession } from '../../api/session.ts';
import { AnchorLink } from '../../parts/links.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { ResourceEditor } from '../../parts/resources/resource-editor.tsx';
import { UNCHECKED } from '../../parts/resources/unchecked.ts';
import { Beside, SECRETS_HINT } from './beside.tsx';
import { SCHEMAS } from './schemas.ts';
import type { Template } from './templates.ts';

/** A new connector, from a template. */
export function NewConnector({ template }: { readonly template: Template }): ReactNode {
  const navigate = useNavigate();
  const { proxyPublicAddr } = useSession();
  const [draft, setDraft] = useState<string | undefined>(UNCHECKED);
  const [text] = useState(() => template.yaml(proxyPublicAddr));
  return (
    <>
      <PageHeader
        title={`New connector: ${template.title}`}
        description={<AnchorLink to="/connectors">All connectors</AnchorLink>}
      />
      <Beside kind={template.kind} stored={false} draft={draft}>
        <ResourceEditor
          kind={template.kind}
          noun="connector"
          template={text}
          schema={SCHEMAS[template.kind]}
          mayWrite
          hint={SECRETS_HINT}
          onDraft={setDraft}
          onSaved={(item) =>
            void navigate({ to: '/connectors/$kind/$name', params: { kind: item.kind, name: item.name } })
          }
        />
      </Beside>
    </>
  );
}
