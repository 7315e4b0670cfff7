// start.ts: groups of processes within a test file, with a folder of its own for what they write.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type Ended, installed, type Launcher, launch, scenario } from './launch.ts';

export { type Ended, installed, type Launcher } from './launch.ts';

let turn = 0;
/**
 * One library after the other: what processes do together is no library's own, and one start shows it. What is, is tried with each: hashes in
 * group.test.ts, and all of it by `npm run -s check:groups`.
 */
export const next = (): Launcher => installed[turn++ % installed.length]!;

/** Of the test file. */
export const folder: string = mkdtempSync(join(tmpdir(), 'gradclip-mpi-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What each of `size` processes is to run: test/children/mpi.ts, which is given a name and the folder; or another program, with its arguments. */
export const start = (
  launcher: Launcher,
  size: number,
  what: string | readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> => launch(launcher, size, typeof what === 'string' ? scenario(what, folder) : what, env);
