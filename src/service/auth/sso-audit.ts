import type { ProviderAnswer } from '../../sso/connector.ts';

/** maxAuditAttributeBytes: of what a provider said, as one event tells it. */
const MAX_BYTES = 8 * 1024;

/** What the audit log keeps of an answer: the subject and all attributes, or, when they are many, their names and how many values each has. */
export function auditAttributes({ subject, attributes }: ProviderAnswer): object {
  const told = { subject: subject.slice(0, MAX_SUBJECT), ...attributes };
  if (Buffer.byteLength(JSON.stringify(told)) <= MAX_BYTES) return told;
  const counts = Object.entries(attributes)
    .slice(0, MAX_NAMES)
    .map(([name, values]) => [name.slice(0, MAX_NAME), values.length] as const);
  return { subject: subject.slice(0, MAX_SUBJECT), too_large: true, value_counts: Object.fromEntries(counts) };
}

const MAX_SUBJECT = 256;
const MAX_NAMES = 50;
const MAX_NAME = 64;
