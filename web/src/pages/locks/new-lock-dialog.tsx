import { Alert, Autocomplete, Button, Group, Modal, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useState, type FormEvent, type ReactNode } from 'react';
import { PutResourceRequest_Mode as Mode } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { useMay, useSession } from '../../api/session.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { log } from '../../parts/events/log-client.ts';
import { useCluster } from '../../parts/resources/use-cluster.ts';
import { useRefresh, useResources } from '../../parts/resources/use-resources.ts';
import { DURATIONS, lockJson, lockProblems, TARGETS, type LockForm, type TargetKind } from './lock.ts';

/** Asks what to lock, says what it ends, locks. Mounted anew for each. */
export function NewLockDialog(props: {
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly target?: { readonly kind: TargetKind; readonly value: string };
}): ReactNode {
  const { opened, onClose } = props;
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={<Text fw={600}>New lock</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
      centered
    >
      {opened && <Form {...props} />}
    </Modal>
  );
}

function Form(props: {
  readonly onClose: () => void;
  readonly target?: { readonly kind: TargetKind; readonly value: string };
}): ReactNode {
  const [form, setForm] = useState<LockForm>({
    kind: props.target?.kind ?? 'user',
    value: props.target?.value ?? '',
    message: '',
    forMs: 0,
  });
  const [tried, setTried] = useState(false);
  const locking = useLocking(form, props.onClose);
  const problems = lockProblems(form);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setTried(true);
    if (Object.keys(problems).length === 0) locking.mutate();
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <Target
          form={form}
          onChange={setForm}
          error={tried ? problems.value : undefined}
          fixed={props.target !== undefined}
        />
        <TextInput
          label="Message"
          description="Whom it meets reads this in their client. It is recorded in the audit log."
          placeholder="laptop lost"
          value={form.message}
          maxLength={500}
          onChange={(event) => setForm({ ...form, message: event.currentTarget.value })}
        />
        <NativeSelect
          label="For"
          value={String(form.forMs)}
          data={DURATIONS.map(({ label, ms }) => ({ value: String(ms), label }))}
          onChange={(event) => setForm({ ...form, forMs: Number(event.currentTarget.value) })}
        />
        <Warning form={form} />
        {locking.error !== null && <ErrorState error={locking.error} what="It was not locked" />}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={props.onClose}>
            Cancel
          </Button>
          <Button type="submit" color="red" loading={locking.isPending}>
            Lock
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function useLocking(form: LockForm, onDone: () => void) {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: () => {
      const json = lockJson(form, crypto.randomUUID(), Date.now());
      return log.putResource({ json, mode: Mode.CREATE, expectedRevision: 0n });
    },
    onSuccess: async () => {
      notifications.show({ message: 'Locked.', color: 'green' });
      onDone();
      await refresh('lock');
    },
  });
}

function Target(props: {
  readonly form: LockForm;
  readonly error: string | undefined;
  readonly fixed: boolean;
  readonly onChange: (form: LockForm) => void;
}): ReactNode {
  const { form, onChange } = props;
  const users = useResources('user', { enabled: useMay()('user', 'list') });
  const cluster = useCluster();
  const names: Partial<Record<TargetKind, readonly string[]>> = {
    user: users.items.map(({ name }) => name),
    role: cluster.roles,
    db_service: cluster.databases,
  };
  const target = TARGETS.find(({ kind }) => kind === form.kind);
  return (
    <>
      <NativeSelect
        label="Lock"
        disabled={props.fixed}
        value={form.kind}
        data={TARGETS.map(({ kind, label }) => ({ value: kind, label }))}
        onChange={(event) => {
          const chosen = TARGETS.find(({ kind }) => kind === event.currentTarget.value);
          if (chosen !== undefined) onChange({ ...form, kind: chosen.kind, value: '' });
        }}
      />
      <Autocomplete
        label={target?.label ?? 'Which'}
        placeholder={target?.placeholder ?? ''}
        disabled={props.fixed}
        data={[...(names[form.kind] ?? [])]}
        limit={50}
        value={form.value}
        maxLength={256}
        error={props.error}
        onChange={(value) => onChange({ ...form, value })}
      />
    </>
  );
}

function Warning({ form }: { readonly form: LockForm }): ReactNode {
  const { user, roles } = useSession();
  const value = form.value.trim();
  const self = (form.kind === 'user' && value === user) || (form.kind === 'role' && roles.includes(value));
  return (
    <Alert color={self ? 'red' : 'yellow'} variant="light" icon={<IconAlertTriangle aria-hidden />}>
      {TARGETS.find(({ kind }) => kind === form.kind)?.warning}
      {self && ' This locks you out too: you will not be able to remove it yourself.'}
    </Alert>
  );
}
