import { IconLock } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** Sign in to the cluster. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Sign in" description="Sign in to the cluster" />
      <EmptyState icon={IconLock} title="Nothing here yet" />
    </>
  );
}
