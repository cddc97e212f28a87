import { UpstreamError } from '../../errors.ts';
import type { AuthConnection } from '../../rpc/client.ts';
import { resourceToJson } from '../../rpc/convert.ts';
import { fromConnectError } from '../../rpc/errors.ts';
import { programVersion } from '../program-version.ts';
import type { IssueCertificate } from './credentials.ts';
import type { HeartbeatMessage } from './heartbeat.ts';
import type { SendReport } from './session-reports.ts';

const VERSION = programVersion();

/** What this agent asks of Auth, in the words of its parts. Failures are errors of ours. */
export class AuthCalls {
  readonly #client: AuthConnection['client'];

  constructor(connection: AuthConnection) {
    this.#client = connection.client;
  }

  async heartbeat(
    message: HeartbeatMessage,
    audit: { readonly backlogBytes: number; readonly lagMs: number },
  ): Promise<{ readonly nextSeconds: number }> {
    try {
      return await this.#client.heartbeat({
        resources: message.servers.map((server) => resourceToJson(server)),
        removed: [...message.removed],
        auditBacklogBytes: BigInt(audit.backlogBytes),
        auditLagMilliseconds: BigInt(Math.round(audit.lagMs)),
        version: VERSION,
      });
    } catch (error) {
      throw fromConnectError(error);
    }
  }

  /** One part of a picture of the live sessions; when Auth wants the next picture. */
  readonly reportSessions: SendReport = async (part) => {
    try {
      const { nextMilliseconds } = await this.#client.reportSessions(part, { timeoutMs: reportTimeoutMs });
      return { nextMs: nextMilliseconds };
    } catch (error) {
      throw fromConnectError(error);
    }
  };

  readonly issueDatabaseCertificate: IssueCertificate = async (request) => {
    try {
      const answer = await this.#client.issueDatabaseCertificate(
        { ...request, opening: new Uint8Array(request.opening), publicKey: new Uint8Array(request.publicKey) },
        { timeoutMs: issueTimeoutMs },
      );
      const { certificate, roles } = answer;
      return { certificate, roles };
    } catch (error) {
      const cause = fromConnectError(error);
      const publicMessage =
        cause instanceof UpstreamError
          ? 'the auth service is away, and this agent holds no certificate for you and this database'
          : cause.publicMessage;
      throw new UpstreamError('DATABASE_CERTIFICATE', `no certificate for the database: ${cause.message}`, {
        cause,
        publicMessage,
      });
    }
  };
}

const issueTimeoutMs = 10_000;
const reportTimeoutMs = 10_000;
