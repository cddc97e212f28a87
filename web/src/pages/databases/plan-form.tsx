import { Box, Button, Group, SegmentedControl, Stack, Text, TextInput, Textarea } from '@mantine/core';
import { useQuery } from '@connectrpc/connect-query';
import { useState, type FormEvent, type ReactNode } from 'react';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { useMay } from '../../api/session.ts';
import { databasesOf, serversOf } from './database.ts';
import { defaultPort, planProblems, type Plan } from './enrolment.ts';

type Props = {
  readonly plan: Plan;
  readonly onChange: (plan: Plan) => void;
  readonly onDone: () => void;
};

/** What the database is called, where it is, and how roles find it. Says what is wrong once somebody tried to go on. */
export function PlanForm(props: Props): ReactNode {
  const { plan, onChange } = props;
  const [tried, setTried] = useState(false);
  const taken = useTaken();
  const found = planProblems(plan, taken);
  const problems = tried ? found : {};
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setTried(true);
    if (Object.keys(found).length === 0) props.onDone();
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md" maw={520}>
        <Protocol plan={plan} onChange={onChange} />
        <TextInput
          label="Name"
          description="What people call it: tsh db connect <name>"
          placeholder="orders"
          value={plan.name}
          error={problems.name}
          maxLength={128}
          data-autofocus
          onChange={(event) => onChange({ ...plan, name: event.currentTarget.value.trim() })}
        />
        <TextInput
          label="Address"
          description="As the agent’s machine reaches it. The server’s certificate must hold this name."
          placeholder={`localhost:${defaultPort(plan.protocol)}`}
          value={plan.uri}
          error={problems.uri}
          maxLength={300}
          onChange={(event) => onChange({ ...plan, uri: event.currentTarget.value.trim() })}
        />
        <Textarea
          label="Labels"
          description="key=value, one a line. Roles allow databases by them."
          placeholder="env=prod"
          value={plan.labels}
          error={problems.labels}
          autosize
          minRows={2}
          maxRows={8}
          onChange={(event) => onChange({ ...plan, labels: event.currentTarget.value })}
        />
        <Group>
          <Button type="submit">Next</Button>
        </Group>
      </Stack>
    </form>
  );
}

function Protocol({ plan, onChange }: Pick<Props, 'plan' | 'onChange'>): ReactNode {
  const withProtocol = (protocol: Plan['protocol']): void => {
    const untouched = plan.uri === `localhost:${defaultPort(plan.protocol)}`;
    onChange({ ...plan, protocol, ...(untouched ? { uri: `localhost:${defaultPort(protocol)}` } : {}) });
  };
  return (
    <Box>
      <Text size="sm" fw={500} mb={4} id="enrol-protocol">
        Protocol
      </Text>
      <SegmentedControl
        aria-labelledby="enrol-protocol"
        value={plan.protocol}
        onChange={(value) => withProtocol(value === 'mysql' ? 'mysql' : 'postgres')}
        data={[
          { value: 'postgres', label: 'PostgreSQL' },
          { value: 'mysql', label: 'MySQL, MariaDB' },
        ]}
      />
    </Box>
  );
}

/** Names that are there, as far as this person may see them. */
function useTaken(): readonly string[] {
  const may = useMay();
  const reachable = useQuery(AuthService.method.listDatabases, {});
  const served = useQuery(
    AuthService.method.listResources,
    { kind: 'db_server' },
    { enabled: may('db_server', 'list') },
  );
  return [
    ...databasesOf(reachable.data?.databases ?? []).map(({ name }) => name),
    ...serversOf((served.data?.resources ?? []).map(({ json }) => json)).map(({ database }) => database),
  ];
}
