import { Alert, Button, Divider, Stack } from '@mantine/core';
import { IconFingerprint } from '@tabler/icons-react';
import { useState, type FormEvent, type ReactNode } from 'react';
import { answerWithPasskey, canUsePasskeys } from '../api/passkey.ts';
import { CodeInput } from './code-input.tsx';
import { ErrorState } from './error-state.tsx';

/** What a person shows: six digits, or a passkey's answer to a challenge (JSON of AuthenticationResponse). */
export type FactorAnswer = { readonly oneTimeCode: string } | { readonly webauthnResponseJson: string };

type Props = {
  /** The verb of what follows: "Sign in", "Approve". */
  readonly action: string;
  /** On the button for the passkey: "Approve with a passkey". */
  readonly passkeyAction: string;
  /** Said above a refusal: "You are not signed in". */
  readonly refusal: string;
  readonly color?: string;
  /** JSON of PublicKeyCredentialRequestOptions; empty: the person has no passkey. */
  readonly webauthnOptionsJson: string;
  readonly oneTimeCode: boolean;
  /** Does it, and throws when the server refuses: the refusal is shown here. */
  readonly onAnswer: (answer: FactorAnswer) => Promise<void>;
};

/** Passkey, one-time code, or either, as the person has them and the browser can. */
export function FactorForm(props: Props): ReactNode {
  const [failure, setFailure] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const passkey = props.webauthnOptionsJson !== '' && canUsePasskeys();
  const attempt = async (answer: () => Promise<FactorAnswer>): Promise<boolean> => {
    setBusy(true);
    setFailure(undefined);
    try {
      await props.onAnswer(await answer());
      return true;
    } catch (error) {
      setFailure(error);
      return false;
    } finally {
      setBusy(false);
    }
  };
  const answerByPasskey = (): Promise<boolean> =>
    attempt(async () => ({ webauthnResponseJson: await answerWithPasskey(props.webauthnOptionsJson) }));
  return (
    <Stack gap="md">
      {failure !== undefined && <ErrorState error={failure} what={props.refusal} />}
      {passkey && (
        <Button
          size="md"
          fullWidth
          autoFocus
          color={props.color ?? 'tessera'}
          leftSection={<IconFingerprint size={18} aria-hidden />}
          loading={busy}
          onClick={() => void answerByPasskey()}
        >
          {props.passkeyAction}
        </Button>
      )}
      {passkey && props.oneTimeCode && <Divider label="or" />}
      {props.oneTimeCode && (
        <CodeForm
          action={props.action}
          color={props.color ?? 'tessera'}
          prominent={!passkey}
          busy={busy}
          onCode={(code) => attempt(() => Promise.resolve({ oneTimeCode: code }))}
        />
      )}
      {!passkey && !props.oneTimeCode && <NothingUsable hasPasskey={props.webauthnOptionsJson !== ''} />}
    </Stack>
  );
}

function CodeForm(props: {
  readonly action: string;
  readonly color: string;
  readonly prominent: boolean;
  readonly busy: boolean;
  /** Resolves to whether it was taken. */
  readonly onCode: (code: string) => Promise<boolean>;
}): ReactNode {
  const [code, setCode] = useState('');
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (code.length === 6 && !(await props.onCode(code))) setCode('');
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack gap="sm">
        <CodeInput
          value={code}
          onChange={setCode}
          description="From your authenticator app"
          autoFocus={props.prominent}
          disabled={props.busy}
        />
        <Button
          type="submit"
          size="md"
          fullWidth
          variant={props.prominent ? 'filled' : 'default'}
          color={props.color}
          disabled={code.length < 6}
          loading={props.busy}
        >
          {props.action}
        </Button>
      </Stack>
    </form>
  );
}

function NothingUsable({ hasPasskey }: { readonly hasPasskey: boolean }): ReactNode {
  return hasPasskey ? (
    <Alert color="yellow" title="This browser can not use your passkey">
      Your second factor is a passkey. Open this page in a browser that has it, at the cluster’s public address.
    </Alert>
  ) : (
    <Alert color="yellow" title="You have no second factor yet">
      Add one in your account, or ask an administrator for a reset.
    </Alert>
  );
}
