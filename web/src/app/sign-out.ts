import { createClient } from '@connectrpc/connect';
import { notifications } from '@mantine/notifications';
import { AuthService } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { isSignedOut, toSentences } from '../api/errors.ts';
import { transport } from '../api/transport.ts';

/** Ends the session at the server, then leaves for the sign-in page by a full load, which forgets everything that was shown. When the server is away it says so and stays. */
export async function signOut(): Promise<void> {
  try {
    await createClient(AuthService, transport).endWebSession({});
  } catch (error) {
    if (!isSignedOut(error)) {
      const { what, why } = toSentences(error, 'You are still signed in: the session could not be ended');
      notifications.show({ color: 'red', title: what, message: why });
      return;
    }
  }
  window.location.assign('/web/login');
}
