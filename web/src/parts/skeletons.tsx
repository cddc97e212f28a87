import { Card, Skeleton, Stack } from '@mantine/core';
import type { ReactNode } from 'react';

/** Grey shapes of the size of what will come, so that nothing moves when it does. Hidden from screen readers, which hear one word instead. */

/** A page: title, line, and a block. */
export function PageSkeleton(): ReactNode {
  return (
    <Loading>
      <Stack gap="md">
        <Skeleton height={30} width={200} />
        <Skeleton height={16} width="40%" />
        <Skeleton height={280} radius="md" />
      </Stack>
    </Loading>
  );
}

/** `count` cards of `height` pixels; lay them out as the real ones. */
export function CardsSkeleton({ count, height }: { readonly count: number; readonly height: number }): ReactNode {
  return Array.from({ length: count }, (_card, index) => (
    <Card key={index} withBorder padding={0} aria-hidden>
      <Skeleton height={height} radius="md" />
    </Card>
  ));
}

/** A text of `lines` lines. */
export function TextSkeleton({ lines = 3 }: { readonly lines?: number }): ReactNode {
  return (
    <Loading>
      <Stack gap={10}>
        {Array.from({ length: lines }, (_line, index) => (
          <Skeleton key={index} height={14} width={`${96 - ((index * 23) % 45)}%`} />
        ))}
      </Stack>
    </Loading>
  );
}

function Loading({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <>
      <span className="visually-hidden" role="status">
        Loading
      </span>
      <div aria-hidden>{children}</div>
    </>
  );
}
