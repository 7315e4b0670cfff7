// guards.test.ts: what guards of a group do, and which threads it has: the same in all processes, whichever of them has the rows that a guard finds, and whatever their number.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addon } from '../../lib/native/addon.ts';
import { folder, installed, next, start } from './start.ts';

const PROGRAM = resolve(import.meta.dirname, '../../dist/test/children/guarded.js');

interface Event {
  readonly guard: string;
  readonly action: string;
  readonly name: string;
  readonly attempt: number;
  readonly step: number;
}
interface Failure {
  readonly name: string;
  readonly message: string;
  readonly details: object;
  readonly counters: object;
}
interface Run {
  readonly hashes: Readonly<Record<string, string>>;
  /** What all processes have alike, by scenario. */
  readonly alike: Readonly<Record<string, object>>;
  /** By rank. */
  readonly refused: readonly string[][];
}

/** Some scenarios, in one start. */
async function run(size: number, ...names: string[]): Promise<Run> {
  const what = names.join(',');
  const ended = await start(next(), size, [PROGRAM, what, folder]);
  expect(ended.code, ended.errors).toBe(0);
  const reports = Array.from({ length: size }, (_x, at) => {
    const { rank: _rank, refused, ...alike } = JSON.parse(readFileSync(join(folder, `${what}.${at}.json`), 'utf8'));
    return { alike, refused };
  });
  for (const { alike } of reports) expect(alike).toEqual(reports[0]!.alike);
  return {
    hashes: ended.said as Run['hashes'],
    alike: reports[0]!.alike,
    refused: reports.map(({ refused }) => refused?.errors),
  };
}

describe.runIf(installed.length > 0)('a group', () => {
  const runs: Record<string, Run> = {};

  it('has guards that find and do the same, and leave the same bits, in 1, 2 and 4 processes', async () => {
    runs.one = await run(1, 'watched', 'rollsBack', 'rollsBackBegin');
    runs.four = await run(4, 'watched', 'rollsBack', 'seats');
    runs.two = await run(2, 'watched', 'rollsBackOn', 'rollsBackTooOften', 'stops', 'shared', 'ownData', 'refused');
    for (const { hashes, alike } of [runs.four, runs.two]) {
      expect(hashes.watched).toBe(runs.one.hashes.watched);
      expect(alike.watched).toEqual(runs.one.alike.watched);
    }
    expect(runs.four.hashes.rollsBack).toBe(runs.one.hashes.rollsBack);
    expect(runs.four.alike.rollsBack).toEqual(runs.one.alike.rollsBack);
    const { events, heard, skipped } = runs.one.alike.watched as { events: Event[]; heard: Event[]; skipped: number };
    expect(heard).toEqual(events);
    // Each kind has something to say, but for that of gradients that are not finite; and one row is too far in each epoch.
    expect(new Set(events.map(({ guard }) => guard)).size).toBe(5);
    expect(skipped).toBe(3);
  });

  it('has guards that see gradients which are summed in parts', () => {
    const [whole, parts] = (runs.two!.alike.shared as { seen: { guards: Event[]; hash: string }[] }).seen;
    expect(parts).toEqual(whole);
    expect(new Set(whole!.guards.map(({ guard }) => guard))).toContain('guard.exploding');
  });

  it('rolls back after the same step, and goes on so from a checkpoint of other processes', () => {
    const { events, tried, step } = runs.one!.alike.rollsBack as { events: Event[]; tried: number; step: number };
    expect(events.map(({ action }) => action)).toEqual(['rollback', 'rollback', 'rollback']);
    expect([tried, step]).toEqual([9, 4]);
    expect(runs.two!.hashes.rollsBackOn).toBe(runs.one!.hashes.rollsBack);
  });

  it('ends the run of each process, with one error', () => {
    const { rollsBackTooOften, stops } = runs.two!.alike as Record<string, Failure>;
    expect(rollsBackTooOften).toMatchObject({
      name: 'GuardError',
      message: 'fit: guard.outputs: second at step 2, after 1 roll-backs in this run',
      counters: { epoch: 1, step: 2 },
    });
    expect(stops).toMatchObject({ name: 'GuardError', message: 'fit: guard.outputs: second at step 1' });
  });

  it('of data of their own: one that finds something undoes the step of all, and none has a step more', () => {
    const { events, tried, step } = runs.two!.alike.ownData as { events: Event[]; tried: number; step: number };
    expect([events.length, tried, step]).toEqual([2, 6, 3]);
  });

  it('has guards that are alike in all, and copies of a whole state', () => {
    for (const [rank, [copies, alike, ...more]] of runs.two!.refused.entries()) {
      expect(more).toEqual([]);
      expect(copies).toMatch(/^Trainer: option guards: to roll back takes a copy of all state, .* with shardOptimizer/);
      expect(alike).toContain(
        `fit: process ${rank} has other guards than process ${1 - rank}: outputs rollback, {"every":${2 + rank}}`,
      );
    }
  });

  it('shares the CPUs of a machine', () => {
    const { threads } = runs.four!.alike.seats as { threads: number };
    expect(threads).toBe(Math.max(1, Math.floor(addon().threads.count / 4)));
  });
});
