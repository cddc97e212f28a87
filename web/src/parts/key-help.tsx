import { ActionIcon, Group, Kbd, Popover, Stack, Table, Text } from '@mantine/core';
import { IconKeyboard } from '@tabler/icons-react';
import type { ReactNode } from 'react';

export type Shortcut = { readonly keys: readonly string[]; readonly what: string };

/** The keys of a page, behind a button and the key `?`. */
export function KeyHelp(props: {
  readonly shortcuts: readonly Shortcut[];
  readonly opened: boolean;
  readonly onChange: (opened: boolean) => void;
}): ReactNode {
  return (
    <Popover
      opened={props.opened}
      onChange={props.onChange}
      position="bottom-end"
      shadow="md"
      trapFocus
      returnFocus
      width={330}
    >
      <Popover.Target>
        <ActionIcon
          variant="default"
          size={36}
          aria-label="Keys of this page"
          title="Keys of this page (?)"
          onClick={() => props.onChange(!props.opened)}
        >
          <IconKeyboard size={18} stroke={1.6} />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown tabIndex={-1} data-autofocus>
        <Stack gap="xs">
          <Text fw={600} size="sm">
            Keys
          </Text>
          <Table withRowBorders={false} verticalSpacing={4} horizontalSpacing={0} fz="sm">
            <Table.Tbody>
              {props.shortcuts.map(({ keys, what }) => (
                <Table.Tr key={what}>
                  <Table.Td w={120}>
                    <Group gap={4}>
                      {keys.map((key) => (
                        <Kbd key={key} size="xs">
                          {key}
                        </Kbd>
                      ))}
                    </Group>
                  </Table.Td>
                  <Table.Td>{what}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
