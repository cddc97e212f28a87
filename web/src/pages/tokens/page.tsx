import { IconTicket } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** Let agents and proxies join. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Join tokens" description="Let agents and proxies join" />
      <EmptyState icon={IconTicket} title="Nothing here yet" />
    </>
  );
}
