// child.ts: a process that reads inputs for run.ts: those of a range of seeds, or one that it is given. Before each it writes down which, so that
// its end names one.
import { mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Coverage, type Unreached } from './coverage.ts';
import type { Failure, Input, Outcome } from './spec.ts';

export type Request =
  | { readonly kind: 'range'; readonly from: number; readonly to: number; readonly only: string | null }
  | { readonly kind: 'input'; readonly input: Input }
  | { readonly kind: 'draw'; readonly seed: number; readonly only: string | null }
  | { readonly kind: 'coverage' };

/** What came of an input of a range. */
export interface Seen extends Outcome {
  readonly seed: number;
  readonly reader: string;
}

export type Answer =
  | { readonly seen: readonly Seen[] }
  | { readonly failure: Failure | null }
  | { readonly input: Input }
  | { readonly unreached: Unreached };

const [folderOfAll, measures] = process.argv.slice(2) as [string, string];
const folder = mkdtempSync(join(folderOfAll, 'process-'));
const now = openSync(join(folder, 'now'), 'w');
const coverage = measures === 'coverage' ? new Coverage() : null;
await coverage?.begin();
// Imported now, so that it is counted what they do when they are.
const { check } = await import('./check.ts');
const { drawInput, readerOf } = await import('./draw.ts');
const { prepareReaders } = await import('./readers/index.ts');

/** A rejection that nobody handles belongs to what is read meanwhile. */
let unhandled: unknown;
process.on('unhandledRejection', (error) => {
  unhandled = error;
});

async function checked(input: Input): Promise<Outcome> {
  unhandled = undefined;
  const outcome = await check(input, folder);
  if (unhandled === undefined) return outcome;
  const message = `unhandled rejection: ${unhandled instanceof Error ? unhandled.stack : String(unhandled)}`;
  return { ...outcome, failure: { kind: 'throws', way: 'afterwards', message } };
}

/** What draws an input may fail, too. */
async function drawnAndChecked(seed: number, only: string | null): Promise<Outcome> {
  let input: Input;
  try {
    input = drawInput(seed, only);
  } catch (error) {
    const failure: Failure = { kind: 'broken', way: 'drawing it', message: String((error as Error).stack) };
    return { failure, said: [], ms: 0, bytes: 0 };
  }
  return checked(input);
}

const plainInput = ({ reader, files, options, unpacked }: Input): Input => ({
  ...{ reader, files, options },
  ...(unpacked !== undefined && { unpacked }),
});

async function answer(request: Request): Promise<Answer> {
  if (request.kind === 'coverage') return { unreached: await coverage!.unreached() };
  if (request.kind === 'draw') return { input: plainInput(drawInput(request.seed, request.only)) };
  if (request.kind === 'input') return { failure: (await checked(request.input)).failure };
  const seen: Seen[] = [];
  for (let seed = request.from; seed < request.to; seed++) {
    writeSync(now, String(seed).padEnd(20), 0);
    seen.push({ seed, reader: readerOf(seed, request.only), ...(await drawnAndChecked(seed, request.only)) });
  }
  return { seen };
}

// Messages come in while one is answered.
let last: Promise<void> = Promise.resolve();
process.on('message', (request: Request) => {
  last = last.then(async () => {
    process.send!(await answer(request));
  });
});
process.on('disconnect', () => {
  rmSync(folder, { recursive: true, force: true });
  process.exit();
});

await prepareReaders(folder);
process.send!({ folder });
