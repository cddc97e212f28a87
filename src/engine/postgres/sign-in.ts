import { LoginError, ProtocolError, UpstreamError } from '../../errors.ts';
import { encodeClientMessage, encodeSaslInitialResponse } from '../../protocol/postgres/client-messages.ts';
import { decodeServerError } from '../../protocol/postgres/error-fields.ts';
import { chooseScram, ScramClient } from '../../protocol/postgres/scram.ts';
import {
  type Authentication,
  decodeServerMessage,
  type ServerMessage,
  SERVER_LETTER,
} from '../../protocol/postgres/server-messages.ts';
import type { ChannelReader } from '../../wire/channel-reader.ts';
import { DatabaseRefusal } from '../database-refusal.ts';
import type { BackendKey } from './cancel.ts';

export type SignInOptions = {
  readonly reader: ChannelReader;
  readonly write: (bytes: Buffer) => void;
  /** Absent: the agent shows a client certificate and has no password. */
  readonly password: Password | undefined;
  readonly signal: AbortSignal;
};

/** What SCRAM needs. */
export type Password = {
  readonly text: string;
  /** At least 18 random bytes, never used before. */
  readonly nonce: Buffer;
  /** `tls-server-end-point` of this connection, when it is defined: binds the exchange to it. */
  readonly certificateHash: Buffer | undefined;
};

/** What the database told before its first ReadyForQuery. */
export type SignedIn = {
  /** In order of first report; the last value of each. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly key: BackendKey | undefined;
  /** NoticeResponses as they came, for the client. */
  readonly notices: readonly Buffer[];
};

/** Reads and answers from behind the start-up packet to ReadyForQuery. Everything the database says is bounded. Throws DatabaseRefusal when it says no. */
export async function signIn(options: SignInOptions): Promise<SignedIn> {
  const conversation = new SignIn(options);
  for (let count = 0; count < maxMessages; count++) {
    const packet = await options.reader.readFrame(shape, options.signal);
    if (await conversation.take(packet)) return conversation.signedIn();
  }
  throw new ProtocolError(
    'PG_SIGN_IN_TOO_LONG',
    `postgres: the database sent more than maxSignInMessages ${maxMessages} messages before it was ready`,
  );
}

type State = 'first' | 'sasl-continue' | 'sasl-final' | 'sasl-done' | 'authenticated';

class SignIn {
  readonly #options: SignInOptions;
  readonly #parameters = new Map<string, string>();
  readonly #notices: Buffer[] = [];
  #noticeBytes = 0;
  #key: BackendKey | undefined;
  #scram: ScramClient | undefined;
  #state: State = 'first';

  constructor(options: SignInOptions) {
    this.#options = options;
  }

  signedIn(): SignedIn {
    return { parameters: this.#parameters, key: this.#key, notices: this.#notices };
  }

  /** True when it was the last one. */
  async take(packet: Buffer): Promise<boolean> {
    const letter = packet[0] ?? 0;
    const body = packet.subarray(5);
    // Tolerant decoding: what a database says when it refuses must reach the person.
    if (letter === SERVER_LETTER.errorResponse) throw refusalOf(body);
    const message = decodeServerMessage(letter, body);
    switch (message?.type) {
      case 'NoticeResponse':
        this.#noticeBytes += packet.length;
        if (this.#noticeBytes <= maxNoticeBytes) this.#notices.push(packet);
        return false;
      case 'NegotiateProtocolVersion':
        // It speaks an older version than the client: what differs does not concern us, as the cancel key is our own.
        this.#expect('first', letter);
        return false;
      case 'ParameterStatus':
      case 'BackendKeyData':
      case 'ReadyForQuery':
        this.#expect('authenticated', letter);
        return this.#afterwards(message);
      default:
        if (letter !== SERVER_LETTER.authentication || message === undefined) throw unexpected(letter);
        await this.#authenticate(message as Authentication);
        return false;
    }
  }

  #afterwards(message: ServerMessage): boolean {
    if (message.type === 'ParameterStatus') {
      this.#parameters.set(message.name, message.value);
      if (this.#parameters.size > maxParameters)
        throw new ProtocolError(
          'PG_TOO_MANY_PARAMETERS',
          `postgres: the database reported more than maxParameters ${maxParameters}`,
        );
    } else if (message.type === 'BackendKeyData') {
      this.#key = { pid: message.processId, secret: message.key };
    }
    return message.type === 'ReadyForQuery';
  }

  async #authenticate(message: Authentication): Promise<void> {
    const { write } = this.#options;
    const letter = SERVER_LETTER.authentication;
    switch (message.type) {
      case 'AuthenticationOk':
        // After a SASL exchange has begun, only a server that proved itself may say so.
        if (this.#state !== 'first' && this.#scram?.verified !== true) throw unexpected(letter);
        this.#state = 'authenticated';
        return;
      case 'AuthenticationSASL':
        this.#expect('first', letter);
        this.#state = 'sasl-continue';
        write(this.#startScram(message.mechanisms));
        return;
      case 'AuthenticationSASLContinue':
        this.#expect('sasl-continue', letter);
        this.#state = 'sasl-final';
        write(encodeClientMessage({ type: 'PasswordMessage', data: await this.#exchange().final(message.data) }));
        return;
      case 'AuthenticationSASLFinal':
        this.#expect('sasl-final', letter);
        this.#state = 'sasl-done';
        this.#exchange().verify(message.data);
        return;
      default:
        throw unanswerable(message);
    }
  }

  #startScram(offered: readonly string[]): Buffer {
    const { password } = this.#options;
    if (password === undefined) {
      throw new LoginError(
        'DATABASE_WANTS_PASSWORD',
        'the database asks for a password (SCRAM), and its resource names no password_file; let pg_hba.conf say hostssl ... cert',
        {
          publicMessage: 'the database asks this agent for a password instead of a certificate',
        },
      );
    }
    const { text, nonce, certificateHash } = password;
    const mechanism = chooseScram(offered, certificateHash !== undefined);
    if (mechanism === undefined) {
      throw new UpstreamError('DATABASE_AUTHENTICATION_METHOD', 'the database offers no SCRAM-SHA-256', {
        publicMessage: 'the database asks this agent for a method it does not know',
      });
    }
    this.#scram = new ScramClient({
      mechanism,
      password: text,
      nonce,
      ...(certificateHash === undefined ? {} : { certificateHash }),
    });
    return encodeSaslInitialResponse(mechanism, this.#scram.first());
  }

  #exchange(): ScramClient {
    if (this.#scram === undefined) throw unexpected(SERVER_LETTER.authentication);
    return this.#scram;
  }

  #expect(state: State, letter: number): void {
    if (this.#state !== state) throw unexpected(letter);
  }
}

function refusalOf(body: Buffer): DatabaseRefusal {
  const { code, message, detail, hint } = decodeServerError(body, 0, body.length);
  return new DatabaseRefusal({
    code,
    message: message.slice(0, maxRefusalLength),
    detail: detail?.slice(0, maxRefusalLength),
    hint: hint?.slice(0, maxRefusalLength),
  });
}

/** What the agent never gives: a password in clear or as MD5 could be read or replayed by whoever poses as the database. */
function unanswerable(message: Authentication): UpstreamError {
  const name =
    message.type === 'AuthenticationUnsupported'
      ? (methods[message.method] ?? `authentication method ${message.method}`)
      : message.type === 'AuthenticationMD5Password'
        ? 'an MD5 password'
        : 'a cleartext password';
  return new UpstreamError(
    'DATABASE_AUTHENTICATION_METHOD',
    `the database asks for ${name}; expected cert or scram-sha-256 in pg_hba.conf`,
    {
      publicMessage: `the database asks this agent for ${name}, which it does not give`,
    },
  );
}

function unexpected(letter: number): ProtocolError {
  return new ProtocolError(
    'PG_UNEXPECTED_MESSAGE',
    `postgres: the database sent a message of type 0x${letter.toString(16)} out of turn during sign-in`,
    {
      publicMessage: 'the database does not keep to its protocol',
    },
  );
}

const methods: Readonly<Record<number, string>> = { 2: 'Kerberos', 6: 'SCM credentials', 7: 'GSSAPI', 9: 'SSPI' };

const maxSignInMessageBytes = 64 * 1024;
/** A message with a type byte: Byte1 | Int32 length, itself included. */
const shape = {
  name: 'postgres: message of the database during sign-in',
  headerBytes: 5,
  lengthOf: (header: Buffer): number => 1 + header.readInt32BE(1),
  maxBytes: maxSignInMessageBytes,
  limitName: 'maxSignInMessageBytes',
};
const maxMessages = 1000;
const maxParameters = 256;
const maxNoticeBytes = 64 * 1024;
const maxRefusalLength = 2000;
