import { Tabs } from '@mantine/core';
import type { ReactNode } from 'react';
import { useMay } from '../../api/session.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import type { Item } from '../../parts/resources/item.ts';
import { ResourceEditor } from '../../parts/resources/resource-editor.tsx';
import { useResource } from '../../parts/resources/use-resources.ts';
import { PageSkeleton } from '../../parts/skeletons.tsx';
import schema from '../../schemas/cluster_auth_preference.json';
import { SettingsForm } from './settings-form.tsx';

const KIND = 'cluster_auth_preference';

/** Sign-in rules of the cluster. */
export function Page(): ReactNode {
  const { item, isPending, error, retry } = useResource(KIND, 'cluster-auth-preference');
  return (
    <>
      <PageHeader title="Settings" description="How people sign in to this cluster, and how long it lasts" />
      {item !== undefined ? (
        <Settings key={String(item.revision)} preference={item} onReload={retry} />
      ) : isPending ? (
        <PageSkeleton />
      ) : (
        <ErrorState error={error} what="The settings could not be loaded" onRetry={retry} />
      )}
    </>
  );
}

function Settings({ preference, onReload }: { readonly preference: Item; readonly onReload: () => void }): ReactNode {
  const mayWrite = useMay()(KIND, 'update');
  return (
    <Tabs defaultValue="form" keepMounted={false}>
      <Tabs.List mb="md">
        <Tabs.Tab value="form">Form</Tabs.Tab>
        <Tabs.Tab value="yaml">YAML</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="form">
        <SettingsForm preference={preference} mayWrite={mayWrite} onReload={onReload} />
      </Tabs.Panel>
      <Tabs.Panel value="yaml">
        <ResourceEditor kind={KIND} noun="settings" stored={preference} schema={schema} mayWrite={mayWrite} />
      </Tabs.Panel>
    </Tabs>
  );
}
