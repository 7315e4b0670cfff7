// compare.ts: the losses that are kept, and how far others are from them.

/** Of the first steps, in PyTorch. */
export interface Losses {
  readonly f32: readonly number[];
  readonly f64: readonly number[];
}

/** The largest distance, relative to losses above 1. */
export function farthest(ours: readonly number[], theirs: readonly number[]): number {
  if (ours.length !== theirs.length) throw new Error(`${ours.length} losses, expected ${theirs.length}`);
  return Math.max(...ours.map((loss, i) => Math.abs(loss - theirs[i]!) / Math.max(1, Math.abs(theirs[i]!))));
}
