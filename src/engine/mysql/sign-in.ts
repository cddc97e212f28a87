import { randomBytes } from 'node:crypto';

import { LoginError, ProtocolError, UpstreamError } from '../../errors.ts';
import {
  AUTH_PLUGIN,
  CACHING_SHA2,
  cachingSha2Response,
  clearPassword,
  nativePasswordResponse,
} from '../../protocol/mysql/auth.ts';
import { type AuthAnswer, decodeAuthAnswer } from '../../protocol/mysql/auth-packets.ts';
import { decodeParsecSalt, ed25519Response, parsecResponse } from '../../protocol/mysql/ed25519.ts';
import type { Greeting } from '../../protocol/mysql/greeting.ts';
import type { OkPacket } from '../../protocol/mysql/ok.ts';
import { decodePacket, encodePacket, packetShape } from '../../protocol/mysql/packet.ts';
import type { ServerError } from '../../protocol/mysql/records.ts';
import type { ChannelReader } from '../../wire/channel-reader.ts';
import { DatabaseRefusal } from '../database-refusal.ts';
import { databaseCodeOf } from './refuse.ts';

export type SignInOptions = {
  readonly reader: ChannelReader;
  readonly write: (bytes: Buffer) => void;
  readonly greeting: Pick<Greeting, 'plugin' | 'scramble'>;
  /** The payload of the handshake response with this plugin and its answer. */
  readonly response: (plugin: string, authResponse: Buffer) => Buffer;
  /** CLIENT bits agreed on. */
  readonly capabilities: number;
  /** Absent: the agent shows a client certificate and has no password. */
  readonly password: Password | undefined;
  readonly signal: AbortSignal;
};

export type Password = {
  readonly text: string;
  /** The database's certificate was verified: only then may it see the password itself. */
  readonly verified: boolean;
};

/**
 * Says the handshake response and answers what the database asks until it says OK. Behind TLS. Everything the database says is bounded. Without a password every question is answered as for an empty one:
 * no secret is there to be got. Throws DatabaseRefusal when the database says no.
 */
export async function signIn(options: SignInOptions): Promise<OkPacket> {
  const conversation = new SignIn(options);
  conversation.begin();
  for (let count = 0; count < maxPackets; count++) {
    const packet = decodePacket(await options.reader.readFrame(shape, options.signal));
    const ok = await conversation.take(packet);
    if (ok !== undefined) return ok;
  }
  throw new ProtocolError(
    'MYSQL_SIGN_IN_TOO_LONG',
    `mysql: the database sent more than maxSignInPackets ${maxPackets} packets without a decision`,
    { publicMessage: 'the database does not keep to its protocol' },
  );
}

class SignIn {
  readonly #options: SignInOptions;
  #sequence = 2;
  #plugin = '';
  #scramble: Buffer = Buffer.alloc(0);
  #salted = false;

  constructor(options: SignInOptions) {
    this.#options = options;
  }

  /** The scramble in the greeting is for the plugin that it names; a plugin that takes another kind is asked for by the server itself. */
  begin(): void {
    const { greeting, response } = this.#options;
    this.#plugin = greeting.plugin === AUTH_PLUGIN.CACHING_SHA2 ? AUTH_PLUGIN.CACHING_SHA2 : AUTH_PLUGIN.NATIVE;
    this.#scramble = greeting.scramble;
    const known = greeting.plugin === this.#plugin || greeting.plugin === '';
    this.#say(response(this.#plugin, known ? this.#firstAnswer() : Buffer.alloc(0)));
  }

  /** The OK that ends it. */
  async take({ sequence, payload }: { sequence: number; payload: Buffer }): Promise<OkPacket | undefined> {
    if (sequence !== this.#sequence) throw unexpected(`a packet with sequence ${sequence}, expected ${this.#sequence}`);
    this.#sequence = (sequence + 1) & 0xff;
    const answer = decodeAuthAnswer(payload, this.#options.capabilities);
    switch (answer.type) {
      case 'ok':
        return answer.ok;
      case 'error':
        throw refusalOf(answer.error);
      case 'switch':
        this.#switchTo(answer);
        return undefined;
      default:
        await this.#more(answer.data);
        return undefined;
    }
  }

  #switchTo({ plugin, data }: Extract<AuthAnswer, { type: 'switch' }>): void {
    this.#plugin = plugin;
    this.#scramble = data;
    this.#salted = false;
    const answer = this.#firstAnswer();
    // An empty password has an answer of its own here, as no answer at all would ask for the server's key.
    this.#say(plugin === AUTH_PLUGIN.CACHING_SHA2 && answer.length === 0 ? clearPassword('') : answer);
  }

  async #more(data: Buffer): Promise<void> {
    if (this.#plugin === AUTH_PLUGIN.CACHING_SHA2 && data.length === 1) {
      if (data[0] === CACHING_SHA2.FAST_OK) return;
      if (data[0] === CACHING_SHA2.FULL_NEEDED) {
        this.#say(this.#inClear());
        return;
      }
    }
    if (this.#plugin === AUTH_PLUGIN.PARSEC && !this.#salted) {
      this.#salted = true;
      const salt = decodeParsecSalt(data);
      const nonce = randomBytes(32);
      this.#say(await parsecResponse({ password: this.#text, salt, scramble: this.#scramble, nonce }));
      return;
    }
    throw unexpected(`data for ${named(this.#plugin)}`);
  }

  /** What the plugin says to its scramble. */
  #firstAnswer(): Buffer {
    switch (this.#plugin) {
      case AUTH_PLUGIN.NATIVE:
        return nativePasswordResponse(this.#text, this.#scramble);
      case AUTH_PLUGIN.CACHING_SHA2:
        return cachingSha2Response(this.#text, this.#scramble);
      case AUTH_PLUGIN.ED25519:
        return ed25519Response(this.#text, this.#scramble);
      case AUTH_PLUGIN.PARSEC:
        // Asks for the salt.
        return Buffer.alloc(0);
      case AUTH_PLUGIN.CLEAR:
      case sha256:
        return this.#inClear();
      default:
        throw unknownPlugin(this.#plugin);
    }
  }

  #inClear(): Buffer {
    const { password } = this.#options;
    if (password !== undefined && !password.verified) {
      throw new LoginError(
        'DATABASE_WANTS_CLEAR_PASSWORD',
        `the database asks for the password itself (${named(this.#plugin)}), which it gets only when its certificate is verified; use tls mode verify-full or verify-ca`,
        { publicMessage: 'the database asks this agent for a password in clear, and its certificate is not verified' },
      );
    }
    return clearPassword(this.#text);
  }

  get #text(): string {
    return this.#options.password?.text ?? '';
  }

  #say(payload: Buffer): void {
    this.#options.write(encodePacket(this.#sequence, payload));
    this.#sequence = (this.#sequence + 1) & 0xff;
  }
}

function refusalOf(error: ServerError): DatabaseRefusal {
  return new DatabaseRefusal({ code: databaseCodeOf(error), message: error.message.slice(0, maxRefusalLength) });
}

function unknownPlugin(plugin: string): UpstreamError {
  const known = [...Object.values(AUTH_PLUGIN), sha256].join(', ');
  return new UpstreamError(
    'DATABASE_AUTHENTICATION_METHOD',
    `the database asks for the authentication plugin ${named(plugin)}; expected one of ${known}`,
    {
      publicMessage: `the database asks for the authentication plugin ${named(plugin)}, which this agent does not have`,
    },
  );
}

/** The database's word, fit for a message. */
function named(plugin: string): string {
  return `"${plugin.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, 64)}"`;
}

/** The database broke its own rules at the sign-in. */
export function unexpected(what: string): ProtocolError {
  return new ProtocolError('MYSQL_UNEXPECTED_PACKET', `mysql: the database sent ${what} during sign-in`, {
    publicMessage: 'the database does not keep to its protocol',
  });
}

/** Inside TLS it takes the password itself. MySQL asks for it even of users whom it does not know, so as not to tell who they are. */
const sha256 = 'sha256_password';
const shape = packetShape(64 * 1024, 'mysql: packet of the database during sign-in', 'maxSignInPacketBytes');
/** MariaDB goes through all plugins of an account, at most two packets each. */
const maxPackets = 16;
const maxRefusalLength = 500;
