import { IconListSearch } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** Every statement and every refusal. */
export function Page(): ReactNode {
  return (
    <>
      <PageHeader title="Audit log" description="Every statement and every refusal" />
      <EmptyState icon={IconListSearch} title="Nothing here yet" />
    </>
  );
}
