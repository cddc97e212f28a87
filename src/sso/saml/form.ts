import { fault } from './fault.ts';
import type { SamlLimits } from './limits.ts';

/** The form that the browser posts (SAML bindings section 3.5). `response`: XML, not looked at yet. */
export type AnswerForm = { readonly response: Buffer; readonly relayState: string | undefined };

/**
 * Reads the body. Nothing is ever inflated: answers come by form only, and what came deflated is no XML. Throws LoginError `SAML_FORM` or `SAML_TOO_LARGE`.
 */
export function parseAnswerForm(body: string, limits: Pick<SamlLimits, 'maxAnswerBytes'>): AnswerForm {
  // Base64 is 4 characters for 3 bytes, each may be written as %XX, and line breaks may be in it.
  if (body.length > limits.maxAnswerBytes * 4 + OTHER_FIELDS) throw tooLarge(limits);
  const fields = new URLSearchParams(body);
  const [response, ...others] = fields.getAll('SAMLResponse');
  const relayStates = fields.getAll('RelayState');
  if (response === undefined || others.length > 0 || relayStates.length > 1 || fields.has('SAMLRequest'))
    throw fault('SAML_FORM', 'expected a form with one SAMLResponse and at most one RelayState');
  const base64 = response.replaceAll(/[\s]/g, '');
  if (!/^[A-Za-z\d+/]+={0,2}$/.test(base64)) throw fault('SAML_FORM', 'expected SAMLResponse in base64');
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length > limits.maxAnswerBytes) throw tooLarge(limits);
  return { response: bytes, relayState: relayStates[0] };
}

function tooLarge(limits: Pick<SamlLimits, 'maxAnswerBytes'>): Error {
  return fault('SAML_TOO_LARGE', `larger than maxAnswerBytes ${limits.maxAnswerBytes}`);
}

const OTHER_FIELDS = 4096;
