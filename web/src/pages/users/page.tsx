import { IconUsers } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** People, their roles and factors. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Users" description="People, their roles and factors" />
      <EmptyState icon={IconUsers} title="Nothing here yet" />
    </>
  );
}
