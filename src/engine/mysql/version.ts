/** A server's version as it may be logged and shown: printable ASCII, at most 128 characters. Undefined when nothing is left. */
export function boundedVersion(serverVersion: string): string | undefined {
  const text = serverVersion.replaceAll(/[^\x20-\x7e]/g, '').slice(0, maxVersionLength);
  return text === '' ? undefined : text;
}

const maxVersionLength = 128;
