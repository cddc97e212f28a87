import { IconTerminal2 } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** One session and its statements. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Session" description="One session and its statements" />
      <EmptyState icon={IconTerminal2} title="Nothing here yet" />
    </>
  );
}
