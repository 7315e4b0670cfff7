// io.ts: all that a command may touch of its process: streams, environment, folder, and the signal that stops it.

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** Texts as they come. */
export interface Input extends AsyncIterable<string | Uint8Array> {
  /** Nothing more is read. */
  destroy?(): unknown;
}

/** Why a command was asked to stop: a signal, or nobody reads stdout any more, or it takes no more. */
export type StopCause = 'SIGINT' | 'SIGTERM' | 'EPIPE';

export interface IO {
  readonly stdout: Output;
  readonly stderr: Output;
  /** What is typed, or piped in; absent: nothing. */
  readonly stdin?: Input;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The file of this program, for others of its kind; absent where it is not one that Node can run. */
  readonly program?: string;
  /** Aborted with a StopCause as its reason. */
  readonly signal: AbortSignal;
}
