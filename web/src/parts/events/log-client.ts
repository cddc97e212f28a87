import { createClient } from '@connectrpc/connect';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { transport } from '../../api/transport.ts';

/** The API for what hooks of connect-query do not do: streams, and pages one by one. */
export const log = createClient(AuthService, transport);
