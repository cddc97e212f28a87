import { Alert, Stack, Text } from '@mantine/core';
import { IconKey } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { CopyLine } from '../../parts/copy-line.tsx';
import { Time } from '../../parts/time.tsx';

/** An invitation or a reset, as the server gave it: shown here and nowhere else. */
export type Link = { readonly user: string; readonly link: string; readonly token: string; readonly expires: string };

export function LinkOnce({ link, what }: { readonly link: Link; readonly what: 'invitation' | 'reset' }): ReactNode {
  const address = link.link === '' ? `/web/invite/${link.token}` : link.link;
  return (
    <Stack gap="sm" role="status">
      <Alert color="yellow" variant="light" icon={<IconKey aria-hidden />} title="Shown once: copy it now">
        Whoever opens this link sets the password and the second factor of {link.user}. Send it to them alone, by a
        channel that you trust. Good once, until <Time value={link.expires} exact />.
      </Alert>
      <CopyLine value={address} label={what === 'invitation' ? 'The invitation' : 'The link for a reset'} />
      {link.link === '' && (
        <Text size="sm" c="dimmed">
          No proxy is there now to make a whole address of it: put the public address of one in front.
        </Text>
      )}
    </Stack>
  );
}
