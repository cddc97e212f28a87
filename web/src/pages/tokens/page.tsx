import { Button, Card, Code, Table } from '@mantine/core';
import { IconTicket } from '@tabler/icons-react';
import { useState, type ReactNode } from 'react';
import { useMay } from '../../api/session.ts';
import { EmptyState } from '../../parts/empty-state.tsx';
import { DeleteDialog } from '../../parts/resources/delete-dialog.tsx';
import type { Item } from '../../parts/resources/item.ts';
import { ListFrame } from '../../parts/resources/list-frame.tsx';
import { useResources } from '../../parts/resources/use-resources.ts';
import { RowsSkeleton } from '../../parts/rows-skeleton.tsx';
import { Time } from '../../parts/time.tsx';
import { AddToken } from './add-token.tsx';
import { tokenHint, tokenRoles, usesWords } from './token.ts';

/** Let agents and proxies join. */
export function Page(): ReactNode {
  const may = useMay();
  const list = useResources('token');
  const { items, isPending } = list;
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Item>();
  return (
    <>
      <ListFrame
        title="Join tokens"
        description="Agents and proxies join the cluster with one; after that they have certificates of their own"
        noun="tokens"
        list={list}
        mayAdd={may('token', 'create')}
        add="New token"
        onAdd={() => setAdding(true)}
      >
        <Card withBorder padding={0}>
          {!isPending && items.length === 0 ? (
            <EmptyState
              icon={IconTicket}
              title="No token is open"
              text="That is how it should be while no machine is about to join."
            />
          ) : (
            <TokenTable
              tokens={items}
              isPending={isPending}
              onRemove={may('token', 'delete') ? setRemoving : undefined}
            />
          )}
        </Card>
      </ListFrame>
      <AddToken opened={adding} onClose={() => setAdding(false)} />
      <DeleteDialog
        item={removing}
        title="Delete this token?"
        text="No machine can join with it any more. Those that have joined stay."
        done="The token is deleted."
        onClose={() => setRemoving(undefined)}
      />
    </>
  );
}

function TokenTable(props: {
  readonly tokens: readonly Item[];
  readonly isPending: boolean;
  readonly onRemove: ((token: Item) => void) | undefined;
}): ReactNode {
  const { onRemove } = props;
  return (
    <Table.ScrollContainer minWidth={560}>
      <Table verticalSpacing="sm" horizontalSpacing="md" highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Token</Table.Th>
            <Table.Th>For</Table.Th>
            <Table.Th>May be used</Table.Th>
            <Table.Th>Expires</Table.Th>
            {onRemove !== undefined && <Table.Th w={110} aria-label="Delete" />}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {props.isPending ? (
            <RowsSkeleton rows={3} columns={4} />
          ) : (
            props.tokens.map((token) => (
              <Table.Tr key={token.name}>
                <Table.Td>
                  <Code>{tokenHint(token)}</Code>
                </Table.Td>
                <Table.Td>{tokenRoles(token)}</Table.Td>
                <Table.Td>{usesWords(token)}</Table.Td>
                <Table.Td>
                  <Time value={token.expires} />
                </Table.Td>
                {onRemove !== undefined && (
                  <Table.Td ta="right">
                    <Button
                      size="compact-sm"
                      variant="default"
                      aria-label={`Delete the token ${tokenHint(token)}`}
                      onClick={() => onRemove(token)}
                    >
                      Delete
                    </Button>
                  </Table.Td>
                )}
              </Table.Tr>
            ))
          )}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
