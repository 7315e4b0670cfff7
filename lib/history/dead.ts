// dead.ts: which parameters got no gradient in most of the steps looked at, and whether they had one before.
import { sizeOf } from '../ir/op.ts';
import { type History, layerNorms } from './history.ts';

/** Most of the steps, or of the elements. */
const MOST = 0.5;

export interface Dead {
  /** Names of parameters whose gradient was 0 in most of the steps, each with the norm of its first gradient. */
  readonly firsts: ReadonlyMap<string, number>;
  /** Most elements are of parameters that had a gradient at first and lost it: what is left is no network that learns. */
  readonly most: boolean;
}

/** @param at the steps looked at; without norms by parameter nothing is known */
export function deadOf({ layers }: History, at: readonly number[]): Dead {
  const firsts = new Map<string, number>();
  let [all, lost] = [0, 0];
  for (const [k, name] of (layers?.names ?? []).entries()) {
    const elements = sizeOf(layers!.shapes[k]!);
    const own = layerNorms(layers!, k);
    all += elements;
    if (at.filter((i) => own[i] === 0).length <= MOST * at.length) continue;
    firsts.set(name, own[0]!);
    if (own[0]! > 0) lost += elements;
  }
  return { firsts, most: lost > MOST * all };
}
