import { IconUsers } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** One person. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="User" description="One person" />
      <EmptyState icon={IconUsers} title="Nothing here yet" />
    </>
  );
}
