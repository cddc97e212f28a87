import { Anchor, Button, Group, List, Stack, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { ErrorState } from '../error-state.tsx';
import { YamlEditor } from '../yaml-editor.tsx';
import { lineChanges } from './changed-lines.ts';
import { ChangesDialog } from './changes-dialog.tsx';
import type { Item } from './item.ts';
import { LeaveGuard } from './leave-guard.tsx';
import { problemWords, type Problem } from './place.ts';
import { useChecked, type Checked } from './use-checked.ts';
import { useCluster } from './use-cluster.ts';
import { useCompletion } from './use-completion.ts';
import { useSaving, type Saving } from './use-saving.ts';
import { yamlOf } from './yaml-text.ts';

type Props = {
  readonly kind: string;
  /** For people: "role". */
  readonly noun: string;
  /** What is edited; absent for a new one, which begins with `template`. */
  readonly stored?: Item;
  readonly template?: string;
  readonly schema: unknown;
  readonly mayWrite: boolean;
  /** Said below the editor: what a reader of this kind has to know. */
  readonly hint?: ReactNode;
  readonly height?: number;
  /** Further buttons. */
  readonly actions?: ReactNode;
  /** The document as it would be stored; undefined while the text has problems. Told from the first check on; stable across renders. */
  readonly onDraft?: (json: string | undefined) => void;
  readonly onSaved?: (item: Item) => void;
};

/** A resource as YAML: completion, problems at their places while typing, the changed lines before saving, a word about who was faster. */
export function ResourceEditor(props: Props): ReactNode {
  const { kind, noun, stored, mayWrite, onDraft } = props;
  const { text, setText, original, base, setBase, isDirty, settle } = useText(stored, props.template ?? '');
  const { checked, setChecked, lint, goTo } = useChecked(kind, stored?.name);
  const completion = useCompletion(props.schema, useCluster());
  const saving = useSaving({ kind, base, text, onBase: setBase, onChecked: setChecked });
  const draft = checked !== undefined && checked.problems.length === 0 ? checked.json : undefined;
  const isChecked = checked !== undefined;
  useEffect(() => {
    if (isChecked) onDraft?.(draft);
  }, [onDraft, draft, isChecked]);
  const save = async (): Promise<void> => {
    const item = await saving.save();
    if (item === undefined) return;
    settle(item);
    notifications.show({ message: `The ${noun} ${item.name} is saved.`, color: 'green' });
    props.onSaved?.(item);
  };
  return (
    <Stack gap="sm">
      <YamlEditor
        value={text}
        onChange={setText}
        label={stored === undefined ? `New ${noun} as YAML` : `The ${noun} ${stored.name} as YAML`}
        readOnly={!mayWrite}
        height={props.height ?? 460}
        {...(mayWrite ? { completion, lint } : {})}
      />
      {mayWrite && <Problems checked={checked} onGo={goTo} />}
      {props.hint !== undefined && (
        <Text size="sm" c="dimmed" component="div">
          {props.hint}
        </Text>
      )}
      <Group gap="sm">
        {mayWrite && <Buttons saving={saving} isNew={stored === undefined} {...{ text, original, setText }} />}
        {props.actions}
      </Group>
      {saving.checkError !== null && (
        <ErrorState error={saving.checkError} what="The text could not be checked" onRetry={saving.review} />
      )}
      <Review noun={noun} base={base} saving={saving} onSave={() => void save()} />
      {mayWrite && <LeaveGuard isDirty={isDirty} />}
    </Stack>
  );
}

function Buttons(props: {
  readonly saving: Saving;
  readonly isNew: boolean;
  readonly text: string;
  readonly original: string;
  readonly setText: (text: string) => void;
}): ReactNode {
  const { saving, text, original } = props;
  return (
    <>
      <Button onClick={saving.review} loading={saving.isChecking} disabled={!props.isNew && text === original}>
        {props.isNew ? 'Review and create' : 'Review and save'}
      </Button>
      {text !== original && (
        <Button variant="default" onClick={() => props.setText(original)}>
          Undo my changes
        </Button>
      )}
    </>
  );
}

function Review(props: {
  readonly noun: string;
  readonly base: Item | undefined;
  readonly saving: Saving;
  readonly onSave: () => void;
}): ReactNode {
  const { noun, base, saving } = props;
  return (
    <ChangesDialog
      opened={saving.reviewed !== undefined}
      title={base === undefined ? `Create this ${noun}?` : `Save the ${noun} ${base.name}?`}
      changes={changesOf(base, saving.reviewed)}
      note="This is how it will be stored: comments are not kept, and what is left out stands with its default."
      action={base === undefined ? 'Create' : 'Save'}
      busy={saving.isSaving}
      error={saving.error}
      conflict={saving.conflict}
      onCompare={saving.compare}
      onSave={props.onSave}
      onClose={saving.close}
    />
  );
}

/** The text, and what it is compared with: what was read last. */
function useText(stored: Item | undefined, template: string) {
  const [base, setBase] = useState(stored);
  const first = useMemo(() => (stored === undefined ? template : yamlOf(stored.json)), [stored, template]);
  const original = useMemo(() => (base === undefined ? template : yamlOf(base.json)), [base, template]);
  const [text, setText] = useState(first);
  const latest = useRef({ text, original });
  useEffect(() => {
    latest.current = { text, original };
  }, [text, original]);
  const isDirty = (): boolean => latest.current.text !== latest.current.original;
  const settle = (item: Item): void => {
    const written = yamlOf(item.json);
    latest.current = { text: written, original: written };
    setBase(item);
    setText(written);
  };
  return { text, setText, original, base, setBase, isDirty, settle };
}

function changesOf(base: Item | undefined, json: string | undefined) {
  return json === undefined ? [] : lineChanges(base === undefined ? '' : yamlOf(base.json), yamlOf(json));
}

const MOST_PROBLEMS = 8;

function Problems(props: {
  readonly checked: Checked | undefined;
  readonly onGo: (problem: Problem) => void;
}): ReactNode {
  const problems = props.checked?.problems ?? [];
  return (
    <div role="status">
      {problems.length === 0 ? (
        <Text size="sm" c="dimmed">
          {props.checked === undefined ? 'Ctrl+Space completes; problems are shown while you type.' : 'No problems.'}
        </Text>
      ) : (
        <>
          <Text size="sm" c="var(--mantine-color-error)" fw={500}>
            {problems.length === 1 ? 'One problem' : `${problems.length} problems`}
          </Text>
          <List size="sm" spacing={2} listStyleType="none" m={0} p={0}>
            {problems.slice(0, MOST_PROBLEMS).map((problem, index) => (
              <List.Item key={index} style={{ overflowWrap: 'anywhere' }}>
                <Anchor component="button" type="button" size="sm" ta="left" onClick={() => props.onGo(problem)}>
                  {problemWords(problem)}
                </Anchor>
              </List.Item>
            ))}
          </List>
        </>
      )}
    </div>
  );
}
