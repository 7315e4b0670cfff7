// largest.ts: where the largest of any number of values is: a call takes no more than some 100,000 arguments, so Math.max(...values) does not do.

/** The first place of the largest value; 0 where none is larger than the first. */
export function largestOf(values: ArrayLike<number>): number {
  let at = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[at]!) at = i;
  return at;
}
