import { IconShieldLock } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** Who can reach what, and why. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Roles" description="Who can reach what, and why" />
      <EmptyState icon={IconShieldLock} title="Nothing here yet" />
    </>
  );
}
