/** A failure that happened in the browser itself: no call was answered with it. `why` and `next` are sentences; `code` as the server's codes. */
export class PageError extends Error {
  readonly code: string;
  readonly next: string;

  constructor(code: string, why: string, next: string) {
    super(why);
    this.name = 'PageError';
    this.code = code;
    this.next = next;
  }
}
