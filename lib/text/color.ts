// color.ts: whether what is written in colors is read on a terminal that wants them.

/** Where text is written. */
export interface TextStream {
  /** Writes a text: what it gives back is not read. */
  write(text: string): unknown;
  /** Whether it is a terminal. Default false. */
  readonly isTTY?: boolean;
  /** Columns of the terminal. Default 80. */
  readonly columns?: number;
}

/** Variables of an environment. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** https://no-color.org: any value but the empty string switches colors off. */
export function wantsColor(stream: Pick<TextStream, 'isTTY'>, env: Environment): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0') return true;
  return isLive(stream, env);
}

/** Whether lines can be drawn again there. */
export function isLive({ isTTY }: Pick<TextStream, 'isTTY'>, env: Environment): boolean {
  return isTTY === true && env.TERM !== 'dumb';
}
