import { fault, shown } from './fault.ts';
import { samlInstant } from './instant.ts';
import type { SamlLimits } from './limits.ts';
import { checkInResponseTo } from './response.ts';
import { childrenOf, isElement, leafText, SAML_ASSERTION, type XmlElement } from './xml.ts';

/** Is this assertion for us, for this sign-in, and for now (SAML profiles section 4.1.4.3)? Reads signed bytes only. */

export type AssertionExpectation = {
  readonly issuer: string;
  readonly audience: string;
  /** Where the answer came to: the Recipient. */
  readonly acs: string;
  readonly requestId: string | undefined;
  readonly nowMs: number;
};

/** `acceptableUntilMs`: from then on it is refused anyway, so its id need not be remembered longer. */
export type JudgedAssertion = { readonly id: string; readonly acceptableUntilMs: number };

/** Throws LoginError `SAML_*`. */
export function judgeAssertion(
  assertion: XmlElement,
  expected: AssertionExpectation,
  limits: SamlLimits,
): JudgedAssertion {
  const id = assertion.attributes.get('ID') ?? '';
  if (id === '' || assertion.attributes.get('Version') !== '2.0')
    throw fault('SAML_ASSERTION_SHAPE', 'expected an Assertion of SAML 2.0 with an ID');
  const issuer = leafText(only(assertion, 'Issuer'));
  if (issuer !== expected.issuer)
    throw fault('SAML_ISSUER', `expected Issuer ${shown(expected.issuer)}, got ${shown(issuer)}`);
  const window = new Window(expected.nowMs, limits.clockSkewMs);
  const issuedMs = instantOf(assertion, 'IssueInstant');
  if (issuedMs === undefined) throw fault('SAML_ASSERTION_SHAPE', 'expected an IssueInstant');
  window.from(issuedMs, 'IssueInstant');
  window.until(issuedMs + limits.maxAssertionAgeMs, 'maxAssertionAgeMs after IssueInstant');
  checkConditions(only(assertion, 'Conditions'), expected, window);
  checkSubject(only(assertion, 'Subject'), expected, window);
  checkAuthentication(assertion, window);
  return { id, acceptableUntilMs: window.endMs };
}

/** Times that must hold now, give or take the skew; remembers the earliest end of the whole. */
class Window {
  readonly #nowMs: number;
  readonly #skewMs: number;
  endMs = Number.POSITIVE_INFINITY;

  constructor(nowMs: number, skewMs: number) {
    this.#nowMs = nowMs;
    this.#skewMs = skewMs;
  }

  from(timeMs: number | undefined, name: string): void {
    if (timeMs !== undefined && this.#nowMs + this.#skewMs < timeMs)
      throw fault(
        'SAML_NOT_YET_VALID',
        `${name} is ${time(timeMs)}, and it is ${time(this.#nowMs)}: look at both clocks`,
      );
  }

  /** An end of the whole assertion. */
  until(timeMs: number | undefined, name: string): void {
    if (timeMs === undefined) return;
    this.before(timeMs, name);
    this.endMs = Math.min(this.endMs, timeMs + this.#skewMs);
  }

  /** An end of one of several ways to confirm it: another may hold for longer. */
  before(timeMs: number, name: string): void {
    if (this.#nowMs - this.#skewMs >= timeMs)
      throw fault('SAML_EXPIRED', `${name} was ${time(timeMs)}, and it is ${time(this.#nowMs)}: look at both clocks`);
  }
}

function checkConditions(conditions: XmlElement, expected: AssertionExpectation, window: Window): void {
  window.from(instantOf(conditions, 'NotBefore'), 'NotBefore');
  window.until(instantOf(conditions, 'NotOnOrAfter'), 'NotOnOrAfter');
  let restrictions = 0;
  for (const condition of conditions.children) {
    if (condition.namespace === SAML_ASSERTION && HARMLESS_CONDITIONS.has(condition.name)) continue;
    // What is not understood makes the assertion's validity unknown (SAML core section 2.5.1.1).
    if (!isElement(condition, SAML_ASSERTION, 'AudienceRestriction'))
      throw fault('SAML_CONDITION', `the condition ${shown(condition.name)} is not known`);
    restrictions += 1;
    const audiences = childrenOf(condition, SAML_ASSERTION, 'Audience').map(leafText);
    if (!audiences.includes(expected.audience))
      throw fault(
        'SAML_AUDIENCE',
        `expected Audience ${shown(expected.audience)}, got ${audiences.slice(0, 5).map(shown).join(', ') || 'none'}`,
      );
  }
  if (restrictions === 0)
    throw fault('SAML_AUDIENCE', 'expected an AudienceRestriction: this assertion is for everybody');
}

/** One bearer confirmation that holds is enough (SAML core section 2.4.1); otherwise the first says why. */
function checkSubject(subject: XmlElement, expected: AssertionExpectation, window: Window): void {
  const bearers = childrenOf(subject, SAML_ASSERTION, 'SubjectConfirmation').filter(
    (confirmation) => confirmation.attributes.get('Method') === BEARER,
  );
  let first: unknown = fault('SAML_CONFIRMATION', 'expected a SubjectConfirmation of method bearer');
  for (const [index, bearer] of bearers.entries()) {
    try {
      checkBearer(only(bearer, 'SubjectConfirmationData'), expected, window);
      return;
    } catch (error) {
      if (index === 0) first = error;
    }
  }
  throw first;
}

function checkBearer(data: XmlElement, expected: AssertionExpectation, window: Window): void {
  const recipient = data.attributes.get('Recipient');
  if (recipient !== expected.acs)
    throw fault('SAML_RECIPIENT', `expected Recipient ${shown(expected.acs)}, got ${shown(recipient)}`);
  checkInResponseTo(data.attributes.get('InResponseTo'), expected.requestId);
  window.from(instantOf(data, 'NotBefore'), 'NotBefore of the SubjectConfirmation');
  const end = instantOf(data, 'NotOnOrAfter');
  if (end === undefined) throw fault('SAML_CONFIRMATION', 'expected NotOnOrAfter in the SubjectConfirmationData');
  window.before(end, 'NotOnOrAfter of the SubjectConfirmation');
}

function checkAuthentication(assertion: XmlElement, window: Window): void {
  const statements = childrenOf(assertion, SAML_ASSERTION, 'AuthnStatement');
  if (statements.length === 0)
    throw fault('SAML_ASSERTION_SHAPE', 'expected an AuthnStatement: nobody signed in for this assertion');
  for (const statement of statements) window.until(instantOf(statement, 'SessionNotOnOrAfter'), 'SessionNotOnOrAfter');
}

function only(element: XmlElement, name: string): XmlElement {
  const [first, ...others] = childrenOf(element, SAML_ASSERTION, name);
  if (first === undefined || others.length > 0)
    throw fault(
      'SAML_ASSERTION_SHAPE',
      `expected one ${name} in ${element.name}, got ${others.length + (first ? 1 : 0)}`,
    );
  return first;
}

function instantOf(element: XmlElement, name: string): number | undefined {
  const text = element.attributes.get(name);
  if (text === undefined) return undefined;
  const instant = samlInstant(text);
  if (instant === undefined) throw fault('SAML_TIME', `expected ${name} as a time in UTC, got ${shown(text)}`);
  return instant;
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}

const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer';
/** OneTimeUse: every assertion is taken once here. ProxyRestriction: nothing is issued onward as SAML. */
const HARMLESS_CONDITIONS: ReadonlySet<string> = new Set(['OneTimeUse', 'ProxyRestriction']);
