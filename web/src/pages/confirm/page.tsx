import { IconTerminal2 } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** Approve what a terminal asks for. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Confirm" description="Approve what a terminal asks for" />
      <EmptyState icon={IconTerminal2} title="Nothing here yet" />
    </>
  );
}
