import { Group, List, PasswordInput, Stack, Title } from '@mantine/core';
import { IconCircle, IconCircleCheck } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { passwordRules } from './password-rules.ts';

/** A new password twice, and its rules as they come true. */
export function PasswordFields(props: {
  readonly user: string;
  readonly password: string;
  readonly repeated: string;
  readonly onPassword: (value: string) => void;
  readonly onRepeated: (value: string) => void;
}): ReactNode {
  return (
    <Stack gap="sm">
      <Title order={2}>Password</Title>
      {/* For password managers, which keep a password under the name beside it. */}
      <input type="text" name="username" autoComplete="username" value={props.user} readOnly hidden />
      <PasswordInput
        label="New password"
        autoComplete="new-password"
        aria-describedby="password-rules"
        autoFocus
        value={props.password}
        onChange={(event) => props.onPassword(event.currentTarget.value)}
      />
      <PasswordInput
        label="Once more"
        autoComplete="new-password"
        value={props.repeated}
        onChange={(event) => props.onRepeated(event.currentTarget.value)}
      />
      <List id="password-rules" listStyleType="none" size="sm" spacing={4} aria-live="polite">
        {passwordRules(props.password, props.repeated).map((rule) => (
          <List.Item key={rule.text} c={rule.met ? 'bright' : 'dimmed'}>
            <Group gap={6} wrap="nowrap" align="flex-start">
              {rule.met ? (
                <IconCircleCheck
                  size={16}
                  color="var(--mantine-color-green-text)"
                  style={{ flexShrink: 0, marginTop: 3 }}
                  aria-hidden
                />
              ) : (
                <IconCircle size={16} style={{ flexShrink: 0, marginTop: 3 }} aria-hidden />
              )}
              <span>
                {rule.text}
                <span className="visually-hidden">{rule.met ? ': met' : ': not yet'}</span>
              </span>
            </Group>
          </List.Item>
        ))}
      </List>
    </Stack>
  );
}
