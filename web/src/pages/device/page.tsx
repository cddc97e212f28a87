import { IconTerminal2 } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** The code that tsh shows. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Enter the code" description="The code that tsh shows" />
      <EmptyState icon={IconTerminal2} title="Nothing here yet" />
    </>
  );
}
