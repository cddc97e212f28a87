import { IconUser } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** Accept an invitation. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Welcome" description="Accept an invitation" />
      <EmptyState icon={IconUser} title="Nothing here yet" />
    </>
  );
}
