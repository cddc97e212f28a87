import { MantineProvider, localStorageColorSchemeManager } from '@mantine/core';
import { TransportProvider } from '@connectrpc/connect-query';
import { QueryClientProvider } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { queryClient, transport } from '../api/transport.ts';
import { cssVariables, theme } from './theme.ts';
import { Toasts } from './toasts.tsx';

// The key is read by public/theme.js too, before the first paint.
const colorSchemes = localStorageColorSchemeManager({ key: 'tessera-color-scheme' });

/** What every page stands on: look, notifications, calls and their answers. */
export function Providers({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <MantineProvider
      theme={theme}
      cssVariablesResolver={cssVariables}
      colorSchemeManager={colorSchemes}
      defaultColorScheme="auto"
    >
      <Toasts />
      <TransportProvider transport={transport}>
        <QueryClientProvider client={queryClient}>{children}</QueryClientProvider>
      </TransportProvider>
    </MantineProvider>
  );
}
