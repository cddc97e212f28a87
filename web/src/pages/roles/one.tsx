import { IconShieldLock } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** One role. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Role" description="One role" />
      <EmptyState icon={IconShieldLock} title="Nothing here yet" />
    </>
  );
}
