import { Tabs } from '@mantine/core';
import { useLocation, useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, type ReactNode } from 'react';
import { useMay } from '../../api/session.ts';
import { PageHeader } from '../../parts/page-header.tsx';
import { PageSkeleton } from '../../parts/skeletons.tsx';
import { Live } from './live.tsx';

const Past = lazy(async () => ({ default: (await import('./past-list.tsx')).PastList }));

/** Live now, and what was done before. The second for those who may read the audit log. */
export function Page(): ReactNode {
  const { search } = useLocation();
  const navigate = useNavigate();
  const mayRead = useMay()('event', 'list');
  const tab = search['tab'] === 'past' && mayRead ? 'past' : 'live';
  return (
    <>
      <PageHeader
        title="Sessions"
        description={mayRead ? 'Live now, and what was done before' : 'Your sessions that go on now'}
      />
      {mayRead ? (
        <Tabs
          value={tab}
          onChange={(value) => void navigate({ to: '/sessions', search: value === 'past' ? { tab: 'past' } : {} })}
          keepMounted={false}
        >
          <Tabs.List mb="md">
            <Tabs.Tab value="live">Live</Tabs.Tab>
            <Tabs.Tab value="past">Past</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="live">
            <Live />
          </Tabs.Panel>
          <Tabs.Panel value="past">
            <Suspense fallback={<PageSkeleton />}>
              <Past />
            </Suspense>
          </Tabs.Panel>
        </Tabs>
      ) : (
        <Live />
      )}
    </>
  );
}
