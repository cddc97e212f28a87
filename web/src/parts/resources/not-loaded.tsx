import type { ReactNode } from 'react';
import { ErrorState } from '../error-state.tsx';
import { AnchorLink } from '../links.tsx';
import { PageHeader } from '../page-header.tsx';
import { PageSkeleton } from '../skeletons.tsx';
import type { useResource } from './use-resources.ts';

/** The page of one resource that is still on the way, or could not be loaded. */
export function NotLoaded(props: {
  readonly name: string;
  /** What it is, as a sentence calls it: "role". */
  readonly noun: string;
  /** Where all of them are. */
  readonly all: '/connectors' | '/roles' | '/users';
  readonly answer: ReturnType<typeof useResource>;
}): ReactNode {
  const { isPending, error, retry } = props.answer;
  return (
    <>
      <PageHeader title={props.name} description={<AnchorLink to={props.all}>All {props.noun}s</AnchorLink>} />
      {isPending ? (
        <PageSkeleton />
      ) : (
        <ErrorState error={error} what={`The ${props.noun} could not be loaded`} onRetry={retry} />
      )}
    </>
  );
}
