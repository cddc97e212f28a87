import { Lexer, TOKEN } from './lexer.ts';
import { readingsOf } from './readings.ts';
import type { StatementOptions } from './statement.ts';

/**
 * How many parameters (`?`) a text has, for an execution that is sent before the database has told it (MariaDB's pipelining). Undefined when that depends on how the text
 * is read. Linear in the text times its readings.
 */
export function placeholderCount(sql: Buffer, options: StatementOptions): number | undefined {
  const { readings, all } = readingsOf(sql, options);
  let count: number | undefined;
  for (const reading of readings) {
    const lexer = new Lexer(sql, reading);
    let found = 0;
    for (let token = lexer.next(); token !== TOKEN.end; token = lexer.next())
      if (token === TOKEN.other && sql[lexer.start] === questionMark) found += 1;
    if (count !== undefined && count !== found) return undefined;
    count = found;
  }
  return all ? count : undefined;
}

const questionMark = 0x3f;
