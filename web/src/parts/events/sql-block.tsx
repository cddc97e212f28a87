import { ActionIcon, Box, Code, Text } from '@mantine/core';
import { useClipboard } from '@mantine/hooks';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { SqlText } from '../code-text.tsx';
import { visible } from './visible.ts';
import { VisibleText } from './visible-text.tsx';

/** A statement with its bound values. What can not be seen in it is marked; copying gives the text as it was recorded. */
export function SqlBlock(props: { readonly text: string; readonly values?: readonly string[] | undefined }): ReactNode {
  return (
    <Box>
      <CopyCorner value={props.text} label="the statement">
        <SqlText text={visible(props.text, 'block')} />
      </CopyCorner>
      {props.values !== undefined && props.values.length > 0 && <BoundValues values={props.values} />}
    </Box>
  );
}

/** Something with a button in its corner that copies `value`. */
export function CopyCorner(props: {
  readonly value: string;
  readonly label: string;
  readonly children: ReactNode;
}): ReactNode {
  const clipboard = useClipboard({ timeout: 2000 });
  return (
    <Box pos="relative">
      {props.children}
      <ActionIcon
        variant="default"
        size="sm"
        pos="absolute"
        top={7}
        right={8}
        title={clipboard.copied ? 'Copied' : 'Copy'}
        aria-label={clipboard.copied ? `Copied ${props.label}` : `Copy ${props.label}`}
        onClick={() => clipboard.copy(props.value)}
      >
        {clipboard.copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
      </ActionIcon>
    </Box>
  );
}

function BoundValues({ values }: { readonly values: readonly string[] }): ReactNode {
  const shown = values.slice(0, MOST_VALUES);
  return (
    <Box mt="xs">
      <Text size="xs" c="dimmed" mb={4}>
        Bound values, in order
      </Text>
      <Box component="ol" m={0} pl="2.4em" fz="sm">
        {shown.map((value, index) => (
          <li key={index}>
            <Code style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>
              <VisibleText text={value.slice(0, MOST_CHARACTERS)} layout="block" />
              {value.length > MOST_CHARACTERS && ' …'}
            </Code>
          </li>
        ))}
      </Box>
      {values.length > shown.length && (
        <Text size="xs" c="dimmed">
          and {values.length - shown.length} more, in the JSON
        </Text>
      )}
    </Box>
  );
}

const MOST_VALUES = 200;
const MOST_CHARACTERS = 4000;
