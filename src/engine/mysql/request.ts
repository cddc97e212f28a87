import type { AccessRequest } from '../engine.ts';

/** What the client's handshake response said; `AccessRequest.details` of this engine. */
export class MysqlRequest {
  /** CLIENT bits that the client chose of those it was offered. What it set beyond the offer is not in here. */
  readonly clientCapabilities: number;
  /** MARIADB_CLIENT bits, as chosen of those offered; 0 with a MySQL greeting. */
  readonly extended: number;
  /** The flavour of the greeting that the client was told. */
  readonly flavour: 'mysql' | 'mariadb';
  /** Low byte of the collation the client wants to speak. */
  readonly charset: number;
  /** The largest packet that the client says it takes. */
  readonly maxPacketSize: number;
  /** As the greeting said it: the client's own name for its session, for KILL. */
  readonly connectionId: number;
  /** Sequence number of the packet that we say next. */
  readonly sequence: number;
  /** Connection attributes, as sent. */
  readonly attributes: ReadonlyMap<string, string>;
  /** Bytes the client sent behind its response, not yet consumed. */
  readonly early: Buffer;

  constructor(fields: MysqlRequestFields) {
    this.clientCapabilities = fields.clientCapabilities;
    this.extended = fields.extended;
    this.flavour = fields.flavour;
    this.charset = fields.charset;
    this.maxPacketSize = fields.maxPacketSize;
    this.connectionId = fields.connectionId;
    this.sequence = fields.sequence;
    this.attributes = fields.attributes;
    this.early = fields.early;
  }
}

/** What a request is made of. */
export type MysqlRequestFields = { readonly [Name in keyof MysqlRequest]: MysqlRequest[Name] };

/** Set on `AccessRequest.parameters` before the names of connection attributes, so that none can pass for something else. */
export const attributePrefix = 'attribute.';

/** The parameters for the audit log: what can change the meaning of a statement, and what the client says of itself. */
export function auditedParameters(details: MysqlRequest): AccessRequest['parameters'] {
  const attributes = Array.from(details.attributes, ([name, value]) => [attributePrefix + name, value] as const);
  return {
    capabilities: details.clientCapabilities.toString(16).padStart(8, '0'),
    ...(details.extended === 0 ? {} : { extended_capabilities: details.extended.toString(16).padStart(8, '0') }),
    charset: String(details.charset),
    ...Object.fromEntries(attributes),
  };
}
