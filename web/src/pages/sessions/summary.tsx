import { Card, SimpleGrid, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { printMs, printTime } from '../../parts/events/figures.ts';
import { VisibleText } from '../../parts/events/visible-text.tsx';
import { bytesWords, countWords } from '../../parts/time-words.ts';
import type { Story } from './story.ts';

/** Who, where, when and how much, at a glance. */
export function Summary({ story, nowMs }: { readonly story: Story; readonly nowMs: number }): ReactNode {
  const { totals } = story;
  const lasted = (story.endedMs ?? nowMs) - story.startedMs;
  const facts: readonly (readonly [label: string, value: string, more?: string])[] = [
    ['User', story.user, story.address],
    ['Database', story.database, asWords(story)],
    [
      'Began',
      printTime(story.startedMs),
      story.refused ? '' : `${story.endedMs === undefined ? 'goes on since' : 'lasted'} ${printMs(lasted)}`,
    ],
    [
      'Statements',
      countWords(totals.statements),
      totals.failed === 0 ? 'none failed' : `${countWords(totals.failed)} failed`,
    ],
    ['Rows', countWords(totals.rows), `${printMs(totals.databaseMs)} in the database`],
    [
      'Received',
      totals.bytesFromDatabase === undefined ? '–' : bytesWords(totals.bytesFromDatabase),
      totals.bytesFromClient === undefined ? '' : `${bytesWords(totals.bytesFromClient)} sent`,
    ],
  ];
  return (
    <Card withBorder padding="md">
      <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }} spacing="md" verticalSpacing="sm" component="dl" m={0}>
        {facts.map(([label, value, more]) => (
          <div key={label} style={{ minWidth: 0 }}>
            <Text component="dt" size="xs" c="dimmed">
              {label}
            </Text>
            <Text component="dd" m={0} fw={600} style={{ overflowWrap: 'anywhere' }}>
              <VisibleText text={value} />
            </Text>
            {more !== undefined && more !== '' && (
              <Text component="dd" m={0} size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
                <VisibleText text={more} />
              </Text>
            )}
          </div>
        ))}
      </SimpleGrid>
    </Card>
  );
}

function asWords(story: Story): string {
  const as = story.databaseUser === '' ? '' : `as ${story.databaseUser}`;
  return [as, story.databaseName].filter((text) => text !== '').join(', ');
}
