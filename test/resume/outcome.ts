// outcome.ts: a training of a set-up, whole or stopped and resumed by what a new process would have, and all that came of it.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GuardError, NonFiniteError, SkipError } from '../../lib/errors.ts';
import { readSafetensors, writeSafetensors } from '../../lib/io/safetensors.ts';
import type { Data } from '../../lib/ir/op.ts';
import type { FitResult } from '../../lib/train/loop/progress.ts';
import type { FitOptions } from '../../lib/train/options.ts';
import { Trainer } from '../../lib/train/trainer.ts';
import { differences, digestOf, firstDifference } from '../torture/compare.ts';
import type { Network } from '../torture/network.ts';
import type { ProgramSpec } from '../torture/spec.ts';
import { type Outcome, type Program, programOf, tell, tellState } from '../torture/train.ts';
import { PLAIN, type Setup } from './setups.ts';

const FOLDER = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'gradclip-resume-'));
process.on('exit', () => rmSync(FOLDER, { recursive: true, force: true }));
const STATE = join(FOLDER, 'state.safetensors');
const RECORD = join(FOLDER, 'record.jsonl');

/** What a run may end with that is no fault of the library. */
const ENDS = [NonFiniteError, SkipError, GuardError];

/** Steps after the second epoch, so that its end lies within the run. */
const BEYOND = 2;

const specOf = ({ program }: Setup): ProgramSpec => ({ ...PLAIN, ...program });

/** Steps of an epoch. */
export function stepsOf(setup: Setup): number {
  const { rows, batchSize, dropLast, accumulate, input } = specOf(setup);
  const size = setup.fit?.batchSize ?? batchSize;
  const batches = dropLast || input.source === 'consecutive' ? Math.floor(rows / size) : Math.ceil(rows / size);
  return Math.ceil(batches / accumulate);
}

/** Every step of two epochs. */
export const allStops = (setup: Setup): number[] => Array.from({ length: 2 * stepsOf(setup) }, (_, i) => i + 1);

/** Within the first epoch, at its end, and within the second. */
export function someStops(setup: Setup): number[] {
  const steps = stepsOf(setup);
  return [...new Set([Math.ceil(steps / 2), steps, steps + Math.ceil(steps / 3)])];
}

/** What is written down while parts of a run follow each other. */
class Log {
  readonly told: Map<string, Data | string> = new Map();
  readonly #counts = new Map<string, number>();

  /** One more of a kind: a report, an event. */
  add(kind: string, value: object): void {
    const count = this.#counts.get(kind) ?? 0;
    this.#counts.set(kind, count + 1);
    for (const [key, v] of Object.entries(value)) tell(this.told, `${kind} ${count} ${key}`, v);
  }
}

/**
 * The training, stopped after so many steps.
 * @param spoilt for whether that would be seen
 * @throws whatever is not one of the ends that a run may have
 */
export async function outcomeOf(setup: Setup, stops: readonly number[], spoilt?: Spoilt): Promise<Outcome> {
  rmSync(RECORD, { force: true });
  const { changes } = setup;
  const log = new Log();
  const last = 2 * stepsOf(setup) + BEYOND;
  const ends = [...new Set([...stops, ...(changes ? [changes.after] : []), last])].sort((a, b) => a - b);
  let trainer = trainerOf(setup, 0);
  let result: FitResult<'size'> | null = null;
  try {
    for (const [k, end] of ends.entries()) {
      const begin = ends[k - 1] ?? 0;
      if (stops.includes(begin)) {
        await trainer.save(STATE);
        trainer.dispose();
        if (spoilt !== undefined) await spoil(spoilt);
        trainer = trainerOf(setup, begin);
        await trainer.load(STATE);
      }
      if (begin === changes?.after) changes.model?.(trainer.model);
      result = null;
      result = await fit(setup, trainer, log, begin, end);
    }
  } catch (error) {
    if (!ENDS.some((end) => error instanceof end)) throw error;
    log.told.set('error', (error as Error).message);
  }
  const { told } = log;
  if (result) for (const key of ['stopReason', 'best'] as const) told.set(key, JSON.stringify(result[key]));
  await tellRest(told, setup, trainer);
  trainer.dispose();
  return told;
}

/** A state that is another one in a checkpoint than it was. */
export interface Spoilt {
  readonly name: string;
  readonly value: (v: number) => number;
}

async function spoil({ name, value }: Spoilt): Promise<void> {
  const { tensors, metadata } = await readSafetensors(STATE);
  const tensor = tensors.get(name);
  if (tensor) await writeSafetensors(STATE, new Map([...tensors, [name, { ...tensor, data: tensor.data.map(value) }]]), metadata);
}

/** A trainer as a new process makes it for what comes after step `begin`. */
function trainerOf(setup: Setup, begin: number): Trainer<Network, 'size'> {
  const { options, after, changes } = setup;
  const trainer = new Trainer({ ...programOf(specOf(setup)).options(), ...options, ...(begin > 0 && after) });
  if (changes && begin > changes.after) changes.model?.(trainer.model);
  return trainer;
}

async function fit(
  setup: Setup,
  trainer: Trainer<Network, 'size'>,
  log: Log,
  begin: number,
  end: number,
): Promise<FitResult<'size'>> {
  const { changes } = setup;
  const { validation, ...rest } = { ...setup.fit, ...(changes && begin >= changes.after && changes.fit) };
  const options: FitOptions<'size'> = {
    ...rest,
    steps: end - begin,
    ...(validation && { validation: others(setup).source }),
    ...(setup.record && { record: { file: RECORD, ...setup.record } }),
    onGuard: (event) => log.add('guard', event),
  };
  const { source } = programOf(specOf(setup));
  if (setup.sync) return trainer.fitSync(source, options);
  const run = trainer.fit(source, options);
  for await (const report of run) log.add('step', report);
  return run;
}

/** Other rows of the same kind. */
const others = (setup: Setup): Program => programOf({ ...specOf(setup), seed: PLAIN.seed + 1, rows: 11 });

/** Weights, all states, counters, what is measured, and the record. */
async function tellRest(told: Map<string, Data | string>, setup: Setup, trainer: Trainer<Network, 'size'>): Promise<void> {
  const { source } = programOf(specOf(setup));
  await tellState(told, trainer, STATE);
  told.set('rate factor', String(trainer.rateFactor));
  for (const weights of setup.program?.around?.ema ? (['model', 'ema'] as const) : (['model'] as const)) {
    for (const [key, value] of Object.entries(await trainer.evaluate(source, { weights })))
      tell(told, `${weights} ${key}`, value);
  }
  if (setup.record) told.set('record', readFileSync(RECORD, 'utf8'));
}

/** Names of the states that a checkpoint has beside weights. */
export function statesIn(outcome: Outcome): string[] {
  return [...outcome.keys()].filter((name) => name.startsWith('gradclip.'));
}

/** What is not the same, in words; null where nothing is. */
export function compared(whole: Outcome, resumed: Outcome): string | null {
  const [a, b] = [digestOf(whole), digestOf(resumed)];
  const names = [...new Set([...differences(a, b, null), ...differences(b, a, null)])];
  const [first] = names;
  if (first === undefined) return null;
  const more = names.length > 1 ? `, and ${names.length - 1} more` : '';
  return `${first}: ${firstDifference(whole.get(first), resumed.get(first))}${more}`;
}
