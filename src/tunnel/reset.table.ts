import type { RejectReason } from './tunnel.ts';

/** The numbers of reset reasons on the wire. Never reuse one. */
export const RESET_NUMBERS: Readonly<Record<RejectReason | 'closed', number>> = {
  'retry-elsewhere': 0x01,
  refused: 0x02,
  limit: 0x03,
  'protocol-error': 0x04,
  closed: 0x05,
};
