import { Alert, Autocomplete, Drawer, Group, NativeSelect, Stack, Tabs, Text, Title } from '@mantine/core';
import { useState, type ReactNode } from 'react';
import { useSession } from '../../api/session.ts';
import { FocusBack } from '../../parts/focus-back.tsx';
import { HealthBadge } from '../../parts/badges.tsx';
import { CopyLine } from '../../parts/copy-line.tsx';
import { choiceWords, onlyOf, protocolWords, type Choice, type Database } from './database.ts';
import {
  certificateRecipe,
  graphicalRecipes,
  hasListener,
  signInCommand,
  terminalRecipes,
  tunnelLines,
  tunnelRecipe,
  type Line,
  type Recipe,
  type Target,
} from './recipes.ts';

/** How to get into a database: as whom, and what to paste where. */
export function ConnectDrawer(props: {
  readonly database: Database;
  readonly opened: boolean;
  readonly onClose: () => void;
}): ReactNode {
  const { database } = props;
  return (
    <Drawer
      opened={props.opened}
      onClose={props.onClose}
      position="right"
      size="lg"
      title={
        <Group gap="sm">
          <Text fw={600}>Connect to {database.name}</Text>
          <HealthBadge health={database.health} />
        </Group>
      }
      closeButtonProps={{ 'aria-label': 'Close' }}
      overlayProps={{ backgroundOpacity: 0.25 }}
      transitionProps={{ duration: 120 }}
    >
      <FocusBack />
      <Connect database={database} />
    </Drawer>
  );
}

/** The same without its drawer. */
export function Connect({ database }: { readonly database: Database }): ReactNode {
  const session = useSession();
  const [user, setUser] = useState(() => onlyOf(database.users) || (database.users.exact[0] ?? ''));
  const [name, setName] = useState(() => onlyOf(database.names) || (database.names.exact[0] ?? ''));
  const target: Target = {
    name: database.name,
    protocol: database.protocol,
    user: user.trim(),
    database: name.trim(),
    cluster: session.clusterName,
    proxy: session.proxyPublicAddr,
    mysqlProxy: session.mysqlPublicAddr,
    person: session.user,
    port: database.protocol === 'mysql' ? 13_306 : 15_432,
  };
  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed">
        {protocolWords(database.protocol)} at {database.uri}. Every way leads through a certificate of yours that ends
        by itself; there is no database password.
      </Text>
      {database.health === 'unhealthy' && (
        <Alert color="yellow" variant="light" title="No agent reaches it now">
          The commands are right; they work again when the database does.
        </Alert>
      )}
      <Group grow align="flex-start" gap="sm">
        <Pick label="Database user" choice={database.users} value={user} onChange={setUser} />
        <Pick
          label={database.protocol === 'mysql' ? 'Database (optional)' : 'Database'}
          choice={database.names}
          value={name}
          onChange={setName}
        />
      </Group>
      <Missing database={database} target={target} />
      <SignIn target={target} />
      <Tabs defaultValue="terminal" keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="terminal">Terminal</Tabs.Tab>
          <Tabs.Tab value="programs">Graphical programs, drivers</Tabs.Tab>
          {hasListener(target) && <Tabs.Tab value="files">Certificate files</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value="terminal">
          <Recipes recipes={terminalRecipes(target)} />
        </Tabs.Panel>
        <Tabs.Panel value="programs">
          <Programs target={target} />
        </Tabs.Panel>
        <Tabs.Panel value="files">
          <Recipes recipes={[certificateRecipe(target)]} />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

/** What has to be said, or given by an administrator, before the commands below can work. */
function Missing({ database, target }: { readonly database: Database; readonly target: Target }): ReactNode {
  if (isNone(database.users) || (target.protocol !== 'mysql' && isNone(database.names)))
    return (
      <Alert color="yellow" variant="light" title="Not open yet">
        Your roles allow this database, but no {isNone(database.users) ? 'database user' : 'database name'} in it. Ask
        an administrator for one: a role may take it from your traits db_users and db_names.
      </Alert>
    );
  const words =
    target.user === ''
      ? 'Say a database user: programs ask for one, and a certificate is made for one alone.'
      : target.database === '' && target.protocol !== 'mysql'
        ? `Say a database: psql would take one called ${target.user}, as the user is.`
        : '';
  return words === '' ? null : (
    <Text size="sm" c="dimmed">
      {words}
    </Text>
  );
}

function isNone(choice: Choice): boolean {
  return choice.exact.length === 0 && choice.patterns.length === 0;
}

function Pick(props: {
  readonly label: string;
  readonly choice: Choice;
  readonly value: string;
  readonly onChange: (value: string) => void;
}): ReactNode {
  const { choice } = props;
  const words = `Your roles allow: ${choiceWords(choice)}`;
  if (choice.patterns.length === 0) {
    return (
      <NativeSelect
        label={props.label}
        description={words}
        data={choice.exact.length === 0 ? [{ value: '', label: 'none' }] : [...choice.exact]}
        value={props.value}
        disabled={choice.exact.length < 2}
        onChange={(event) => props.onChange(event.currentTarget.value)}
      />
    );
  }
  const isDenied = choice.denied.includes(props.value.trim());
  return (
    <Autocomplete
      label={props.label}
      description={words}
      placeholder="as the database calls it"
      data={[...choice.exact]}
      value={props.value}
      maxLength={128}
      error={isDenied ? 'Your roles deny this one' : undefined}
      onChange={props.onChange}
    />
  );
}

function SignIn({ target }: { readonly target: Target }): ReactNode {
  const session = useSession();
  const { connector } = session;
  const [pin] = session.caPins;
  return (
    <details>
      <summary style={{ cursor: 'pointer' }}>
        <Text span size="sm">
          First, once a day: sign in with tsh
        </Text>
      </summary>
      <Stack gap="xs" mt="xs">
        <CopyLine label="tsh login" value={signInCommand(target, { connector })} prompt />
        {pin !== undefined && (
          <>
            <Text size="xs" c="dimmed">
              The first time on a computer, where the proxy shows a certificate that browsers do not know:
            </Text>
            <CopyLine
              label="tsh login with the cluster’s pin"
              value={signInCommand(target, { connector, pin })}
              prompt
            />
          </>
        )}
      </Stack>
    </details>
  );
}

function Programs({ target }: { readonly target: Target }): ReactNode {
  return (
    <Stack gap="lg">
      <Recipes recipes={[tunnelRecipe(target)]} />
      <Recipes recipes={graphicalRecipes(target)} />
      <Recipes
        recipes={[
          {
            title: 'Drivers and command lines',
            note: 'To the same port, in clear: the tunnel encrypts.',
            lines: tunnelLines(target),
          },
        ]}
      />
    </Stack>
  );
}

function Recipes({ recipes }: { readonly recipes: readonly Recipe[] }): ReactNode {
  return (
    <Stack gap="lg">
      {recipes.map((recipe) => (
        <section key={recipe.title} aria-label={recipe.title}>
          <Title order={2} size="h3">
            {recipe.title}
          </Title>
          <Text size="sm" c="dimmed" mb="xs">
            {recipe.note}
          </Text>
          <Stack gap={6}>
            {recipe.lines.map((line) => (
              <LineView key={line.label} line={line} recipe={recipe.title} />
            ))}
          </Stack>
        </section>
      ))}
    </Stack>
  );
}

function LineView({ line, recipe }: { readonly line: Line; readonly recipe: string }): ReactNode {
  if (line.command) return <CopyLine label={`${recipe}: ${line.label}`} value={line.value} prompt />;
  return (
    <Group gap="sm" wrap="nowrap">
      <Text size="sm" w={150} flex="none">
        {line.label}
      </Text>
      <div style={{ flex: 1, minWidth: 0 }}>
        <CopyLine label={`${recipe}: ${line.label}`} value={line.value} />
      </div>
    </Group>
  );
}
