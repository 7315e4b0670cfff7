// draw.ts: a seed alone tells an input, whatever was drawn before.
import { Random, turn } from '../torture/random.ts';
import { READERS } from './readers/index.ts';
import type { Drawn, Input } from './spec.ts';

const NAMES: readonly string[] = Object.keys(READERS);

/** Whose turn it is: all have the same share. */
export const readerOf = (seed: number, only: string | null): string => only ?? turn(seed, 'reader', NAMES);

export function drawInput(seed: number, only: string | null = null): Input & Drawn {
  const reader = readerOf(seed, only);
  return { reader, ...READERS[reader]!.draw(new Random(seed, `fuzz ${reader}`)) };
}
