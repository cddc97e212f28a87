import { IconTerminal2 } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** Live now, and what was done before. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Sessions" description="Live now, and what was done before" />
      <EmptyState icon={IconTerminal2} title="Nothing here yet" />
    </>
  );
}
