import { Button } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { ErrorState } from '../error-state.tsx';
import { PageHeader } from '../page-header.tsx';
import type { useResources } from './use-resources.ts';

/** A page that lists all of one kind: title, the button that adds one, and the list (`children`) or why there is none. */
export function ListFrame(props: {
  readonly title: string;
  readonly description: string;
  /** What is listed, as a sentence calls it: "users". */
  readonly noun: string;
  readonly list: ReturnType<typeof useResources>;
  readonly mayAdd: boolean;
  /** What the button says. */
  readonly add: string;
  readonly onAdd: () => void;
  readonly children: ReactNode;
}): ReactNode {
  const { items, error, retry } = props.list;
  return (
    <>
      <PageHeader
        title={props.title}
        description={props.description}
        actions={
          props.mayAdd && (
            <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={props.onAdd}>
              {props.add}
            </Button>
          )
        }
      />
      {error !== null && items.length === 0 ? (
        <ErrorState error={error} what={`The ${props.noun} could not be loaded`} onRetry={retry} />
      ) : (
        props.children
      )}
    </>
  );
}
