import { Skeleton } from '@mantine/core';
import { lazy, Suspense, type ReactNode } from 'react';
import type { EditorProps } from './yaml-editor-view.tsx';

const View = lazy(async () => ({ default: (await import('./yaml-editor-view.tsx')).EditorView }));

/** The YAML editor, loaded when it is shown. Its place is kept meanwhile. */
export function YamlEditor(props: EditorProps): ReactNode {
  return (
    <Suspense fallback={<Skeleton height={props.height ?? 420} radius="md" />}>
      <View {...props} />
    </Suspense>
  );
}
