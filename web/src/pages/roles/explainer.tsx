import { Card, Select, Stack, Text, Title } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useMemo, useState, type ReactNode } from 'react';
import { useMay } from '../../api/session.ts';
import { itemOf, type Item } from '../../parts/resources/item.ts';
import { UNCHECKED } from '../../parts/resources/unchecked.ts';
import { TraitsForm } from '../../parts/resources/traits-form.tsx';
import { withRows, type TraitRow } from '../../parts/resources/trait-rows.ts';
import { traitsAsked, useCluster } from '../../parts/resources/use-cluster.ts';
import { useResources } from '../../parts/resources/use-resources.ts';
import { Answer } from './answer.tsx';
import { questionOf, type Subject } from './question.ts';
import { WantedFields } from './wanted-fields.tsx';

const NOTHING_WANTED = { databaseUser: '', databaseName: '' };

/** What one user reaches, and why. */
export function Explainer({ user }: { readonly user: string }): ReactNode {
  const navigate = useNavigate();
  const users = useResources('user', { enabled: useMay()('user', 'list') });
  const [wanted, setWanted] = useState(NOTHING_WANTED);
  const chosen = users.items.find(({ name }) => name === user);
  return (
    <Stack gap="md" maw={900}>
      <Card withBorder>
        <Stack gap="sm">
          <UserSelect
            label="Who"
            users={users.items}
            value={user}
            onChange={(name) => void navigate({ to: '/roles', search: { tab: 'explain', user: name }, replace: true })}
          />
          <WantedFields wanted={wanted} onChange={setWanted} />
        </Stack>
      </Card>
      {chosen === undefined ? (
        <Text size="sm" c="dimmed">
          Choose a user to see each database, whether they reach it, and which roles say so.
        </Text>
      ) : (
        <Answer question={questionOf({ kind: 'user', user: chosen }, undefined, wanted)} />
      )}
    </Stack>
  );
}

/** What the role as it is written now opens: for somebody who has it alone, or for a user. `draft` is undefined while the text has problems, {@link UNCHECKED} before its first check. */
export function DraftExplainer({ draft }: { readonly draft: string | undefined }): ReactNode {
  const users = useResources('user', { enabled: useMay()('user', 'list') });
  const cluster = useCluster();
  const [last, setLast] = useState(draft === UNCHECKED ? undefined : draft);
  if (draft !== undefined && draft !== UNCHECKED && draft !== last) setLast(draft);
  const [user, setUser] = useState('');
  const [traits, setTraits] = useState<readonly TraitRow[]>([]);
  const [wanted, setWanted] = useState(NOTHING_WANTED);
  const role = useMemo(() => (last === undefined ? undefined : itemOf({ json: last, revision: 0n })), [last]);
  const asked = useMemo(() => traitsAsked(last ?? ''), [last]);
  const rows = withRows(traits, asked);
  const chosen = users.items.find(({ name }) => name === user);
  const subject: Subject = chosen === undefined ? { kind: 'role', traits: rows } : { kind: 'user', user: chosen };
  return (
    <Card withBorder component="section" aria-label="What this role opens">
      <Stack gap="sm">
        <Title order={2}>What it opens</Title>
        <UserSelect label="For" users={users.items} value={user} onChange={setUser} alone />
        {chosen === undefined && asked.length > 0 && (
          <Stack gap={4}>
            <Text size="sm" fw={500}>
              With the traits
            </Text>
            <TraitsForm
              rows={rows}
              fixed={asked}
              onChange={setTraits}
              suggestions={(name) =>
                name === 'db_users' ? cluster.databaseUsers : name === 'db_names' ? cluster.databaseNames : []
              }
            />
          </Stack>
        )}
        <WantedFields wanted={wanted} onChange={setWanted} />
        {draft === undefined && last !== undefined && (
          <Text size="sm" c="dimmed" role="status">
            The text has problems: this is what it said before.
          </Text>
        )}
        {role === undefined ? (
          <Text size="sm" c="dimmed">
            {draft === UNCHECKED ? 'The text is being checked.' : 'Shown as soon as the text can be read.'}
          </Text>
        ) : (
          <Answer question={questionOf(subject, { name: role.name, json: role.json }, wanted)} />
        )}
      </Stack>
    </Card>
  );
}

const ALONE = '';

function UserSelect(props: {
  readonly label: string;
  readonly users: readonly Item[];
  readonly value: string;
  readonly onChange: (name: string) => void;
  /** Whether somebody with the role alone may be chosen. */
  readonly alone?: boolean;
}): ReactNode {
  const names = props.users.map(({ name }) => ({ value: name, label: name }));
  return (
    <Select
      label={props.label}
      placeholder="A user"
      data={props.alone === true ? [{ value: ALONE, label: 'Somebody who has this role alone' }, ...names] : names}
      value={props.value === '' && props.alone !== true ? null : props.value}
      searchable
      allowDeselect={false}
      limit={100}
      nothingFoundMessage="No user of that name"
      onChange={(value) => props.onChange(value ?? ALONE)}
    />
  );
}
