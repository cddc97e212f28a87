import { IconHome } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** What matters today. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Home" description="What matters today" />
      <EmptyState icon={IconHome} title="Nothing here yet" />
    </>
  );
}
