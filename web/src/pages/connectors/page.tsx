import { Card, Table } from '@mantine/core';
import { IconPlugConnected } from '@tabler/icons-react';
import { useLocation } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useMay } from '../../api/session.ts';
import { EmptyState } from '../../parts/empty-state.tsx';
import { ErrorState } from '../../parts/error-state.tsx';
import { VisibleText } from '../../parts/events/visible-text.tsx';
import { AnchorLink } from '../../parts/links.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import type { Item } from '../../parts/resources/item.ts';
import { NewFromTemplate } from '../../parts/resources/new-from-template.tsx';
import { useResources } from '../../parts/resources/use-resources.ts';
import { RowsSkeleton } from '../../parts/rows-skeleton.tsx';
import { displayName, issuerOf, protocolName, rolesOf } from './connector.ts';
import { NewConnector } from './new-connector.tsx';
import { TEMPLATES } from './templates.ts';

/** Single sign-on. */
export function Page(): ReactNode {
  const { search } = useLocation();
  const mayCreate = useMay()('auth_connector', 'create');
  const template = TEMPLATES.find(({ id }) => id === search['new']);
  if (template !== undefined && mayCreate) return <NewConnector key={template.id} template={template} />;
  return (
    <>
      <PageHeader
        title="Connectors"
        description="People sign in at these providers; what a provider says of them gives their roles"
        actions={mayCreate && <NewMenu />}
      />
      <Connectors mayCreate={mayCreate} />
    </>
  );
}

function Connectors({ mayCreate }: { readonly mayCreate: boolean }): ReactNode {
  const lists = [useResources('oidc'), useResources('saml'), useResources('github')];
  const items = lists.flatMap((list) => list.items);
  const isPending = lists.some((list) => list.isPending);
  const failed = lists.find(({ error }) => error !== null);
  if (failed !== undefined && items.length === 0)
    return <ErrorState error={failed.error} what="The connectors could not be loaded" onRetry={failed.retry} />;
  return (
    <Card withBorder padding={0}>
      {!isPending && items.length === 0 ? (
        <EmptyState
          icon={IconPlugConnected}
          title="Nobody signs in at a provider yet"
          text={
            mayCreate
              ? 'With a connector people sign in with the account they have already, and lose access when they lose it.'
              : 'An administrator can add one.'
          }
        >
          {mayCreate && <NewMenu />}
        </EmptyState>
      ) : (
        <ConnectorTable items={items} isPending={isPending} />
      )}
    </Card>
  );
}

function ConnectorTable({
  items,
  isPending,
}: {
  readonly items: readonly Item[];
  readonly isPending: boolean;
}): ReactNode {
  return (
    <Table.ScrollContainer minWidth={680}>
      <Table verticalSpacing="sm" horizontalSpacing="md" highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>Protocol</Table.Th>
            <Table.Th>Button says</Table.Th>
            <Table.Th>Provider</Table.Th>
            <Table.Th>Roles it gives</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {isPending ? (
            <RowsSkeleton rows={3} columns={5} />
          ) : (
            items.map((item) => <Row key={`${item.kind}/${item.name}`} item={item} />)
          )}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Row({ item }: { readonly item: Item }): ReactNode {
  return (
    <Table.Tr style={{ verticalAlign: 'top', overflowWrap: 'anywhere' }}>
      <Table.Td>
        <AnchorLink to="/connectors/$kind/$name" params={{ kind: item.kind, name: item.name }} fw={600} size="sm">
          <VisibleText text={item.name} />
        </AnchorLink>
      </Table.Td>
      <Table.Td style={{ whiteSpace: 'nowrap' }}>{protocolName(item.kind)}</Table.Td>
      <Table.Td>
        <VisibleText text={displayName(item)} />
      </Table.Td>
      <Table.Td>
        <VisibleText text={issuerOf(item)} />
      </Table.Td>
      <Table.Td>
        <VisibleText text={rolesOf(item).join(', ')} />
      </Table.Td>
    </Table.Tr>
  );
}

function NewMenu(): ReactNode {
  return <NewFromTemplate label="New connector" to="/connectors" templates={TEMPLATES} width={340} />;
}
