// draw.ts: a seed alone tells an input, whatever was drawn before.
import { Random, turn } from '../torture/random.ts';
import { READERS } from './readers/index.ts';
import type { Drawn, Input } from './spec.ts';

const NAMES: readonly string[] = Object.keys(READERS);

/** Whose turn it is: all have the same share. */
export const readerOf = (seed: number, only: string | null): string => only ?? turn(seed, 'reader', NAMES);

/** Far too few bytes for `maxBytes`, in a share of the inputs. */
const LEAST_BYTES = [1, 16, 100, 1000];
const SHARE = 0.01;

export function drawInput(seed: number, only: string | null = null): Input & Drawn {
  const reader = readerOf(seed, only);
  const r = new Random(seed, `fuzz ${reader}`);
  const least = r.chance(SHARE) ? r.pick(LEAST_BYTES) : null;
  const { expects, ...drawn } = READERS[reader]!.draw(r);
  if (least !== null) return { reader, ...drawn, options: { ...drawn.options, maxBytes: least } };
  return { reader, ...drawn, ...(expects !== undefined && { expects }) };
}
