import { listAt, textAt, valueAt } from '../../parts/events/event.ts';
import type { Item } from '../../parts/resources/item.ts';

/** cluster_auth_preference as a form has it: every field a text, a flag or a list. */
export type Settings = {
  readonly type: string;
  readonly connectorName: string;
  readonly allowLocalAuth: boolean;
  readonly allowPasswordless: boolean;
  readonly secondFactors: readonly string[];
  readonly requireSessionMfa: boolean;
  readonly sessionMfaTtl: string;
  readonly defaultSessionTtl: string;
  readonly webIdleTimeout: string;
  readonly disconnectExpiredCert: boolean;
  readonly lockingMode: string;
  readonly messageOfTheDay: string;
  readonly rpId: string;
};

export type SettingsProblems = Readonly<Partial<Record<keyof Settings, string>>>;

export function settingsOf(preference: Item): Settings {
  const { spec } = preference;
  return {
    type: textAt(spec, 'type') || 'local',
    connectorName: textAt(spec, 'connector_name'),
    allowLocalAuth: textAt(spec, 'allow_local_auth') !== 'false',
    allowPasswordless: textAt(spec, 'allow_passwordless') !== 'false',
    secondFactors: listAt(spec, 'second_factors'),
    requireSessionMfa: textAt(spec, 'require_session_mfa') === 'true',
    sessionMfaTtl: textAt(spec, 'session_mfa_ttl') || '5m',
    defaultSessionTtl: textAt(spec, 'default_session_ttl') || '12h',
    webIdleTimeout: textAt(spec, 'web_idle_timeout') || '1h',
    disconnectExpiredCert: textAt(spec, 'disconnect_expired_cert') === 'true',
    lockingMode: textAt(spec, 'locking_mode') || 'best_effort',
    messageOfTheDay: textAt(spec, 'message_of_the_day'),
    rpId: textAt(valueAt(spec, 'webauthn'), 'rp_id'),
  };
}

/** The stored document with these settings; what the form does not know stays. Empty texts are left out, which means the default. */
export function settingsJson(json: string, settings: Settings): string {
  const document: unknown = JSON.parse(json);
  const {
    webauthn,
    connector_name: _connector,
    message_of_the_day: _message,
    ...rest
  } = Object(valueAt(document, 'spec'));
  const { rp_id: _rpId, ...webauthnRest } = Object(webauthn);
  const message = settings.messageOfTheDay.trim();
  const rpId = settings.rpId.trim();
  const spec = {
    ...rest,
    type: settings.type,
    second_factors: settings.secondFactors,
    locking_mode: settings.lockingMode,
    require_session_mfa: settings.requireSessionMfa,
    disconnect_expired_cert: settings.disconnectExpiredCert,
    default_session_ttl: settings.defaultSessionTtl.trim(),
    session_mfa_ttl: settings.sessionMfaTtl.trim(),
    web_idle_timeout: settings.webIdleTimeout.trim(),
    allow_local_auth: settings.allowLocalAuth,
    allow_passwordless: settings.allowPasswordless,
    ...(settings.type === 'local' || settings.connectorName === '' ? {} : { connector_name: settings.connectorName }),
    ...(message === '' ? {} : { message_of_the_day: message }),
    ...(rpId === '' ? {} : { webauthn: { ...webauthnRest, rp_id: rpId } }),
  };
  return JSON.stringify({ ...Object(document), spec });
}

/** What is wrong, field by field. */
export function settingsProblems(settings: Settings): SettingsProblems {
  const { type, connectorName, allowLocalAuth, secondFactors, rpId } = settings;
  const problems: Partial<Record<keyof Settings, string>> = {};
  for (const key of ['sessionMfaTtl', 'defaultSessionTtl', 'webIdleTimeout'] as const)
    if (!isDuration(settings[key])) problems[key] = 'Expected a duration such as 12h, 30m or 1h30m';
  if (secondFactors.length === 0) problems.secondFactors = 'Choose at least one';
  if (type !== 'local' && connectorName === '') problems.connectorName = 'Choose the connector that people sign in by';
  if (type === 'local' && !allowLocalAuth)
    problems.allowLocalAuth = 'Sign-in is set to local users: nobody could sign in';
  if (rpId.trim() !== '' && !isDomain(rpId.trim()))
    problems.rpId = 'Expected a domain in lower case, such as access.example.com';
  return problems;
}

/** What a change locks people out of, to be said before it is saved. */
export function settingsWarnings(before: Settings, after: Settings): readonly string[] {
  const warnings: string[] = [];
  if (before.allowLocalAuth && !after.allowLocalAuth)
    warnings.push('Local users can not sign in any more, you among them if you are one. Try the connector first.');
  if (before.rpId !== after.rpId)
    warnings.push('Passkeys are bound to the old domain: every passkey that is registered stops working.');
  for (const factor of before.secondFactors)
    if (!after.secondFactors.includes(factor))
      warnings.push(`Who has only ${factor === 'otp' ? 'one-time codes' : 'passkeys'} can not sign in until a reset.`);
  return warnings;
}

function isDuration(text: string): boolean {
  const match = /^(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?$/.exec(text.trim());
  return match !== null && match.slice(1).some((part) => Number(part ?? 0) > 0);
}

function isDomain(text: string): boolean {
  return /^(?!-)[a-z0-9-]+(?:\.[a-z0-9-]+)*$/.test(text) && !/(?:^|\.)\d+$/.test(text) && text.length <= 253;
}
