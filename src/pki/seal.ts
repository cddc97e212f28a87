/**
 * Private keys at rest. An implementation seals small secrets (at most 4 KiB) under a key that it never gives out; data-key.ts has the one with a key file, a cloud
 * key service fits behind the same two calls.
 */
export interface KeySealer {
  /** The sealed text, safe to store. Bound to `name`: it opens under no other. */
  seal(name: string, secret: Uint8Array): Promise<string>;
  /** The secret; the caller wipes it. Throws StorageError `PKI_UNSEAL_FAILED` (changed, or of another name) or `PKI_DATA_KEY_UNKNOWN`. */
  open(name: string, sealed: string): Promise<Buffer>;
}
