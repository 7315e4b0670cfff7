// measure.ts: one cell: the engines that compute it rightly, timed in alternating rounds, as rows of figures.
import { setTimeout as pause } from 'node:timers/promises';
import { Engine, type Launch } from './engine.ts';
import type { Held } from './held.ts';
import type { Options } from './options.ts';
import { ratioPrefix } from './ours.ts';
import type { Row, Sample } from './report.ts';
import type { Rounds } from './suite.ts';

// An engine that is not timed is stopped, but where nothing can be (Windows): there threads of OpenBLAS and of OpenMP spin for a while when
// their work is done, and the next engine shall not pay for that. What goes on behind its back shall not either.
const SETTLE_MS = 100;

// Of a cell that has a slot of time: as few rounds as tell anything, as many as are worth it, and how many there should be room for.
const ROUNDS = { least: 6, most: 101, wanted: 25 } as const;
const SLOT_SECONDS = { least: 0.003, most: 0.5 } as const;

export interface Cell {
  readonly rows: readonly Row[];
  /** Who did not take part, and why. */
  readonly faults: ReadonlyMap<string, string>;
}

/**
 * Rounds of all engines in turn; the order turns around each time, so that none always comes after the same one. One before them counts for
 * nothing: in it is made what is made when it is first needed.
 */
async function alternate(engines: readonly Engine[], options: Options, slot: number | null): Promise<Map<Engine, Rounds>> {
  const { suite, extra } = options;
  const results = new Map<Engine, Map<string, Sample[]>>();
  let variants = 0;
  for (const engine of engines) {
    const names = suite.variants(engine.info, extra);
    variants += names.length;
    results.set(engine, new Map(names.map((name) => [name, []])));
  }
  const share = slot === null ? options.seconds / options.rounds : slot / ROUNDS.wanted / variants;
  const seconds = slot === null ? share : Math.min(SLOT_SECONDS.most, Math.max(SLOT_SECONDS.least, share));
  const begun = performance.now();
  let [last, longest] = [begun, 0];
  /** Whether there is to be a round after so many. */
  const more = (rounds: number): boolean => {
    if (slot === null) return rounds < options.rounds;
    const now = performance.now();
    if (rounds > 0) longest = Math.max(longest, now - last);
    last = now;
    return rounds < ROUNDS.least || (rounds < ROUNDS.most && now + longest < begun + slot * 1000);
  };
  for (let round = -1; round < 0 || more(round); round++) {
    const turned = <T>(list: readonly T[]): readonly T[] => (round % 2 === 1 ? list.toReversed() : list);
    for (const engine of turned(engines)) {
      if (engines.length > 1) await pause(suite.settle ?? SETTLE_MS);
      for (const [variant, samples] of turned([...results.get(engine)!])) {
        const sample = await engine.run(variant, round < 0 ? 0 : seconds * (suite.part?.(variant) ?? 1));
        if (round >= 0) samples.push(sample);
      }
    }
  }
  return results;
}

/** A cell with so many seconds for all of its rounds, in place of a number of rounds; `held`: engines that stay for the cells after it. */
export interface Slot {
  readonly seconds: (engines: number) => number;
  readonly held: Held;
}

/** @param ours those that all others are compared with, one in each precision */
export async function measureCell(
  cell: string,
  ours: readonly Launch[],
  peers: readonly Launch[],
  options: Options,
  slot: Slot | null = null,
): Promise<Cell> {
  const { suite, suiteName, threads } = options;
  const engines: Engine[] = [];
  const faults = new Map<string, string>();
  const own = (): readonly Engine[] => engines.filter(({ peer }) => ours.some((launch) => launch.peer === peer));
  for (const launch of [...ours, ...peers]) {
    const [first] = own();
    // Nobody is compared with what is not there.
    if (slot && !first && peers.includes(launch)) break;
    const more = (first && suite.more?.(first.info)) ?? [];
    const task = { suite: suiteName, cell, threads, more };
    const alike = suite.alike?.(cell);
    const held = slot && alike !== undefined ? slot.held.open(launch, task, `${threads} ${alike}`) : null;
    const engine = await (held ?? Engine.open(launch, task));
    const fault = engine instanceof Engine ? await suite.check?.(cell, engine, first ?? null) : engine;
    if (!fault) engines.push(engine as Engine);
    else {
      faults.set(launch.peer, fault);
      if (engine instanceof Engine && !held) engine.close();
    }
  }
  const results = await alternate(engines, options, slot?.seconds(engines.length) ?? null);
  const rows = engines.map((engine): Row => {
    if (!(slot && suite.alike)) engine.close();
    const rounds = results.get(engine)!;
    const others = own().filter((other) => other !== engine);
    const compared = others.flatMap(({ info }, i) => {
      const figures = suite.compare?.(rounds, results.get(others[i]!)!, info) ?? {};
      return Object.entries(figures).map(([name, value]) => [`${ratioPrefix(info.precision)}${name}`, value]);
    });
    const alike = others.find(({ info }) => info.precision === engine.info.precision);
    const shares = alike && suite.shares?.(rounds, results.get(alike)!, alike.info);
    const row = suite.row(cell, engine.info, rounds);
    return { peer: engine.peer, suite: suiteName, threads, ...row, ...Object.fromEntries(compared), ...shares };
  });
  return { rows, faults };
}
