import { databaseAlpnNames } from './alpn.ts';
import type { Entrance, Port, PortReader } from './entrance.ts';
import { detectFirstBytes, ENCRYPTION_REQUEST_BYTES, type FirstBytes } from './first-bytes.ts';
import { peekAlpn } from './opening-bytes.ts';

/** The public port: clients speak first there, and their first bytes say what they are (ARCHITECTURE.md, "Public port of a proxy"). */
export const publicPort: Port = { name: 'public', reader: (entrance) => new PublicReader(entrance) };

class PublicReader implements PortReader {
  readonly #entrance: Entrance;
  #gssAsked = false;
  #sslAsked = false;

  constructor(entrance: Entrance) {
    this.#entrance = entrance;
  }

  begin(): void {
    this.#entrance.wait(1);
  }

  look(): void {
    const found = detectFirstBytes(this.#entrance.bytes);
    if (found.type === 'more') this.#entrance.wait(found.need);
    else this.#decide(found);
  }

  #decide(found: FirstBytes): void {
    const entrance = this.#entrance;
    switch (found.type) {
      case 'tls':
        this.#decideTls();
        return;
      case 'ssl-request':
      case 'gssenc-request':
        this.#answerEncryption(found.type);
        return;
      case 'cancel':
        this.#takeCancel(found.length);
        return;
      case 'startup':
        if (this.#sslAsked) entrance.refuse('a start-up packet in clear after SSLRequest');
        else entrance.hand((socket, visit) => entrance.doors.plaintext(socket, visit, { protocol: 'postgres' }));
        return;
      case 'http':
        entrance.answerAndClose(HTTP_IN_CLEAR, 'HTTP in clear');
        return;
      case 'proxy-v1':
      case 'proxy-v2':
        entrance.refuse('a PROXY header from a source that is not trusted, or a second one');
        return;
      case 'more':
      case 'unknown':
        entrance.refuse('unknown protocol');
    }
  }

  #decideTls(): void {
    const hello = peekAlpn(this.#entrance.bytes, this.#entrance.limits.maxClientHelloBytes);
    if (hello.type === 'more') this.#entrance.wait(hello.need);
    else if (hello.type === 'bad') this.#entrance.refuse(hello.reason);
    else this.#handTls(hello.alpn);
  }

  #handTls(alpn: readonly string[]): void {
    const entrance = this.#entrance;
    const { doors } = entrance;
    const isDatabase = databaseAlpnNames.some((name) => alpn.includes(name));
    if (this.#sslAsked || (this.#gssAsked && isDatabase))
      entrance.hand((socket, visit) => doors.database(socket, visit), { protocol: 'postgres' });
    else if (this.#gssAsked) entrance.refuse('GSSENCRequest before TLS that is not for a database');
    else if (isDatabase) entrance.hand((socket, visit) => doors.database(socket, visit));
    else if (alpn.includes('tessera-auth')) entrance.hand((socket, visit) => doors.auth(socket, visit));
    else if (alpn.includes('tessera-tunnel')) entrance.hand((socket, visit) => doors.tunnel(socket, visit));
    else entrance.hand((socket, visit) => doors.https(socket, visit));
  }

  /** Each may be asked once, and nothing may stand behind it: it could be meant for the plain protocol and be taken as said inside TLS (CVE-2021-23222). */
  #answerEncryption(type: 'ssl-request' | 'gssenc-request'): void {
    const entrance = this.#entrance;
    const isSsl = type === 'ssl-request';
    if (this.#sslAsked || (!isSsl && this.#gssAsked)) {
      entrance.refuse('an encryption request came twice');
      return;
    }
    if (entrance.bytes.length > ENCRYPTION_REQUEST_BYTES) {
      entrance.refuse('bytes behind an encryption request');
      return;
    }
    if (isSsl) this.#sslAsked = true;
    else this.#gssAsked = true;
    entrance.drop(ENCRYPTION_REQUEST_BYTES);
    entrance.write(isSsl ? 'S' : 'N');
    entrance.wait(1);
  }

  #takeCancel(length: number): void {
    const entrance = this.#entrance;
    if (this.#sslAsked) entrance.refuse('a cancel request in clear after SSLRequest');
    else if (entrance.bytes.length < length) entrance.wait(length);
    else {
      const packet = Buffer.from(entrance.bytes.subarray(0, length));
      entrance.doors.cancel(packet, entrance.close());
    }
  }
}

const HTTP_IN_CLEAR =
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 32\r\nConnection: close\r\n\r\nthis port speaks TLS, use https\n';
