import { Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { may, useSession } from '../../api/session.ts';
import { PageHeader } from '../../parts/page-header.tsx';
import { Dashboard } from './dashboard.tsx';
import { YourDatabases } from './your-databases.tsx';

/** The first page: figures of today for those who look after the cluster, the next command for those who want a database. */
export function Page(): ReactNode {
  const session = useSession();
  const watches = may(session, 'event', 'list') || may(session, 'db_server', 'list');
  return (
    <>
      <PageHeader
        title={watches ? 'Home' : `Hello, ${session.user}`}
        description={watches ? `What matters today in ${session.clusterName}` : 'Your databases, and how to reach them'}
      />
      {session.messageOfTheDay !== '' && (
        <Text size="sm" mb="md" style={{ whiteSpace: 'pre-line' }}>
          {session.messageOfTheDay}
        </Text>
      )}
      {watches ? <Dashboard session={session} /> : <YourDatabases session={session} />}
    </>
  );
}
