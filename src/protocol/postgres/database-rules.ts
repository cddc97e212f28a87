import { maxErrorFieldBytes } from './records.ts';
import type { ScannerRules } from './scanner.ts';

/** What a database may send after start-up. */
export function databaseRules(): ScannerRules {
  return {
    peer: 'database',
    allowed: '123ACDEGHINSTVWZcdnst',
    wanted: new Map([
      ['1', 0],
      ['2', 0],
      ['3', 0],
      ['C', 1024],
      ['E', maxErrorFieldBytes * 4],
      ['G', 0],
      ['H', 0],
      ['I', 0],
      ['S', 8192],
      ['T', 0],
      ['V', 0],
      ['W', 0],
      ['Z', 1],
      ['n', 0],
      ['s', 0],
      ['t', 2 + 65_535 * 4],
    ]),
    rowType: 'D',
    copyType: 'd',
    head: { type: 'A', bytes: 4 },
  };
}
