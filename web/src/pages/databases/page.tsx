import { IconDatabase } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** What you can reach, and how. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Databases" description="What you can reach, and how" />
      <EmptyState icon={IconDatabase} title="Nothing here yet" />
    </>
  );
}
