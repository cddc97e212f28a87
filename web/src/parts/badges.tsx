import { Badge, Group, Text } from '@mantine/core';
import { IconAlertTriangle, IconCircleCheck, IconHelpCircle } from '@tabler/icons-react';
import type { ReactNode } from 'react';

const HEALTH = {
  healthy: { color: 'green', icon: IconCircleCheck, words: 'An agent reaches it' },
  unhealthy: { color: 'red', icon: IconAlertTriangle, words: 'No agent reaches it now' },
  unknown: { color: 'gray', icon: IconHelpCircle, words: 'No agent has told yet' },
} as const;

/** "healthy", "unhealthy" or anything else as unknown; told by word and shape too, not by colour alone. `title` replaces what is said on hover. */
export function HealthBadge({ health, title }: { readonly health: string; readonly title?: string }): ReactNode {
  const known = health === 'healthy' || health === 'unhealthy' ? health : 'unknown';
  const { color, icon: Icon, words } = HEALTH[known];
  return (
    <Badge title={title ?? words} variant="light" color={color} tt="none" leftSection={<Icon size={12} aria-hidden />}>
      {known}
    </Badge>
  );
}

/** Labels as `key=value`; those past `most` are counted and told on hover. Texts are people's own: shown as text, never read as anything else. */
export function LabelBadges(props: {
  readonly labels: Readonly<Record<string, string | readonly string[]>>;
  readonly most?: number;
  readonly onPick?: ((label: string) => void) | undefined;
}): ReactNode {
  const texts = Object.entries(props.labels).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : value.join(',')}`,
  );
  const shown = texts.slice(0, props.most ?? 6);
  const rest = texts.slice(shown.length);
  const { onPick } = props;
  return (
    <Group gap={6}>
      {shown.map((text) =>
        onPick === undefined ? (
          <LabelBadge key={text} text={text} />
        ) : (
          <Badge
            key={text}
            component="button"
            type="button"
            variant="default"
            tt="none"
            fw={500}
            style={{ cursor: 'pointer' }}
            onClick={() => onPick(text)}
          >
            {text}
          </Badge>
        ),
      )}
      {rest.length > 0 && (
        <Text title={rest.join(', ')} size="xs" c="dimmed">
          and {rest.length} more
        </Text>
      )}
    </Group>
  );
}

function LabelBadge({ text }: { readonly text: string }): ReactNode {
  return (
    <Badge variant="default" tt="none" fw={500}>
      {text}
    </Badge>
  );
}
