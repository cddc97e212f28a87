import { Grid } from '@mantine/core';
import type { ReactNode } from 'react';
import { useMayExplain } from '../../parts/resources/use-resources.ts';
import { DraftExplainer } from './explainer.tsx';

/** The editor, and beside it what the role as it is written now would open. */
export function BesideEditor(props: { readonly draft: string | undefined; readonly children: ReactNode }): ReactNode {
  const mayExplain = useMayExplain();
  if (!mayExplain) return props.children;
  return (
    <Grid gap="lg">
      <Grid.Col span={{ base: 12, lg: 7 }}>{props.children}</Grid.Col>
      <Grid.Col span={{ base: 12, lg: 5 }}>
        <DraftExplainer draft={props.draft} />
      </Grid.Col>
    </Grid>
  );
}
