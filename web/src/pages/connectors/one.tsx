import { Button } from '@mantine/core';
import { IconTrash } from '@tabler/icons-react';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { NotFound } from '../../app/outcomes.tsx';
import { useMay } from '../../api/session.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { AnchorLink } from '../../parts/links.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { DeleteDialog } from '../../parts/resources/delete-dialog.tsx';
import type { Item } from '../../parts/resources/item.ts';
import { ResourceEditor } from '../../parts/resources/resource-editor.tsx';
import { useResource } from '../../parts/resources/use-resources.ts';
import { PageSkeleton } from '../../parts/skeletons.tsx';
import { Beside, SECRETS_HINT } from './beside.tsx';
import { isConnectorKind, protocolName, type ConnectorKind } from './connector.ts';
import { SCHEMAS } from './schemas.ts';

/** One connector: its text, what the provider has to know, a try-out. */
export function Page(): ReactNode {
  const { kind, name } = useParams({ from: '/shell/connectors/$kind/$name' });
  return isConnectorKind(kind) ? <Loaded key={`${kind}/${name}`} kind={kind} name={name} /> : <NotFound />;
}

function Loaded({ kind, name }: { readonly kind: ConnectorKind; readonly name: string }): ReactNode {
  const { item, isPending, error, retry } = useResource(kind, name);
  if (item !== undefined) return <Connector kind={kind} connector={item} />;
  return (
    <>
      <PageHeader title={name} description={<AnchorLink to="/connectors">All connectors</AnchorLink>} />
      {isPending ? (
        <PageSkeleton />
      ) : (
        <ErrorState error={error} what="The connector could not be loaded" onRetry={retry} />
      )}
    </>
  );
}

function Connector({ kind, connector }: { readonly kind: ConnectorKind; readonly connector: Item }): ReactNode {
  const may = useMay();
  const navigate = useNavigate();
  const [draft, setDraft] = useState<string | undefined>(connector.json);
  const [removing, setRemoving] = useState(false);
  const mayWrite = may('auth_connector', 'update');
  return (
    <>
      <PageHeader
        title={connector.name}
        description={
          <>
            {protocolName(kind)} ·{' '}
            <AnchorLink to="/connectors" underline="always">
              All connectors
            </AnchorLink>
          </>
        }
        actions={
          may('auth_connector', 'delete') && (
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
      <Beside kind={kind} stored draft={mayWrite ? draft : connector.json}>
        <ResourceEditor
          kind={kind}
          noun="connector"
          stored={connector}
          schema={SCHEMAS[kind]}
          mayWrite={mayWrite}
          hint={SECRETS_HINT}
          onDraft={setDraft}
        />
      </Beside>
      <DeleteDialog
        item={removing ? connector : undefined}
        title={`Delete the connector ${connector.name}?`}
        text="Nobody can sign in by it any more, and its secrets are gone. Who is signed in stays so until their certificate ends: use a lock when it must be now."
        onClose={() => setRemoving(false)}
        onDeleted={() => void navigate({ to: '/connectors' })}
      />
    </>
  );
}
