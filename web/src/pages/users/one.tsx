import { Alert, Card, Tabs } from '@mantine/core';
import { IconInfoCircle } from '@tabler/icons-react';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { useMay } from '../../api/session.ts';
import { VisibleText } from '../../parts/events/visible-text.tsx';
import { AnchorLink } from '../../parts/links.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { DeleteDialog } from '../../parts/resources/delete-dialog.tsx';
import type { Item } from '../../parts/resources/item.ts';
import { NotLoaded } from '../../parts/resources/not-loaded.tsx';
import { ResourceEditor } from '../../parts/resources/resource-editor.tsx';
import { useMayExplain, useResource, useResources } from '../../parts/resources/use-resources.ts';
import { Time } from '../../parts/time.tsx';
import schema from '../../schemas/user.json';
import { AccessForm } from './access-form.tsx';
import { UserActions } from './actions.tsx';
import { UserState } from './user-state.tsx';
import { connectorOf, createdAt, createdBy } from './user.ts';

/** One person: what they have, and what can be done about it. */
export function Page(): ReactNode {
  const { name } = useParams({ from: '/shell/users/$name' });
  const answer = useResource('user', name);
  const { item, retry } = answer;
  if (item !== undefined) return <User key={name} user={item} onReload={retry} />;
  return <NotLoaded name={name} noun="user" all="/users" answer={answer} />;
}

function User({ user, onReload }: { readonly user: Item; readonly onReload: () => void }): ReactNode {
  const may = useMay();
  const navigate = useNavigate();
  const locks = useResources('lock', { enabled: may('lock', 'list') });
  const [removing, setRemoving] = useState(false);
  return (
    <>
      <PageHeader
        title={user.name}
        description={<Facts user={user} locks={locks.items} />}
        actions={<UserActions user={user} locks={locks.items} onDelete={() => setRemoving(true)} />}
      />
      <Access user={user} onReload={onReload} />
      <DeleteDialog
        item={removing ? user : undefined}
        title={`Delete the user ${user.name}?`}
        text="Password, second factors and open invitations go with it, and their browsers are signed out. A live session goes on until its certificate ends: lock the user first when it must end now."
        onClose={() => setRemoving(false)}
        onDeleted={() => void navigate({ to: '/users' })}
      />
    </>
  );
}

function Facts({ user, locks }: { readonly user: Item; readonly locks: readonly Item[] }): ReactNode {
  const mayExplain = useMayExplain();
  return (
    <span style={{ display: 'inline-flex', flexWrap: 'wrap', gap: '4px 12px', alignItems: 'center' }}>
      <AnchorLink to="/users" size="sm">
        All users
      </AnchorLink>
      <UserState user={user} locks={locks} />
      {createdAt(user) !== '' && (
        <span>
          created <Time value={createdAt(user)} />
          {createdBy(user) !== '' && (
            <>
              {' '}
              by <VisibleText text={createdBy(user)} />
            </>
          )}
        </span>
      )}
      {mayExplain && (
        <AnchorLink to="/roles" search={{ tab: 'explain', user: user.name }} size="sm">
          What they reach, and why
        </AnchorLink>
      )}
    </span>
  );
}

function Access({ user, onReload }: { readonly user: Item; readonly onReload: () => void }): ReactNode {
  const mayWrite = useMay()('user', 'update');
  const connector = connectorOf(user);
  return (
    <>
      {connector !== undefined && (
        <Alert variant="light" color="blue" icon={<IconInfoCircle aria-hidden />} mb="md" title="Kept by a provider">
          This person signs in at{' '}
          <AnchorLink to="/connectors/$kind/$name" params={connector}>
            <VisibleText text={connector.name} />
          </AnchorLink>
          . Roles and traits are written anew at each sign-in, from what the provider says: change the connector’s rules
          or the groups there. Locking works here.
        </Alert>
      )}
      <Tabs defaultValue="form" keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="form">Roles and traits</Tabs.Tab>
          <Tabs.Tab value="yaml">YAML</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="form">
          <Card withBorder>
            <AccessForm
              key={String(user.revision)}
              user={user}
              mayWrite={mayWrite && connector === undefined}
              onReload={onReload}
            />
          </Card>
        </Tabs.Panel>
        <Tabs.Panel value="yaml">
          <ResourceEditor
            key={String(user.revision)}
            kind="user"
            noun="user"
            stored={user}
            schema={schema}
            mayWrite={mayWrite && connector === undefined}
            hint="Password and second factors do not stand here: a reset makes a link for new ones."
          />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}
