import { IconLock } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** Stop a person, role or agent now. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Locks" description="Stop a person, role or agent now" />
      <EmptyState icon={IconLock} title="Nothing here yet" />
    </>
  );
}
