import { CLIENT, COM, has } from '../../protocol/mysql/capabilities.ts';
import { decodeErr, isErr } from '../../protocol/mysql/err.ts';
import { decodeOk, type OkPacket } from '../../protocol/mysql/ok.ts';
import { decodePacket, encodePacket, packetShape } from '../../protocol/mysql/packet.ts';
import { readTrack, trackedSchema } from '../../protocol/mysql/session-track.ts';
import { DatabaseRefusal } from '../database-refusal.ts';
import type { ServerError } from '../../protocol/mysql/records.ts';
import type { LoggedIn } from './log-in.ts';
import { databaseCodeOf } from './refuse.ts';
import { unexpected } from './sign-in.ts';

/**
 * Makes sure that the database which the server opened is the one that was authorized: with `lower_case_table_names` it takes one name for another. The server tells with its OK; one that was configured not to
 * (`session_track_schema=OFF`) is told to, and asked again. A server that can not track sessions is believed. Throws DatabaseRefusal for another database.
 */
export async function confirmDatabase(loggedIn: LoggedIn, databaseName: string, signal: AbortSignal): Promise<void> {
  const { ok, flags } = loggedIn;
  const told = schemaOf(ok);
  if (told !== undefined) return confirm(told, databaseName);
  if (databaseName === '' || !has(flags.capabilities, CLIENT.SESSION_TRACK)) return;
  const attributes = has(flags.capabilities, CLIENT.QUERY_ATTRIBUTES) ? [0, 1] : [];
  const on = await ask(loggedIn, [COM.COM_QUERY, ...attributes], 'SET SESSION session_track_schema = ON', signal);
  // Something that only looks like MySQL: it has no such variable.
  if ('code' in on) return;
  const again = await ask(loggedIn, [COM.COM_INIT_DB], databaseName, signal);
  if ('code' in again) throw new DatabaseRefusal({ code: databaseCodeOf(again), message: again.message });
  const schema = schemaOf(again);
  if (schema !== undefined) confirm(schema, databaseName);
}

/** What the database answers to one command: OK or ERR. */
async function ask(
  { channel, reader, flags }: LoggedIn,
  command: readonly number[],
  text: string,
  signal: AbortSignal,
): Promise<OkPacket | ServerError> {
  channel.write(encodePacket(0, Buffer.concat([Buffer.from(command), Buffer.from(text, 'utf8')])));
  const { sequence, payload } = decodePacket(await reader.readFrame(shape, signal));
  if (sequence !== 1) throw unexpected(`an answer with sequence ${sequence}, expected 1`);
  return isErr(payload) ? decodeErr(payload, flags.capabilities) : decodeOk(payload, flags.capabilities);
}

function schemaOf({ track }: OkPacket): string | undefined {
  return track === undefined ? undefined : trackedSchema(readTrack(track));
}

function confirm(told: string, databaseName: string): void {
  if (told !== databaseName) throw otherDatabase(told);
}

function otherDatabase(told: string): DatabaseRefusal {
  const message = `the server calls this database "${told.slice(0, 64)}": ask for it by that name`;
  return new DatabaseRefusal({ code: '1049/42000', message });
}

const shape = packetShape(64 * 1024, 'mysql: packet of the database behind the sign-in', 'maxSignInPacketBytes');
