import { Button, Group, Modal, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState, type FormEvent, type ReactNode } from 'react';
import { ErrorState } from '../../parts/error-state.tsx';
import { log } from '../../parts/events/log-client.ts';
import { traitsFit, type TraitRow } from '../../parts/resources/trait-rows.ts';
import { useRefresh } from '../../parts/resources/use-resources.ts';
import { LinkOnce, type Link } from './link-once.tsx';
import { RolePicker } from './role-picker.tsx';
import { TraitFields, USUAL_TRAITS } from './trait-fields.tsx';
import { newUserJson, newUserProblems } from './user.ts';

const TTLS = [
  { value: '3600', label: '1 hour' },
  { value: '28800', label: '8 hours' },
  { value: '86400', label: '24 hours' },
  { value: '172800', label: '48 hours' },
];

/** A new local user, and their invitation. Closing by a click beside it is off once there is a link, as it would be lost. */
export function AddUser(props: {
  readonly opened: boolean;
  readonly taken: readonly string[];
  readonly onClose: () => void;
}): ReactNode {
  const [link, setLink] = useState<Link>();
  const close = (): void => {
    setLink(undefined);
    props.onClose();
  };
  return (
    <Modal
      opened={props.opened}
      onClose={close}
      closeOnClickOutside={link === undefined}
      closeOnEscape={link === undefined}
      title={<Text fw={600}>{link === undefined ? 'Add a user' : `${link.user} is invited`}</Text>}
      size="lg"
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {link === undefined ? (
        <Form taken={props.taken} onDone={setLink} onCancel={close} />
      ) : (
        <Stack gap="md">
          <LinkOnce link={link} what="invitation" />
          <Group justify="flex-end">
            <Button onClick={close}>I have copied it</Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}

function useAdding(onDone: (link: Link) => void) {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: ({ json, ttlSeconds }: { readonly name: string; readonly json: string; readonly ttlSeconds: number }) =>
      log.addUser({ json, ttlSeconds }),
    onSuccess: async ({ link, inviteToken, expires }, { name }) => {
      onDone({ user: name, link, token: inviteToken, expires });
      await refresh('user');
    },
  });
}

function Form(props: {
  readonly taken: readonly string[];
  readonly onDone: (link: Link) => void;
  readonly onCancel: () => void;
}): ReactNode {
  const [name, setName] = useState('');
  const [roles, setRoles] = useState<readonly string[]>([]);
  const [traits, setTraits] = useState<readonly TraitRow[]>(
    USUAL_TRAITS.map((trait, index) => ({ id: index + 1, name: trait, values: [] })),
  );
  const [ttl, setTtl] = useState('3600');
  const [tried, setTried] = useState(false);
  const adding = useAdding(props.onDone);
  const found = newUserProblems(name, roles, props.taken);
  const problems = tried ? found : {};
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setTried(true);
    if (Object.keys(found).length === 0 && traitsFit(traits))
      adding.mutate({ name: name.trim(), json: newUserJson(name, roles, traits), ttlSeconds: Number(ttl) });
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput
          label="User name"
          value={name}
          maxLength={128}
          error={problems.name}
          autoComplete="off"
          data-autofocus
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <RolePicker value={roles} onChange={setRoles} error={problems.roles} />
        <TraitFields traits={traits} onChange={setTraits} />
        <NativeSelect
          label="The invitation is good for"
          value={ttl}
          data={TTLS}
          onChange={(event) => setTtl(event.currentTarget.value)}
        />
        {adding.error !== null && <ErrorState error={adding.error} what="The user was not added" />}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={props.onCancel}>
            Cancel
          </Button>
          <Button type="submit" loading={adding.isPending}>
            Add and make the link
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
