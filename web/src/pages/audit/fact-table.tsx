import { Anchor, Table } from '@mantine/core';
import type { ReactNode } from 'react';
import type { AuditEvent } from '../../parts/events/event.ts';
import { VisibleText } from '../../parts/events/visible-text.tsx';
import type { Fact } from './facts.ts';
import type { AuditFilters } from './filters.ts';

/** Facts of an event; a person, a database or a session leads to more of the same. */
export function FactTable(props: {
  readonly facts: readonly Fact[];
  readonly event: AuditEvent;
  readonly onFilter: (filters: Partial<AuditFilters>) => void;
}): ReactNode {
  return (
    <Table withRowBorders={false} verticalSpacing={3} horizontalSpacing={0} layout="fixed" fz="sm">
      <Table.Tbody>
        {props.facts.map((fact) => (
          <Table.Tr key={fact.label}>
            <Table.Th scope="row" w={170} fw={400} c="dimmed" style={{ verticalAlign: 'top' }}>
              {fact.label}
            </Table.Th>
            <Table.Td style={{ overflowWrap: 'anywhere' }}>
              {fact.follow === undefined ? (
                <VisibleText text={fact.value} />
              ) : (
                <Anchor
                  component="button"
                  type="button"
                  inherit
                  ta="left"
                  title={TITLES[fact.follow]}
                  onClick={() => props.onFilter(filterOf(fact.follow, props.event))}
                >
                  <VisibleText text={fact.value} />
                </Anchor>
              )}
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

const TITLES = {
  user: 'Only events of this user',
  database: 'Only events of this database',
  session: 'Only events of this session',
} as const;

function filterOf(follow: Fact['follow'], event: AuditEvent): Partial<AuditFilters> {
  if (follow === 'user') return { user: event.user };
  return follow === 'database' ? { database: event.database } : { session: event.session };
}
