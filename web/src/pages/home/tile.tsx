import { Card, Skeleton, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { CardLink } from '../../parts/links.tsx';
import classes from './tile.module.css';

/** One figure. The whole card leads to where it comes from. `value` undefined: not known yet; `failed`: could not be asked. */
export function Tile(props: {
  readonly label: string;
  readonly value: string | undefined;
  readonly note: string;
  readonly color?: 'red' | 'orange' | undefined;
  readonly to?: '/sessions' | '/audit';
  readonly search?: Readonly<Record<string, unknown>>;
  readonly failed: boolean;
}): ReactNode {
  const body = (
    <>
      <Text size="sm" c="dimmed">
        {props.label}
      </Text>
      {props.value === undefined && !props.failed ? (
        <Skeleton height={30} width={80} my={5} />
      ) : (
        <Text fz={28} fw={600} lh="40px" {...(props.color === undefined ? {} : { c: `${props.color}.text` })}>
          {props.failed ? '–' : props.value}
        </Text>
      )}
      <Text size="xs" c="dimmed" mih={19}>
        {props.failed ? 'could not be asked just now' : props.value === undefined ? '' : props.note}
      </Text>
    </>
  );
  if (props.to === undefined)
    return (
      <Card withBorder padding="md">
        {body}
      </Card>
    );
  return (
    <CardLink withBorder padding="md" to={props.to} search={props.search ?? {}} className={classes['link'] ?? ''}>
      {body}
    </CardLink>
  );
}
