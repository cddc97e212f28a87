import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigError } from '../errors.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

/**
 * The health endpoints of a process on `diag_addr`, plain HTTP for probes and Prometheus on the same machine:
 * `/healthz` 200 while the process answers; `/readyz` 200 or 503 with each service and the reason why it is not; `/metrics`.
 * No authentication, so it listens on loopback unless told otherwise, and tells nothing about people.
 */
export class DiagnosticsServer {
  /** `host:port`, the real port also when 0 was asked for. */
  readonly address: string;
  readonly #server: Server;

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
  }

  /** Listens. Rejects with ConfigError when the address is not one or can not be had. */
  static async listen(options: DiagnosticsOptions, deps: DiagnosticsDeps): Promise<DiagnosticsServer> {
    const { host, port } = parseAddress(options.address);
    const server = createServer(
      // Slow or silent callers are cut; nobody may hold more than a few connections here for long.
      {
        requestTimeout: 5000,
        headersTimeout: 5000,
        keepAliveTimeout: 30_000,
        maxHeaderSize: 8192,
        connectionsCheckingInterval: 5000,
      },
      (request, response) => void answer(request, response, deps),
    );
    server.maxConnections = 64;
    server.maxRequestsPerSocket = 1000;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(new ConfigError([`diag_addr ${options.address}: cannot listen: ${error.message}`])),
      );
      server.listen(port, host, resolve);
    });
    server.on('error', (error) => deps.log.error({ err: error }, 'diagnostics: server fault'));
    if (!isLoopback(host))
      deps.log.warn(
        { address: options.address },
        'diagnostics: listening on more than this machine, without authentication',
      );
    return new DiagnosticsServer(server, printAddress(server.address()));
  }

  /** Stops listening and cuts what is open. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}

export type DiagnosticsOptions = {
  /** `host:port`, `[v6]:port`, or `:port` for loopback. Port 0: any free one. */
  readonly address: string;
};
export type Readiness = { readonly ready: boolean; readonly reason?: string };
export type DiagnosticsDeps = {
  readonly log: Log;
  readonly metrics: Metrics;
  /** Asked at each `/readyz`: every service of the process by its name. */
  readonly readiness: () => ReadonlyMap<string, Readiness>;
};

async function answer(request: IncomingMessage, response: ServerResponse, deps: DiagnosticsDeps): Promise<void> {
  request.resume();
  try {
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, TEXT, 'use GET\n');
    const path = (request.url ?? '').split('?', 1)[0];
    if (path === '/healthz') return send(response, 200, JSON_TYPE, '{"status":"ok"}\n');
    if (path === '/readyz') return sendReadiness(response, deps.readiness());
    if (path === '/metrics') return send(response, 200, deps.metrics.contentType, await deps.metrics.text());
    send(response, 404, TEXT, 'not found; there are /healthz, /readyz and /metrics\n');
  } catch (error) {
    deps.log.error({ err: error }, 'diagnostics: request failed');
    if (!response.headersSent) send(response, 500, TEXT, 'internal fault; see the log\n');
  }
}

function sendReadiness(response: ServerResponse, services: ReadonlyMap<string, Readiness>): void {
  const ready = services.size > 0 && [...services.values()].every((service) => service.ready);
  const body = { status: ready ? 'ok' : 'unready', services: Object.fromEntries(services) };
  send(response, ready ? 200 : 503, JSON_TYPE, `${JSON.stringify(body)}\n`);
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}

function parseAddress(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    throw new ConfigError([`diag_addr: expected host:port, got ${JSON.stringify(text)}`]);
  const host = match[1] ?? match[2] ?? '';
  return { host: host === '' ? '127.0.0.1' : host, port };
}

function printAddress(address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') return '';
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';
