import { IconPlugConnected } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** One connector. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Connector" description="One connector" />
      <EmptyState icon={IconPlugConnected} title="Nothing here yet" />
    </>
  );
}
