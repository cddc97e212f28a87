import { useParams } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { NotFound } from '../../app/outcomes.tsx';
import { useMay } from '../../api/session.ts';
import { AnchorLink } from '../../parts/links.tsx';
import { DeletableHeader } from '../../parts/resources/deletable-header.tsx';
import type { Item } from '../../parts/resources/item.ts';
import { NotLoaded } from '../../parts/resources/not-loaded.tsx';
import { ResourceEditor } from '../../parts/resources/resource-editor.tsx';
import { useResource } from '../../parts/resources/use-resources.ts';
import { Beside, SECRETS_HINT } from './beside.tsx';
import { isConnectorKind, protocolName, type ConnectorKind } from './connector.ts';
import { SCHEMAS } from './schemas.ts';

/** One connector: its text, what the provider has to know, a try-out. */
export function Page(): ReactNode {
  const { kind, name } = useParams({ from: '/shell/connectors/$kind/$name' });
  return isConnectorKind(kind) ? <Loaded key={`${kind}/${name}`} kind={kind} name={name} /> : <NotFound />;
}

function Loaded({ kind, name }: { readonly kind: ConnectorKind; readonly name: string }): ReactNode {
  const answer = useResource(kind, name);
  const { item } = answer;
  if (item !== undefined) return <Connector kind={kind} connector={item} />;
  return <NotLoaded name={name} noun="connector" all="/connectors" answer={answer} />;
}

function Connector({ kind, connector }: { readonly kind: ConnectorKind; readonly connector: Item }): ReactNode {
  const may = useMay();
  const [draft, setDraft] = useState<string | undefined>(connector.json);
  const mayWrite = may('auth_connector', 'update');
  return (
    <>
      <DeletableHeader
        item={connector}
        description={
          <>
            {protocolName(kind)} ·{' '}
            <AnchorLink to="/connectors" underline="always">
              All connectors
            </AnchorLink>
          </>
        }
        mayDelete={may('auth_connector', 'delete')}
        noun="connector"
        text="Nobody can sign in by it any more, and its secrets are gone. Who is signed in stays so until their certificate ends: use a lock when it must be now."
        all="/connectors"
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
    </>
  );
}
