// foreign.ts: a checkpoint of others, as it would be here: under other names, with weights that lie transposed.
import type { DataError } from '../../errors.ts';
import { transposed } from '../../io/arrays/transpose.ts';
import type { TensorData } from '../../io/file/file.ts';
import { inTurns } from '../../io/file/pace.ts';
import { either, type Field, list } from '../../options/index.ts';
import { type Checkpoint, PREFIX } from './checkpoint.ts';
import { matching, type NameMatch, nameMatch, option, type Rename, renaming } from './naming.ts';

/** How it differs. */
export interface Foreign {
  readonly rename: Rename | undefined;
  readonly transpose: readonly NameMatch[];
}

/** Names whose weights lie transposed: what matches one of them. */
export const transpose: Field<NameMatch | readonly NameMatch[], readonly NameMatch[]> = either(
  nameMatch.map((match) => [match]),
  list(nameMatch),
) as Field<NameMatch | readonly NameMatch[], readonly NameMatch[]>;

/**
 * What it would be here. If anything is other, it is one of weights alone.
 * @throws OptionError for a name, prefix or pattern that finds nothing, and for two of one name
 */
export async function asOurs(read: Checkpoint, { rename, transpose }: Foreign): Promise<Checkpoint> {
  if (rename === undefined && transpose.length === 0) return read;
  const isWeight = (name: string): boolean => !name.startsWith(PREFIX);
  const all = [...read.tensors.keys(), ...read.unread.keys()].filter(isWeight);
  const turned = new Set<string>();
  for (const match of transpose) {
    const place = option('load', 'transpose');
    const found = [...matching(place, all, match)].filter((name) => read.tensors.get(name)?.shape.length === 2);
    if (found.length === 0) throw place.refuse(`what matches ${String(match)} has no weight of two dimensions`, { match });
    for (const name of found) turned.add(name);
  }
  const tensors = new Map<string, TensorData>();
  const unread = new Map<string, DataError>();
  for (const [from, to] of renaming(option('load', 'rename'), all, rename)) {
    const t = read.tensors.get(from);
    if (!t) unread.set(to, read.unread.get(from)!);
    else tensors.set(to, turned.has(from) ? await inTurns(transposed(t)) : t);
  }
  return { ...read, tensors, unread, progress: null };
}
