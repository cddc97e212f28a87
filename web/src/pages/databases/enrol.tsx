import { IconDatabase } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** From protocol to the first connection. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Add a database" description="From protocol to the first connection" />
      <EmptyState icon={IconDatabase} title="Nothing here yet" />
    </>
  );
}
