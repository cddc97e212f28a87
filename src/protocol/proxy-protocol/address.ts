import { ProtocolError } from '../../errors.ts';

/** The 4 or 16 bytes of an IP address in text. Throws ProtocolError for anything else; a zone (`%eth0`) is not accepted. */
export function ipBytes(text: string): Buffer {
  const bytes = text.includes(':') ? v6Bytes(text) : v4Bytes(text);
  if (bytes === undefined)
    throw new ProtocolError('PROXY_BAD_ADDRESS', 'proxy protocol: an address is neither IPv4 nor IPv6');
  return bytes;
}

/** Text of a 4 or 16 byte address; IPv6 in the short form of RFC 5952, an IPv4-mapped one as IPv4. */
export function formatIp(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.subarray(0, 12).equals(MAPPED)) return bytes.subarray(12).join('.');
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(bytes.readUInt16BE(at).toString(16));
  const { start, length } = longestZeros(groups);
  if (length < 2) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}

function longestZeros(groups: readonly string[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let run = 0;
  for (let index = 0; index < groups.length; index += 1) {
    run = groups[index] === '0' ? run + 1 : 0;
    if (run > best.length) best = { start: index - run + 1, length: run };
  }
  return best;
}

function v4Bytes(text: string): Buffer | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9][0-9]{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return Buffer.from(parts.map(Number));
}

function v6Bytes(text: string): Buffer | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => groupsOf(half));
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const missing = 16 - head.length - (tail?.length ?? 0);
  if (halves.length === 1) return missing === 0 ? Buffer.from(head) : undefined;
  return missing < 2 ? undefined : Buffer.from([...head, ...Array.from({ length: missing }, () => 0), ...(tail ?? [])]);
}

function groupsOf(half: string): readonly number[] | undefined {
  if (half === '') return [];
  const bytes: number[] = [];
  const parts = half.split(':');
  for (const [index, part] of parts.entries()) {
    if (part.includes('.') && index === parts.length - 1) {
      const last = v4Bytes(part);
      if (last === undefined) return undefined;
      bytes.push(...last);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part))
      bytes.push(Number.parseInt(part, 16) >>> 8, Number.parseInt(part, 16) & 0xff);
    else return undefined;
  }
  return bytes;
}

const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');
