/**
 * The number in a CommandComplete tag: rows inserted, selected, updated, deleted, merged, moved, fetched or copied. It is the last word; undefined
 * when that is no number (`CREATE TABLE`).
 */
export function affectedByTag(tag: string): number | undefined {
  let value = 0;
  let scale = 1;
  let at = tag.length - 1;
  for (; at >= 0; at -= 1) {
    const digit = tag.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) break;
    value += digit * scale;
    scale *= 10;
  }
  return scale > 1 && at > 0 && tag.charCodeAt(at) === 0x20 ? value : undefined;
}

/**
 * What a tag tells of names that SQL itself changes behind the protocol's back: `all` prepared statements are gone, `some` names may now mean
 * something else (PREPARE, DEALLOCATE one). Undefined for the rest.
 */
export function namesTouchedByTag(tag: string): 'all' | 'some' | undefined {
  if (tag === 'DEALLOCATE ALL' || tag === 'DISCARD ALL') return 'all';
  return tag === 'PREPARE' || tag === 'DEALLOCATE' ? 'some' : undefined;
}
