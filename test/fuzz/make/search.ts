// search.ts: files of searches, line by line, and what is none any more; and how they are read.
import { copyFileSync, readFileSync } from 'node:fs';
import { TuneLog } from '../../../lib/tune/log.ts';
import type { Random } from '../../torture/random.ts';
import { Broken } from '../spec.ts';
import { havoc, other } from './bytes.ts';
import { disturbedJson } from './json.ts';
import { disturbed } from './text.ts';

const HEADER = { space: { lr: { log: [0.001, 1] } }, first: [], seed: 0, metric: 'loss', mode: 'min', of: null } as const;
const JOB = { trial: 0, repeat: 0, from: 0, to: 10 } as const;

function line(r: Random, trial: number): object {
  const bad = r.chance(0.2);
  const from = r.pick([0, 10]);
  return {
    ...{
      trial,
      repeat: r.between(0, 1),
      from,
      to: 3 * from + 10,
      params: { lr: r.unit() },
      score: bad ? null : r.unit(),
      steps: r.between(0, 30),
    },
    ...{
      over: bad,
      metrics: bad ? null : { loss: r.unit(), f1: null },
      reason: bad ? 'diverged' : null,
      clipped: 1,
      seconds: r.unit(),
    },
    ...{ cut: false, at: r.unit() * 100 },
  };
}

/** @returns the file, and how many jobs it has that can be read */
export function drawSearch(r: Random): { readonly bytes: Uint8Array; readonly jobs: number | null } {
  const lines = [
    { format: 'gradclip tune', version: 1, ...HEADER },
    ...Array.from({ length: r.between(0, 6) }, (_, i) => line(r, i)),
  ];
  const texts = lines.map((one) => JSON.stringify(one));
  const whole = (now: readonly string[]): Buffer => Buffer.from(`${now.join('\n')}\n`);
  const at = r.between(0, lines.length - 1);
  switch (r.between(0, 5)) {
    case 0: {
      // The last line is torn.
      const torn = r.chance(0.5) ? '{"trial":7,"rep' : '';
      return { bytes: Buffer.concat([whole(texts), Buffer.from(torn)]), jobs: lines.length - 1 };
    }
    case 1:
      return { bytes: havoc(r, whole(texts)), jobs: null };
    case 2:
      return { bytes: Buffer.from(disturbed(r, whole(texts).toString('latin1')), 'latin1'), jobs: null };
    case 3:
      return { bytes: r.chance(0.3) ? other(r) : whole(texts.toSpliced(at, 1, 'x'.repeat(r.pick([10, 70_000])))), jobs: null };
    default:
      return { bytes: whole(texts.toSpliced(at, 1, disturbedJson(r, lines[at]))), jobs: null };
  }
}

/** What a search that goes on does with it. */
export async function goneOnWith(file: string): Promise<unknown> {
  const copy = `${file}.search`;
  copyFileSync(file, copy);
  const log = await TuneLog.open(copy, HEADER, true);
  log.known(JOB, { lr: 0.5 });
  const { lines } = log;
  await log.close(false);
  // What was dropped is gone from the file, and what is left is read as it was.
  const again = await TuneLog.open(copy, HEADER, true);
  await again.close(false);
  if (again.lines !== lines) throw new Broken(`read ${lines} jobs, then ${again.lines}`);
  if (readFileSync(copy).at(-1) !== 10) throw new Broken('the last line has no end');
  return { jobs: lines };
}
