import { Button, Menu, Text } from '@mantine/core';
import { IconChevronDown, IconPlus } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';

/** A button with the templates that something new may begin with; the page at `to` is told the chosen one as `?new=`. */
export function NewFromTemplate(props: {
  /** What the button says. */
  readonly label: string;
  readonly to: '/connectors' | '/roles';
  readonly templates: readonly { readonly id: string; readonly title: string; readonly text: string }[];
  readonly width: number;
}): ReactNode {
  const navigate = useNavigate();
  return (
    <Menu position="bottom-end" width={props.width}>
      <Menu.Target>
        <Button
          leftSection={<IconPlus size={16} aria-hidden />}
          rightSection={<IconChevronDown size={14} aria-hidden />}
        >
          {props.label}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {props.templates.map(({ id, title, text }) => (
          <Menu.Item key={id} onClick={() => void navigate({ to: props.to, search: { new: id } })}>
            <Text size="sm" fw={500}>
              {title}
            </Text>
            <Text size="xs" c="dimmed">
              {text}
            </Text>
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
