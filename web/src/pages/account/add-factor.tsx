import { useMutation } from '@connectrpc/connect-query';
import { Button, Modal, Stack, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useState, type FormEvent, type ReactNode } from 'react';
import { AuthService, type BeginMfaAddResponse } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { createPasskey } from '../../api/passkey.ts';
import { FocusBack } from '../../parts/focus-back.tsx';
import { ErrorState } from '../../parts/error-state.tsx';
import { OneTimeCodeSetup } from '../../parts/one-time-code-setup.tsx';
import { ProofForm, type Proof } from '../../parts/proof-form.tsx';

export type Kind = 'otp' | 'webauthn';
type Step = 'name' | 'proof' | 'finish';

const WORDS = {
  otp: { title: 'Add an authenticator app', example: 'Phone' },
  webauthn: { title: 'Add a passkey', example: 'Laptop' },
} as const;

/** Name it; prove who you are by a factor that is there already; then set it up. */
export function AddFactor(props: {
  readonly kind: Kind;
  readonly needsProof: boolean;
  readonly onDone: () => void;
  readonly onClose: () => void;
}): ReactNode {
  const begin = useMutation(AuthService.method.beginMfaAdd);
  const [step, setStep] = useState<Step>('name');
  const [name, setName] = useState('');
  const { kind } = props;
  const words = WORDS[kind];
  const start = async (proof?: Proof): Promise<void> => {
    await begin.mutateAsync({ kind, name: name.trim(), ...(proof === undefined ? {} : { proof }) });
    setStep('finish');
  };
  const submitName = (event: FormEvent): void => {
    event.preventDefault();
    if (name.trim() === '') return;
    if (props.needsProof) setStep('proof');
    // A failure stands in begin.error and is shown below.
    else start().catch(() => undefined);
  };
  const done = (): void => {
    notifications.show({ color: 'green', title: 'Added', message: `${name.trim()} counts from now on.` });
    props.onDone();
  };
  return (
    <Modal
      opened
      onClose={props.onClose}
      title={<Text fw={600}>{words.title}</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
      centered
    >
      <FocusBack />
      {step === 'name' && (
        <NameForm
          example={words.example}
          name={name}
          onName={setName}
          onSubmit={submitName}
          busy={begin.isPending}
          failure={begin.error}
        />
      )}
      {step === 'proof' && (
        <Stack gap="md">
          <Text size="sm">First confirm that it is you, by a factor that you have already.</Text>
          <ProofForm action="Continue" onProof={start} />
        </Stack>
      )}
      {step === 'finish' && begin.data !== undefined && <Finish kind={kind} begun={begin.data} onDone={done} />}
    </Modal>
  );
}

function NameForm(props: {
  readonly example: string;
  readonly name: string;
  readonly onName: (name: string) => void;
  readonly onSubmit: (event: FormEvent) => void;
  readonly busy: boolean;
  readonly failure: unknown;
}): ReactNode {
  return (
    <form onSubmit={props.onSubmit}>
      <Stack gap="md">
        {props.failure !== null && <ErrorState error={props.failure} what="It could not be begun" />}
        <TextInput
          label="Name"
          description="To tell it from the others later"
          placeholder={props.example}
          data-autofocus
          maxLength={64}
          value={props.name}
          onChange={(event) => props.onName(event.currentTarget.value)}
        />
        <Button type="submit" disabled={props.name.trim() === ''} loading={props.busy}>
          Continue
        </Button>
      </Stack>
    </form>
  );
}

function Finish(props: {
  readonly kind: Kind;
  readonly begun: BeginMfaAddResponse;
  readonly onDone: () => void;
}): ReactNode {
  const finish = useMutation(AuthService.method.finishMfaAdd);
  const [code, setCode] = useState('');
  const [failure, setFailure] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const { addition, oneTimeCodeUri, webauthnOptionsJson } = props.begun;
  const go = async (): Promise<void> => {
    setBusy(true);
    setFailure(undefined);
    try {
      if (props.kind === 'otp') await finish.mutateAsync({ addition, oneTimeCode: code });
      else await finish.mutateAsync({ addition, webauthnResponseJson: await createPasskey(webauthnOptionsJson) });
      props.onDone();
    } catch (error) {
      setFailure(error);
      setCode('');
      setBusy(false);
    }
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (props.kind === 'webauthn' || code.length === 6) void go();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        {failure !== undefined && <ErrorState error={failure} what="It was not added" />}
        {props.kind === 'otp' ? (
          <OneTimeCodeSetup uri={oneTimeCodeUri} code={code} onCode={setCode} />
        ) : (
          <Text size="sm">Your browser asks which device to use, then for your fingerprint, face or PIN.</Text>
        )}
        <Button type="submit" loading={busy} disabled={props.kind === 'otp' && code.length < 6} data-autofocus>
          {props.kind === 'otp' ? 'Add it' : 'Create the passkey'}
        </Button>
      </Stack>
    </form>
  );
}
