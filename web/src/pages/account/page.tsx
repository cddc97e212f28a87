import { IconUser } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** Second factors, roles and traits. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Your account" description="Second factors, roles and traits" />
      <EmptyState icon={IconUser} title="Nothing here yet" />
    </>
  );
}
