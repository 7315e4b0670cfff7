// checkpointing.ts: checkpoints that a run writes on its way.
import { constants } from 'node:fs';
import { access, copyFile, link, realpath, rename, unlink } from 'node:fs/promises';
import { AbortError } from '../../errors.ts';
import { insist } from '../../io/file/insist.ts';
import { checkWritable } from '../../io/file/write.ts';
import type { Report, Reports } from '../../optim/apply/report.ts';
import type { Wait } from '../flow/effect.ts';
import type { Warnings } from '../flow/warnings.ts';
import { type CheckpointRule, checkpointFiles, type WriteCheckpoint } from '../state/checkpoint-files.ts';
import type { ChunkFacts, Ending, Watcher } from './watcher.ts';

/** Give each checkpoint the name of the one before it; the newest keeps its own too, until it is replaced. So at any moment there is one under it. */
async function moveOn(files: readonly string[]): Promise<void> {
  // The file itself, where the name is a link: another link would name whatever is there next.
  const there = await realpath(files[0]!).catch(unlessMissing);
  if (files.length === 1 || there === undefined) return;
  for (let i = files.length - 1; i >= 2; i--) await renameIfThere(files[i - 1]!, files[i]!);
  const second = files[1]!;
  await insist(() => unlink(second)).catch(unlessMissing);
  // Where there are no hard links, a copy.
  await insist(() => link(there, second)).catch(() => copyFile(there, second, constants.COPYFILE_FICLONE));
}

async function renameIfThere(from: string, to: string): Promise<void> {
  await insist(() => rename(from, to)).catch(unlessMissing);
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

function unlessMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

type Role = 'alone' | 'gathers' | 'follows';

export class Checkpointing implements Watcher {
  readonly name = 'checkpoint';
  readonly #rule: CheckpointRule;
  readonly #warnings: Warnings;
  readonly #role: Role;
  readonly #capture: (metadata: Readonly<Record<string, string>>) => Promise<WriteCheckpoint>;
  /** Steps tried, of all runs, and of those since the last checkpoint. */
  #tried = 0;
  #steps = 0;
  #time: number = performance.now();
  #last: Report | null = null;
  /** Whether anything was done since the run began, and whether it has ended. */
  #done = false;
  #ended = false;
  /** Of the file that is being written. */
  #writing: Promise<void> | null = null;
  #failure: { readonly error: unknown } | null = null;

  /**
   * @param capture copies all state, as of now
   * @param role in a group whose processes have a part of the state each: process 0 gathers it, the others follow and write nothing
   */
  constructor(
    rule: CheckpointRule,
    warnings: Warnings,
    capture: (metadata: Readonly<Record<string, string>>) => Promise<WriteCheckpoint>,
    role: Role = 'alone',
  ) {
    this.#role = role;
    this.#rule = rule;
    this.#warnings = warnings;
    this.#capture = capture;
  }

  /** What would be said at the first checkpoint, maybe hours later. */
  start(): Wait {
    if (this.#role !== 'follows') return checkWritable(this.#rule.file);
  }

  /** Chunks end where one is due, so what is in it does not depend on their length. */
  until(tried: number): number {
    const { steps } = this.#rule.every;
    return steps === undefined ? Number.POSITIVE_INFINITY : steps - (tried % steps);
  }

  steps(reports: Reports, { tried }: ChunkFacts): void {
    this.#tried = tried;
    this.#steps += reports.length;
    if (reports.length > 0) this.#last = reports.at(reports.length - 1);
    this.#done ||= reports.length > 0;
  }

  validation(): void {
    this.#done = true;
  }

  epoch(): void {
    this.#done = true;
  }

  /** The state is copied here, and goes to the file while the training goes on; the next one waits for it. */
  settled(): Wait {
    if (this.#failure) throw this.#failure.error;
    // Told to end while this waits for the one before, a run has its last one to write, and not this one too.
    if (this.#steps > 0 && this.#due) return this.#save(() => this.#ended);
  }

  async close({ error }: Ending): Promise<void> {
    // What has failed may have left weights that nobody wants in place of those there are; what has done nothing, nothing that is not there: so whoever is
    // started and stopped again and again loses none of the files before.
    this.#ended = true;
    const worth = error === null || error instanceof AbortError;
    // What is there may be seen by one process and not by another.
    const first = async (): Promise<boolean> => this.#role === 'alone' && !(await exists(this.#rule.file));
    if (worth && (this.#done || (await first()))) await this.#save();
    await this.#writing;
    if (this.#failure) throw this.#failure.error;
  }

  get #due(): boolean {
    const { steps, seconds = Number.POSITIVE_INFINITY } = this.#rule.every;
    return (steps !== undefined && this.#tried % steps === 0) || performance.now() - this.#time >= 1000 * seconds;
  }

  async #save(late: () => boolean = () => false): Promise<void> {
    await this.#writing;
    if (late()) return;
    if (this.#failure) throw this.#failure.error;
    if (this.#last && !Number.isFinite(this.#last.loss)) return this.#warn(this.#last);
    this.#steps = 0;
    this.#time = performance.now();
    const { file, metadata } = this.#rule;
    const write = await this.#capture(metadata);
    // Those before it move on when it is all there.
    const writing = write(file, () => moveOn(checkpointFiles(this.#rule)));
    this.#writing = writing.catch((error: unknown) => {
      this.#failure ??= { error };
    });
  }

  #warn({ loss, step }: Report): void {
    const { file } = this.#rule;
    const text = `${file}: no checkpoint is written while the loss is ${loss}: what is there stays`;
    this.#warnings.add('noCheckpoint', text, { name: file, step, loss });
  }
}
