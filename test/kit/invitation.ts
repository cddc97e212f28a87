/** New people, as an administrator adds them. */

/** The link that `tessera users add` prints. */
export async function invitationLink(
  { tessera }: { tessera(...args: string[]): Promise<string> },
  name: string,
  flags: readonly string[],
): Promise<string> {
  const output = await tessera('users', 'add', name, ...flags);
  const link = /https:\/\/\S+\/web\/invite\/\S+/.exec(output)?.[0];
  if (link === undefined) throw new Error(`users add printed no link:\n${output}`);
  return link;
}
