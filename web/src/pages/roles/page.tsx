import { Button, Card, Tabs, Text } from '@mantine/core';
import { IconShieldLock } from '@tabler/icons-react';
import { useLocation, useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { useMay } from '../../api/session.ts';
import { EmptyState } from '../../parts/empty-state.tsx';
import { ErrorState } from '../../parts/error-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { matches } from '../../parts/resources/item.ts';
import { NewFromTemplate } from '../../parts/resources/new-from-template.tsx';
import { SearchField } from '../../parts/resources/search-field.tsx';
import { useMayExplain, useResources } from '../../parts/resources/use-resources.ts';
import { Explainer } from './explainer.tsx';
import { NewRole } from './new-role.tsx';
import { roleLine } from './role-words.ts';
import { RoleTable } from './role-table.tsx';
import { TEMPLATES } from './templates.ts';

/** Roles, what they allow, and who can reach what by them. */
export function Page(): ReactNode {
  const { search } = useLocation();
  const navigate = useNavigate();
  const may = useMay();
  const mayExplain = useMayExplain();
  const template = TEMPLATES.find(({ id }) => id === search['new']);
  if (template !== undefined && may('role', 'create')) return <NewRole key={template.id} template={template} />;
  const tab = search['tab'] === 'explain' && mayExplain ? 'explain' : 'list';
  return (
    <>
      <PageHeader
        title="Roles"
        description="Who can reach what, and why"
        actions={
          may('role', 'create') && <NewFromTemplate label="New role" to="/roles" templates={TEMPLATES} width={320} />
        }
      />
      <Tabs
        value={tab}
        onChange={(value) => void navigate({ to: '/roles', search: value === 'explain' ? { tab: 'explain' } : {} })}
        keepMounted={false}
      >
        {mayExplain && (
          <Tabs.List mb="md">
            <Tabs.Tab value="list">Roles</Tabs.Tab>
            <Tabs.Tab value="explain">Who can reach what</Tabs.Tab>
          </Tabs.List>
        )}
        <Tabs.Panel value="list">
          <Roles />
        </Tabs.Panel>
        <Tabs.Panel value="explain">
          <Explainer user={typeof search['user'] === 'string' ? search['user'] : ''} />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

function Roles(): ReactNode {
  const { items, isPending, error, retry } = useResources('role');
  const mayCount = useMay()('user', 'list');
  const users = useResources('user', { enabled: mayCount });
  const [search, setSearch] = useState('');
  if (error !== null && items.length === 0)
    return <ErrorState error={error} what="The roles could not be loaded" onRetry={retry} />;
  const shown = items.filter((role) => matches(search, [role.name, role.description, roleLine(role.spec)]));
  return (
    <>
      <SearchField label="Search the roles" placeholder="Name, label, user" value={search} onChange={setSearch} />
      <Card withBorder padding={0}>
        {!isPending && shown.length === 0 ? (
          <EmptyState icon={IconShieldLock} title={items.length === 0 ? 'There is no role' : 'No role matches'}>
            {search !== '' && (
              <Button variant="default" onClick={() => setSearch('')}>
                Clear the search
              </Button>
            )}
          </EmptyState>
        ) : (
          <RoleTable roles={shown} users={mayCount ? users.items : undefined} isPending={isPending} />
        )}
      </Card>
      <Text className="visually-hidden" role="status">
        {isPending ? 'Loading' : `${shown.length} roles`}
      </Text>
    </>
  );
}
