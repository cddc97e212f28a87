import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { PutResourceRequest_Mode as Mode } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { codeOf } from '../../api/errors.ts';
import { log } from '../events/log-client.ts';
import { itemOf, type Item } from './item.ts';
import { checkText, type Checked } from './use-checked.ts';
import { useRefresh } from './use-resources.ts';

export type Saving = ReturnType<typeof useSaving>;

/** From a text to what is stored: checked by the server, shown, written against exactly the revision that was read. */
export function useSaving(of: {
  readonly kind: string;
  readonly base: Item | undefined;
  readonly text: string;
  readonly onBase: (item: Item) => void;
  readonly onChecked: (checked: Checked) => void;
}) {
  const { kind, base } = of;
  const refresh = useRefresh();
  /** JSON that would be written, while it is shown. */
  const [reviewed, setReviewed] = useState<string>();
  const check = useMutation({
    mutationFn: () => checkText(of.text, kind, base?.name),
    onSuccess: (answer) => {
      of.onChecked(answer);
      if (answer.problems.length === 0) setReviewed(answer.json);
    },
  });
  const put = useMutation({
    mutationFn: (json: string) =>
      log.putResource({
        json,
        mode: base === undefined ? Mode.CREATE : Mode.UPDATE,
        expectedRevision: base?.revision ?? 0n,
      }),
    onSuccess: () => refresh(kind),
  });
  const compare = useMutation({
    mutationFn: () => log.getResource({ kind, name: base?.name ?? '' }),
    onSuccess: ({ resource }) => {
      if (resource !== undefined) of.onBase(itemOf(resource));
      put.reset();
    },
  });
  return {
    reviewed,
    review: () => check.mutate(),
    isChecking: check.isPending,
    checkError: check.error,
    /** Undefined when it was not saved; `error` says why. */
    save: async (): Promise<Item | undefined> => {
      if (reviewed === undefined) return undefined;
      const answer = await put.mutateAsync(reviewed).catch(() => undefined);
      if (answer?.resource === undefined) return undefined;
      setReviewed(undefined);
      return itemOf(answer.resource);
    },
    compare: () => compare.mutate(),
    isSaving: put.isPending || compare.isPending,
    error: compare.error ?? put.error,
    conflict: base !== undefined && put.error !== null && codeOf(put.error) === 'STATE_CONFLICT',
    close: () => {
      setReviewed(undefined);
      put.reset();
      compare.reset();
    },
  };
}
