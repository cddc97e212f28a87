import { Alert, Button, Group, Stack, Tabs, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { CopyCorner } from '../../parts/events/sql-block.tsx';
import { Time } from '../../parts/time.tsx';
import { agentEntry, agentScript, preparation, trialScript, type Joining, type Plan } from './enrolment.ts';

/** What the database itself needs, before an agent can sign in to it. */
export function PrepareStep(props: {
  readonly plan: Plan;
  readonly onBack: () => void;
  readonly onNext: () => void;
}): ReactNode {
  return (
    <Stack gap="lg">
      <Text size="sm">
        The agent signs in to the database with a client certificate whose name is the database user, and demands that
        the server shows one of this cluster. Both are set up once, on the database’s machine.
      </Text>
      {preparation(props.plan).map((part) => (
        <section key={part.title} aria-label={part.title}>
          <Title order={2} size="h3">
            {part.title}
          </Title>
          <Text size="sm" c="dimmed" mb="xs">
            {part.note}
          </Text>
          <Block text={part.text} label={part.title} />
        </section>
      ))}
      <Text size="sm" c="dimmed">
        A managed server that takes no certificates of yours: name a file with its password instead, as the guide says
        under “
        {props.plan.protocol === 'mysql' ? 'A password instead of a certificate' : 'SCRAM instead of a certificate'}”.
      </Text>
      <Group>
        <Button variant="default" onClick={props.onBack}>
          Back
        </Button>
        <Button onClick={props.onNext}>Next</Button>
      </Group>
    </Stack>
  );
}

/** What is pasted on the agent's machine. */
export function AgentStep(props: {
  readonly plan: Plan;
  readonly joining: Joining;
  readonly expires: string;
  readonly onAgain: () => void;
}): ReactNode {
  const { plan, joining } = props;
  return (
    <Stack gap="md">
      <Alert
        variant="light"
        color={Date.parse(props.expires) > 0 ? 'tessera' : 'yellow'}
        title="This text holds the token: treat it as a secret"
      >
        <Group justify="space-between" gap="sm">
          <Text size="sm">
            Good for one machine, until <Time value={props.expires} exact />. Any machine that reaches both the database
            and {joining.proxy === '' ? 'the proxy' : joining.proxy} will do.
          </Text>
          <Button size="xs" variant="default" onClick={props.onAgain}>
            Make another
          </Button>
        </Group>
      </Alert>
      <Tabs defaultValue="service" keepMounted={false}>
        <Tabs.List mb="sm">
          <Tabs.Tab value="service">As a service</Tabs.Tab>
          <Tabs.Tab value="trial">To try it</Tabs.Tab>
          <Tabs.Tab value="there">An agent is there already</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="service">
          <Text size="sm" c="dimmed" mb="xs">
            As root, on a machine where Tessera is installed with its systemd unit (guide: Operation). Writes
            /etc/tessera.yaml and starts the service; it stops where something is there already or wrong.
          </Text>
          <Block text={agentScript(plan, joining)} label="the script" />
        </Tabs.Panel>
        <Tabs.Panel value="trial">
          <Text size="sm" c="dimmed" mb="xs">
            In a folder of your own, without root. Runs until Ctrl-C.
          </Text>
          <Block text={trialScript(plan, joining)} label="the script" />
        </Tabs.Panel>
        <Tabs.Panel value="there">
          <Text size="sm" c="dimmed" mb="xs">
            It needs no token: add this below db_service.databases in its tessera.yaml, then “systemctl reload tessera”.
            No session is cut.
          </Text>
          <Block text={agentEntry(plan)} label="the entry" />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

function Block({ text, label }: { readonly text: string; readonly label: string }): ReactNode {
  return (
    <CopyCorner value={text} label={label}>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard */}
      <pre className="code-block" tabIndex={0} aria-label={label} style={{ whiteSpace: 'pre', overflowX: 'auto' }}>
        {text}
      </pre>
    </CopyCorner>
  );
}
