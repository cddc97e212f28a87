import assert from 'node:assert/strict';
import { Conversation } from '../../src/protocol/postgres/conversation.ts';
import { DEFAULT_CONVERSATION_LIMITS, type ConversationObserver } from '../../src/protocol/postgres/records.ts';
import { ScramClient } from '../../src/protocol/postgres/scram.ts';
import { decodeServerMessage, encodeServerMessage } from '../../src/protocol/postgres/server-messages.ts';
import {
  decodeStartupPacket,
  defaultMaxStartupBytes,
  encodeStartupPacket,
} from '../../src/protocol/postgres/startup.ts';
import { clientBytes, serverBytes } from '../../src/protocol/postgres/trace.ts';
import { encodeProxyV2, peekProxyHeader } from '../../src/protocol/proxy-protocol/proxy-protocol.ts';
import { maxClientHelloBytes, peekClientHello } from '../../src/protocol/tls/client-hello.ts';
import type { FuzzTarget } from './targets.ts';

const limits = {
  ...DEFAULT_CONVERSATION_LIMITS,
  maxStatementBytes: 64,
  maxBindBytes: 128,
  maxValuesBytes: 32,
  maxPreparedStatements: 3,
  maxRememberedBytes: 8192,
};

/** Everything that strangers and databases can send before or in a PostgreSQL session. */
export const POSTGRES_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'postgres-frontend',
    seeds: [
      clientBytes('Q(select 1) P(s:select $1) B(p:s:a,null) E(p/2) DS(s) DP(p) CS(s) CP(p) S H'),
      clientBytes('F(1598:a,null) d(abc) c f(no) X'),
      clientBytes(`Q(${'x'.repeat(200)}) B(::${'y'.repeat(300)}) S`),
    ],
    run: (chunks) => converse((conversation) => feedClient(conversation, chunks)),
  },
  {
    name: 'postgres-backend',
    seeds: [
      serverBytes('1 2 n t(23,25) T D D*5 C(SELECT 6) Z(I) 3 s I V N(x) S(a=b) A(7:ch:pay)'),
      serverBytes(
        'T D C(SELECT 1) Z(T) 1 2 E(22012:boom) Z(E) G C(COPY 2) Z(I) H d(abc) c C(COPY 1) Z(I) W d(x) c C(COPY 0) Z(I)',
      ),
    ],
    run: (chunks) =>
      converse((conversation) => {
        conversation.fromClient(
          clientBytes(
            'Q(a) P(s:b) B(p:s:1) DS(s) E(p/1) CS(s) S P(:c) B(::) E() S Q(copy) d(x) c Q(copy) Q(copy) F(1:)',
          ),
        );
        let given = 0;
        let taken = 0;
        for (const chunk of chunks) {
          given += chunk.length;
          taken += conversation.fromDatabase(chunk).length;
          assert.ok(given - taken >= 0 && given - taken <= 8, 'more than a message head is held back');
        }
      }),
  },
  {
    name: 'postgres-startup',
    seeds: [
      encodeStartupPacket({ type: 'SSLRequest' }),
      encodeStartupPacket({ type: 'GSSENCRequest' }),
      encodeStartupPacket({ type: 'CancelRequest', processId: 7, key: Buffer.alloc(32, 1) }),
      encodeStartupPacket({
        type: 'StartupMessage',
        major: 3,
        minor: 9999,
        parameters: new Map([['user', 'alice']]),
        protocolOptions: ['_pq_.x'],
      }),
    ],
    run: (chunks) => {
      const bytes = Buffer.concat(chunks);
      const whole = decodeStartupPacket(bytes);
      if (whole === undefined) assert.ok(bytes.length < defaultMaxStartupBytes);
      else {
        const again = decodeStartupPacket(encodeStartupPacket(whole.packet), 2 * defaultMaxStartupBytes);
        if (whole.packet.type !== 'StartupMessage' || whole.packet.major === 3)
          assert.deepEqual(again?.packet, whole.packet);
      }
    },
  },
  {
    name: 'postgres-messages',
    seeds: [
      encodeServerMessage({ type: 'AuthenticationSASL', mechanisms: ['SCRAM-SHA-256'] }),
      encodeServerMessage({ type: 'NegotiateProtocolVersion', major: 3, minor: 2, unknownOptions: ['_pq_.x'] }),
      encodeServerMessage({ type: 'BackendKeyData', processId: 1, key: Buffer.alloc(32) }),
      serverBytes('E(28000:no) N(x) S(a=b) A(7:ch:pay) G H Z(I)'),
    ],
    run: (chunks) => {
      const bytes = Buffer.concat(chunks);
      return decodeServerMessage(bytes[0] ?? 0, bytes.subarray(5));
    },
  },
  {
    name: 'scram',
    seeds: [Buffer.from('r=MDEyMzQ1Njc4OWFiY2RlZjAxMjM=x,s=QUJD,i=2'), Buffer.from('v=QUJD'), Buffer.from('e=other')],
    run: async (chunks) => {
      const client = new ScramClient({
        mechanism: 'SCRAM-SHA-256',
        password: 'p',
        nonce: Buffer.from('0123456789abcdef0123'),
        maxIterations: 100,
      });
      const bytes = Buffer.concat(chunks);
      const first = bytes[0] === 0x72 ? bytes : Buffer.from('r=MDEyMzQ1Njc4OWFiY2RlZjAxMjM=x,s=QUJD,i=2');
      await client.final(first);
      client.verify(bytes);
      assert.fail('a server without the password was verified');
    },
  },
  {
    name: 'client-hello',
    seeds: [hello(1), hello(3), hello(200)],
    run: (chunks) => {
      let bytes = Buffer.alloc(0);
      let last = peekClientHello(bytes);
      for (const chunk of chunks) {
        if (last.type !== 'more') break;
        bytes = Buffer.concat([bytes, chunk]);
        last = peekClientHello(bytes);
      }
      if (last.type === 'more') assert.ok(bytes.length < maxClientHelloBytes);
      else assert.equal(peekClientHello(Buffer.concat([bytes, Buffer.alloc(4)])).type, last.type, 'a decision changed');
    },
  },
  {
    name: 'proxy-protocol',
    seeds: [
      Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nGET'),
      Buffer.from('PROXY TCP6 2001:db8::1 ::1 1 2\r\n'),
      Buffer.from('PROXY UNKNOWN\r\n'),
      encodeProxyV2({
        source: { address: '192.0.2.1', port: 1 },
        destination: { address: '192.0.2.2', port: 2 },
        tlvs: [{ type: 0xe0, value: Buffer.alloc(20) }],
      }),
      encodeProxyV2({ source: { address: '2001:db8::1', port: 1 }, destination: { address: '::1', port: 2 } }),
    ],
    run: (chunks) => {
      const bytes = Buffer.concat(chunks);
      const peek = peekProxyHeader(bytes);
      if (peek.type === 'header') assert.ok(peek.length <= bytes.length);
      if (peek.type === 'more') assert.ok(bytes.length < 4096);
    },
  },
];

function converse(talk: (conversation: Conversation) => void): void {
  let open = 0;
  const observer: ConversationObserver = {
    parse: (definition) => JSON.stringify(definition),
    bind: (portal) => JSON.stringify(portal),
    statement: (statement) => {
      open += 1;
      JSON.stringify(statement);
    },
    result: (result) => {
      open -= 1;
      assert.ok(result.bytes >= 0 && result.rows >= 0 && result.copyBytes >= 0, 'a negative count');
    },
  };
  const conversation = new Conversation(observer, { limits, now: () => 0, mapNotificationPid: (pid) => pid ^ 1 });
  try {
    talk(conversation);
  } finally {
    conversation.finish();
  }
  assert.equal(open, 0, 'a statement has no result, or two');
}

function feedClient(conversation: Conversation, chunks: readonly Buffer[]): void {
  for (const [index, chunk] of chunks.entries()) {
    conversation.fromClient(chunk);
    if (index % 3 === 0) conversation.fromDatabase(serverBytes('1 2 E(42601:x) Z(I)'));
  }
}

/** A ClientHello with server name and ALPN, its handshake in records of `pieces` equal parts. */
function hello(pieces: number): Buffer {
  const name = Buffer.from('db.example.com');
  const sni = Buffer.concat([Buffer.from([0, 0, 0, name.length + 5, 0, name.length + 3, 0, 0, name.length]), name]);
  const alpn = Buffer.concat([Buffer.from([0, 16, 0, 13, 0, 11, 10]), Buffer.from('postgresql')]);
  const extensions = Buffer.concat([sni, alpn]);
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32),
    Buffer.from([0, 0, 2, 0x13, 1, 1, 0, 0, extensions.length]),
    extensions,
  ]);
  const handshake = Buffer.concat([Buffer.from([1, 0, 0, body.length]), body]);
  const size = Math.max(1, Math.ceil(handshake.length / pieces));
  const records: Buffer[] = [];
  for (let at = 0; at < handshake.length; at += size) {
    const part = handshake.subarray(at, at + size);
    records.push(Buffer.concat([Buffer.from([0x16, 3, 1, 0, part.length]), part]));
  }
  return Buffer.concat(records);
}
