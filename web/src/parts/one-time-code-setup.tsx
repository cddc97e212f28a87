import { Center, Stack, Text } from '@mantine/core';
import { lazy, Suspense, type ReactNode } from 'react';
import { CodeInput } from './code-input.tsx';
import { CopyLine } from './copy-line.tsx';

const QrCode = lazy(async () => ({ default: (await import('./qr-code.tsx')).QrCode }));
const QR_PIXELS = 184;

/** An authenticator app's set-up: scan, or type the secret; then the first code shows that it worked. `uri` is the otpauth:// address. */
export function OneTimeCodeSetup(props: {
  readonly uri: string;
  readonly code: string;
  readonly onCode: (digits: string) => void;
}): ReactNode {
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        Scan this with an authenticator app, then enter the code that it shows.
      </Text>
      <Center h={QR_PIXELS}>
        <Suspense>
          <QrCode
            text={props.uri}
            size={QR_PIXELS}
            label="QR code for an authenticator app; the same secret stands below as text"
          />
        </Suspense>
      </Center>
      <CopyLine label="Secret for the authenticator app" value={secretOf(props.uri)} />
      <CodeInput value={props.code} onChange={props.onCode} label="Code from the app" />
    </Stack>
  );
}

function secretOf(uri: string): string {
  return new URL(uri).searchParams.get('secret') ?? '';
}
