/**
 * The TLS library's code when a handshake failed because it could not read the certificate that the client showed, or the client did not prove its key; undefined for its other faults,
 * which are of scanners and old clients, and for alerts, which are the client's own refusal of us.
 */
export function certificateFaultOf(error: Error): string | undefined {
  const code = 'code' in error ? String(error.code) : '';
  const library = 'library' in error ? String(error.library) : '';
  return /asn1|x509/i.test(library) || KEY_NOT_PROVEN.test(code) ? code : undefined;
}

const KEY_NOT_PROVEN = /^ERR_SSL_(?:PROVIDER_SIGNATURE_FAILURE|BAD_SIGNATURE|WRONG_SIGNATURE_(?:SIZE|TYPE))$/;
