import { Alert, Button, Group, Modal, NativeSelect, NumberInput, Stack, Switch, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { IconKey } from '@tabler/icons-react';
import { useState, type FormEvent, type ReactNode } from 'react';
import type { AddTokenResponse } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { useSession } from '../../api/session.ts';
import { CopyLine } from '../../parts/copy-line.tsx';
import { ErrorState } from '../../parts/error-state.tsx';
import { log } from '../../parts/events/log-client.ts';
import { CopyCorner } from '../../parts/events/sql-block.tsx';
import { useRefresh } from '../../parts/resources/use-resources.ts';
import { Time } from '../../parts/time.tsx';
import { joinConfig, tokenCommand } from './token.ts';

type Role = 'db' | 'proxy';
type Made = { readonly role: Role; readonly answer: AddTokenResponse };

const TTLS = [
  { value: '3600', label: '1 hour' },
  { value: '28800', label: '8 hours' },
  { value: '86400', label: '24 hours' },
  { value: '604800', label: '7 days' },
];
const MOST_USES = 10_000;

/** A new join token, and what is pasted on the machine. Closing by a click beside it is off once there is a token, as it would be lost. */
export function AddToken(props: { readonly opened: boolean; readonly onClose: () => void }): ReactNode {
  const [made, setMade] = useState<Made>();
  const close = (): void => {
    setMade(undefined);
    props.onClose();
  };
  return (
    <Modal
      opened={props.opened}
      onClose={close}
      closeOnClickOutside={made === undefined}
      closeOnEscape={made === undefined}
      title={<Text fw={600}>{made === undefined ? 'New join token' : 'A machine can join now'}</Text>}
      size="lg"
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {made === undefined ? <Form onDone={setMade} onCancel={close} /> : <Shown made={made} onClose={close} />}
    </Modal>
  );
}

function Form(props: { readonly onDone: (made: Made) => void; readonly onCancel: () => void }): ReactNode {
  const [role, setRole] = useState<Role>('db');
  const [ttl, setTtl] = useState('3600');
  const [uses, setUses] = useState(1);
  const refresh = useRefresh();
  const adding = useMutation({
    mutationFn: () => log.addToken({ roles: [role], ttlSeconds: Number(ttl), value: '', uses }),
    onSuccess: async (answer) => {
      props.onDone({ role, answer });
      await refresh('token');
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    adding.mutate();
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <NativeSelect
          label="Who joins with it"
          value={role}
          data={[
            { value: 'db', label: 'An agent (Database Service)' },
            { value: 'proxy', label: 'A proxy (Proxy Service)' },
          ]}
          onChange={(event) => setRole(event.currentTarget.value === 'proxy' ? 'proxy' : 'db')}
        />
        <NativeSelect
          label="Good for"
          value={ttl}
          data={TTLS}
          onChange={(event) => setTtl(event.currentTarget.value)}
        />
        <Uses uses={uses} onChange={setUses} />
        {adding.error !== null && <ErrorState error={adding.error} what="The token could not be made" />}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={props.onCancel}>
            Cancel
          </Button>
          <Button type="submit" loading={adding.isPending}>
            Make the token
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** 0: until it expires. */
function Uses({ uses, onChange }: { readonly uses: number; readonly onChange: (uses: number) => void }): ReactNode {
  return (
    <>
      <Switch
        label="Only so many machines"
        checked={uses > 0}
        onChange={(event) => onChange(event.currentTarget.checked ? 1 : 0)}
      />
      {uses > 0 && (
        <NumberInput
          label="How many"
          value={uses}
          min={1}
          max={MOST_USES}
          allowDecimal={false}
          clampBehavior="strict"
          onChange={(value) => onChange(typeof value === 'number' && value >= 1 ? value : 1)}
        />
      )}
    </>
  );
}

function Shown({ made, onClose }: { readonly made: Made; readonly onClose: () => void }): ReactNode {
  const { proxyPublicAddr, caPins: known } = useSession();
  const { answer, role } = made;
  const caPins = answer.caPins.length > 0 ? answer.caPins : known;
  const config = joinConfig({ role, caPins, proxy: proxyPublicAddr });
  return (
    <Stack gap="md">
      <Alert
        color="yellow"
        variant="light"
        icon={<IconKey aria-hidden />}
        title="Shown once: copy it now"
        role="status"
      >
        Whoever has this token can join a machine to the cluster, until <Time value={answer.expires} exact />.
      </Alert>
      <Labelled text="1. On the new machine, the token in a file of its own">
        <CopyLine value={tokenCommand(answer.token)} label="The command" prompt />
      </Labelled>
      <Labelled text="2. In its /etc/tessera.yaml">
        <CopyCorner value={config} label="the configuration">
          {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard */}
          <pre className="code-block" tabIndex={0} aria-label="The configuration">
            {config}
          </pre>
        </CopyCorner>
      </Labelled>
      <Labelled text="By itself">
        <CopyLine value={answer.token} label="The token" />
        {caPins.map((pin) => (
          <CopyLine key={pin} value={pin} label="The CA pin" />
        ))}
      </Labelled>
      <Group justify="flex-end">
        <Button onClick={onClose}>I have copied it</Button>
      </Group>
    </Stack>
  );
}

function Labelled({ text, children }: { readonly text: string; readonly children: ReactNode }): ReactNode {
  return (
    <Stack gap={6}>
      <Text size="sm" fw={500}>
        {text}
      </Text>
      {children}
    </Stack>
  );
}
