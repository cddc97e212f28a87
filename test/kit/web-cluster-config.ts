import { join } from 'node:path';

/** The configuration of Auth and a proxy in one process, which log all they ever log; the ports are of 127.0.0.1. */
export function webClusterConfig(folder: string, auth: number, proxy: number, diagnostics: string): string {
  return `version: v1
tessera:
  nodename: web
  data_dir: ${join(folder, 'data')}
  diag_addr: ${diagnostics}
  log: {level: trace, format: json}
auth_service:
  enabled: yes
  cluster_name: web
  listen_addr: 127.0.0.1:${auth}
proxy_service:
  enabled: yes
  listen_addr: 127.0.0.1:${proxy}
  public_addr: localhost:${proxy}
`;
}
