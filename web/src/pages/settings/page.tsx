import { IconSettings } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** Sign-in rules of the cluster. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Settings" description="Sign-in rules of the cluster" />
      <EmptyState icon={IconSettings} title="Nothing here yet" />
    </>
  );
}
