import { IconPlugConnected } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** Single sign-on. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Connectors" description="Single sign-on" />
      <EmptyState icon={IconPlugConnected} title="Nothing here yet" />
    </>
  );
}
