import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { PutResourceRequest_Mode as Mode } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { codeOf } from '../../api/errors.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { valueAt } from '../../parts/events/event.ts';
import { log } from '../../parts/events/log-client.ts';
import { itemOf, listsOf, type Item } from '../../parts/resources/item.ts';
import { LeaveGuard } from '../../parts/resources/leave-guard.tsx';
import { traitRows, traitsFit, withRows, type TraitRow } from '../../parts/resources/trait-rows.ts';
import { useRefresh } from '../../parts/resources/use-resources.ts';
import { RolePicker } from './role-picker.tsx';
import { TraitFields, USUAL_TRAITS } from './trait-fields.tsx';
import { changedUserJson, rolesOf } from './user.ts';

/** Roles and traits of a local user. `onReload` reads them anew, after somebody else wrote them. */
export function AccessForm(props: {
  readonly user: Item;
  readonly mayWrite: boolean;
  readonly onReload: () => void;
}): ReactNode {
  const [base, setBase] = useState(props.user);
  const [roles, setRoles] = useState(rolesOf(props.user));
  const [traits, setTraits] = useState(() => rowsOf(props.user));
  const changed = changedUserJson(base.json, roles, traits);
  const isDirty = changed !== changedUserJson(base.json, rolesOf(base), rowsOf(base));
  const dirty = useRef(isDirty);
  useEffect(() => {
    dirty.current = isDirty;
  }, [isDirty]);
  const refresh = useRefresh();
  const saving = useMutation({
    mutationFn: () => log.putResource({ json: changed, mode: Mode.UPDATE, expectedRevision: base.revision }),
    onSuccess: async ({ resource }) => {
      if (resource !== undefined) setBase(itemOf(resource));
      notifications.show({ message: `${base.name} is saved.`, color: 'green' });
      await refresh('user');
    },
  });
  const isConflict = saving.error !== null && codeOf(saving.error) === 'STATE_CONFLICT';
  return (
    <Stack gap="md" maw={620}>
      <RolePicker value={roles} onChange={setRoles} disabled={!props.mayWrite} />
      {roles.length === 0 && (
        <Alert variant="light" color="yellow">
          Without a role this person can sign in and reach nothing.
        </Alert>
      )}
      <TraitFields traits={traits} onChange={setTraits} disabled={!props.mayWrite} />
      <Text size="sm" c="dimmed">
        What is given counts at the next sign-in. What is taken counts for sessions that begin later, after ten minutes
        at most; a live session goes on: use a lock when it must be now.
      </Text>
      {saving.error !== null && (
        <ErrorState
          error={saving.error}
          what="It was not saved"
          {...(isConflict ? { next: 'Read it anew, and repeat your change.', onRetry: props.onReload } : {})}
        />
      )}
      {props.mayWrite && (
        <Buttons
          isDirty={isDirty}
          isSaving={saving.isPending}
          fits={traitsFit(traits)}
          onSave={() => saving.mutate()}
          onUndo={() => {
            setRoles(rolesOf(base));
            setTraits(rowsOf(base));
          }}
        />
      )}
      <LeaveGuard isDirty={() => dirty.current} />
    </Stack>
  );
}

function Buttons(props: {
  readonly isDirty: boolean;
  readonly isSaving: boolean;
  readonly fits: boolean;
  readonly onSave: () => void;
  readonly onUndo: () => void;
}): ReactNode {
  return (
    <Group gap="sm">
      <Button onClick={props.onSave} loading={props.isSaving} disabled={!props.isDirty || !props.fits}>
        Save
      </Button>
      {props.isDirty && (
        <Button variant="default" onClick={props.onUndo}>
          Undo my changes
        </Button>
      )}
    </Group>
  );
}

function rowsOf(user: Item): readonly TraitRow[] {
  return withRows(traitRows(listsOf(valueAt(user.spec, 'traits'))), USUAL_TRAITS);
}
