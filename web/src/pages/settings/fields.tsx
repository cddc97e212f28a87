import {
  Checkbox,
  NativeSelect,
  Radio,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  Textarea,
  TextInput,
  Title,
} from '@mantine/core';
import type { ReactNode } from 'react';
import { useMay } from '../../api/session.ts';
import { useResources } from '../../parts/resources/use-resources.ts';
import type { Settings, SettingsProblems } from './settings.ts';

type Props = {
  readonly settings: Settings;
  readonly onChange: (settings: Settings) => void;
  readonly problems: SettingsProblems;
  readonly disabled: boolean;
};

/** How people sign in. */
export function SignInFields({ settings, onChange, problems, disabled }: Props): ReactNode {
  const enabled = useMay()('auth_connector', 'list') && settings.type !== 'local';
  const connectors = useResources(settings.type === 'local' ? 'oidc' : settings.type, { enabled });
  const names = [...new Set([...connectors.items.map(({ name }) => name), settings.connectorName])].filter(Boolean);
  return (
    <Stack gap="md">
      <Title order={2}>Sign-in</Title>
      <NativeSelect
        label="By default"
        description="What “tsh login” does when nothing is said, and what stands first on the sign-in page"
        value={settings.type}
        disabled={disabled}
        data={[
          { value: 'local', label: 'Local users' },
          { value: 'oidc', label: 'A provider by OpenID Connect' },
          { value: 'saml', label: 'A provider by SAML' },
          { value: 'github', label: 'GitHub' },
        ]}
        onChange={(event) => onChange({ ...settings, type: event.currentTarget.value, connectorName: '' })}
      />
      {settings.type !== 'local' && (
        <NativeSelect
          label="Connector"
          value={settings.connectorName}
          disabled={disabled}
          error={problems.connectorName}
          data={[{ value: '', label: names.length === 0 ? 'There is none of this kind' : 'Choose' }, ...names]}
          onChange={(event) => onChange({ ...settings, connectorName: event.currentTarget.value })}
        />
      )}
      <Switch
        label="Local users may sign in"
        description="Off: only people of a provider"
        checked={settings.allowLocalAuth}
        disabled={disabled}
        error={problems.allowLocalAuth}
        onChange={(event) => onChange({ ...settings, allowLocalAuth: event.currentTarget.checked })}
      />
      <Textarea
        label="Message of the day"
        description="Shown on the sign-in page and by tsh login"
        value={settings.messageOfTheDay}
        disabled={disabled}
        maxLength={4096}
        autosize
        minRows={2}
        maxRows={8}
        onChange={(event) => onChange({ ...settings, messageOfTheDay: event.currentTarget.value })}
      />
    </Stack>
  );
}

/** Second factors of local users. */
export function FactorFields({ settings, onChange, problems, disabled }: Props): ReactNode {
  return (
    <Stack gap="md">
      <Title order={2}>Second factors</Title>
      <Checkbox.Group
        label="Local users may use"
        value={[...settings.secondFactors]}
        error={problems.secondFactors}
        onChange={(secondFactors) => onChange({ ...settings, secondFactors })}
      >
        <Stack gap="xs" mt="xs">
          <Checkbox value="otp" label="One-time codes of an app" disabled={disabled} />
          <Checkbox value="webauthn" label="Passkeys and security keys" disabled={disabled} />
        </Stack>
      </Checkbox.Group>
      <Switch
        label="A passkey alone is enough"
        description="One that checks its person by itself; without it a password comes first"
        checked={settings.allowPasswordless}
        disabled={disabled}
        onChange={(event) => onChange({ ...settings, allowPasswordless: event.currentTarget.checked })}
      />
      <Switch
        label="A second factor for each database session"
        description="For everybody; roles can ask for it too (require_session_mfa)"
        checked={settings.requireSessionMfa}
        disabled={disabled}
        onChange={(event) => onChange({ ...settings, requireSessionMfa: event.currentTarget.checked })}
      />
      <TextInput
        label="Domain of passkeys"
        description="rp_id. Empty: the host of the proxies' public address. Passkeys work there and below."
        placeholder="access.example.com"
        value={settings.rpId}
        disabled={disabled}
        error={problems.rpId}
        maxLength={253}
        onChange={(event) => onChange({ ...settings, rpId: event.currentTarget.value })}
      />
    </Stack>
  );
}

/** How long things last, and what happens when locks are not known. */
export function SessionFields({ settings, onChange, problems, disabled }: Props): ReactNode {
  const durations = [
    ['defaultSessionTtl', 'A sign-in lasts', 'Roles can shorten it'],
    ['webIdleTimeout', 'Signed out here when idle for', 'Of this web UI'],
    ['sessionMfaTtl', 'A second factor for a session holds', 'The database session must begin within it'],
  ] as const;
  return (
    <Stack gap="md">
      <Title order={2}>Sessions</Title>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md">
        {durations.map(([key, label, description]) => (
          <TextInput
            key={key}
            label={label}
            description={description}
            value={settings[key]}
            disabled={disabled}
            error={problems[key]}
            maxLength={30}
            onChange={(event) => onChange({ ...settings, [key]: event.currentTarget.value })}
          />
        ))}
      </SimpleGrid>
      <Switch
        label="Sessions end when the certificate does"
        description="Off: a session that is open goes on; roles can ask for it too"
        checked={settings.disconnectExpiredCert}
        disabled={disabled}
        onChange={(event) => onChange({ ...settings, disconnectExpiredCert: event.currentTarget.checked })}
      />
      <Radio.Group
        label="When an agent has not heard of locks for a while"
        value={settings.lockingMode}
        onChange={(lockingMode) => onChange({ ...settings, lockingMode })}
      >
        <Stack gap="xs" mt="xs">
          <Radio
            value="best_effort"
            disabled={disabled}
            label="It goes on with what it knew"
            description="Databases stay reachable while the Auth Service is away"
          />
          <Radio
            value="strict"
            disabled={disabled}
            label="It refuses new sessions"
            description="Nobody who was locked meanwhile gets in"
          />
        </Stack>
      </Radio.Group>
      {disabled && (
        <Text size="sm" c="dimmed">
          Your roles let you read these settings, not change them.
        </Text>
      )}
    </Stack>
  );
}
