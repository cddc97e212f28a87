import { Alert, Button, Card, Group, List, Stack } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { PutResourceRequest_Mode as Mode } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { codeOf } from '../../api/errors.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { log } from '../../parts/events/log-client.ts';
import type { Item } from '../../parts/resources/item.ts';
import { LeaveGuard } from '../../parts/resources/leave-guard.tsx';
import { useRefresh } from '../../parts/resources/use-resources.ts';
import { FactorFields, SessionFields, SignInFields } from './fields.tsx';
import { settingsJson, settingsOf, settingsProblems, settingsWarnings } from './settings.ts';

/** The settings as a form. Mounted anew for each revision. */
export function SettingsForm(props: {
  readonly preference: Item;
  readonly mayWrite: boolean;
  readonly onReload: () => void;
}): ReactNode {
  const { preference, mayWrite } = props;
  const before = settingsOf(preference);
  const [settings, setSettings] = useState(before);
  const [tried, setTried] = useState(false);
  const isDirty = JSON.stringify(settings) !== JSON.stringify(before);
  const saving = useSaving(preference);
  const dirty = useRef(isDirty);
  useEffect(() => {
    dirty.current = isDirty && !saving.isSuccess;
  }, [isDirty, saving.isSuccess]);
  const found = settingsProblems(settings);
  const fields = { settings, onChange: setSettings, problems: tried ? found : {}, disabled: !mayWrite };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setTried(true);
    if (Object.keys(found).length === 0) saving.mutate(settingsJson(preference.json, settings));
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md" maw={720}>
        <Card withBorder padding="lg">
          <SignInFields {...fields} />
        </Card>
        <Card withBorder padding="lg">
          <FactorFields {...fields} />
        </Card>
        <Card withBorder padding="lg">
          <SessionFields {...fields} />
        </Card>
        <Warnings warnings={settingsWarnings(before, settings)} />
        {saving.error !== null && (
          <ErrorState
            error={saving.error}
            what="The settings were not saved"
            {...(codeOf(saving.error) === 'STATE_CONFLICT' ? { onRetry: props.onReload } : {})}
          />
        )}
        {mayWrite && (
          <Group gap="sm">
            <Button type="submit" loading={saving.isPending} disabled={!isDirty}>
              Save
            </Button>
            {isDirty && (
              <Button variant="default" onClick={() => setSettings(before)}>
                Undo my changes
              </Button>
            )}
          </Group>
        )}
      </Stack>
      <LeaveGuard isDirty={() => dirty.current} />
    </form>
  );
}

function useSaving(preference: Item) {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: (json: string) => log.putResource({ json, mode: Mode.UPDATE, expectedRevision: preference.revision }),
    onSuccess: async () => {
      notifications.show({ message: 'The settings are saved.', color: 'green' });
      await refresh('cluster_auth_preference');
    },
  });
}

function Warnings({ warnings }: { readonly warnings: readonly string[] }): ReactNode {
  return (
    <div role="status">
      {warnings.length > 0 && (
        <Alert color="yellow" variant="light" icon={<IconAlertTriangle aria-hidden />} title="Before you save">
          <List size="sm" spacing={2}>
            {warnings.map((text) => (
              <List.Item key={text}>{text}</List.Item>
            ))}
          </List>
        </Alert>
      )}
    </div>
  );
}
