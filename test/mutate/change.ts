// change.ts: one text of a source in place of another.
export interface Change {
  /** From the checkout's folder. */
  readonly file: string;
  /** Stands in the file once. */
  readonly before: string;
  readonly after: string;
}

/** The text of the file with the change made. @throws Error unless what it replaces is there, once */
export function changed({ file, before, after }: Change, text: string): string {
  const times = text.split(before).length - 1;
  if (times !== 1) throw new Error(`${file} has ${times} times what is to be replaced: ${before}`);
  return text.replace(before, () => after);
}
