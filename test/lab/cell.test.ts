// cell.test.ts: a run of the laboratory is the run of a new trainer, bit for bit, in whatever order runs are made.
import { expect, it } from 'vitest';
import { type clip, ops, Trainer } from '../../lib/index.ts';
import { Cell, planned } from '../../lib/lab/cell.ts';
import { keyOf } from '../../lib/lab/line.ts';
import { cellsOf, left, shardOf } from '../../lib/lab/plan.ts';
import { LADDER, POLICIES, REFERENCE, USUAL } from '../../lib/lab/policies.ts';
import { WORKLOADS } from '../../lib/lab/workloads/list.ts';
import type { Arrays } from '../../lib/train/feed/source.ts';

const tiny = { ...WORKLOADS.get('mlp-tiny')!, steps: 25 };
const level = (policy: string, name: string) => POLICIES.get(policy)!.levels.find((one) => one.name === name)!;

/** The same by a trainer of its own. */
function alone(
  seed: number,
  optimizer: 'sgd' | 'adam',
  policy: clip.ClipPolicy,
  validates = false,
): { test: number; norms: number[] } {
  const { loss, batchSize } = tiny;
  const data = tiny.data(seed);
  using trainer = new Trainer({
    model: tiny.model(),
    loss,
    optimizer: tiny.optimizers[optimizer](),
    clip: policy,
    batchSize,
    seed,
    threads: 2,
  });
  const norms: number[] = [];
  const onSteps = (steps: Iterable<{ norm: number }>): void => void norms.push(...Array.from(steps, ({ norm }) => norm));
  trainer.fitSync(data.train as Arrays, {
    steps: tiny.steps,
    callbacks: [{ onSteps }],
    ...(validates && { validation: data.validation as Arrays }),
  });
  return { test: trainer.evaluateSync(data.test as Arrays).loss, norms };
}

it.each(['sgd', 'adam'] as const)(
  '%s: runs of one cell, to and fro between seeds, policies and levels, are those of new trainers',
  (optimizer) => {
    // In the second cell each trainer has to go for the next one.
    using cell = new Cell(planned(tiny), optimizer);
    using narrow = new Cell(planned(tiny), optimizer, 1);
    const { scale } = cell;
    const tries: [string, string, number][] = [
      ...[
        ['globalNorm', 'x0.1', 0],
        ['globalNorm', '1', 1],
        ['quantile', 'gamma=0.5 initial=x1', 0],
        ['none', 'none', 1],
      ],
      ...[
        ['autoClip', 'q=10', 1],
        ['globalNorm', 'x0.1', 0],
        ['auto', 'auto', 1],
        ['auto', 'auto', 0],
        ['auto', 'auto', 1],
        ['quantile', 'gamma=0.5', 1],
        ['quantile', 'gamma=0.5 initial=x1', 0],
      ],
    ] as [string, string, number][];
    for (const [policy, name, seed] of tries) {
      const line = cell.run(POLICIES.get(policy)!, level(policy, name), seed);
      const { test, norms } = alone(seed, optimizer, level(policy, name).make(scale), policy === 'auto');
      expect(line.test, `${policy} ${name} ${seed}`).toBe(test);
      expect(narrow.run(POLICIES.get(policy)!, level(policy, name), seed).test).toBe(test);
      const order = norms.toSorted((a, b) => a - b);
      expect(line.norms.median).toBe(order[12]);
    }
  },
);

it('the scale is that of a run that is clipped to what norms are at first, the same for all cells', () => {
  using cell = new Cell(planned(tiny), 'adam');
  using other = new Cell(planned(tiny), 'adam');
  other.run(POLICIES.get('none')!, level('none', 'none'), 3);
  expect(other.scale).toEqual(cell.scale);
  expect(cell.scale.elements).toBe([...tiny.model().parameters()].reduce((n, p) => n + p.size, 0));
  expect(cell.scale.norm).toBeGreaterThan(0);
});

it('a policy that does not go with a network is refused, and the others go on', () => {
  using cell = new Cell(planned({ ...WORKLOADS.get('ncf-sparse')!, steps: 5 }), 'sgd');
  const agc = POLICIES.get('agc')!;
  expect(cell.run(agc, agc.levels[0]!, 0).refused).toContain('sparse updates do not go with agc');
  expect(cell.run(POLICIES.get('none')!, level('none', 'none'), 0).test).toBeGreaterThan(0);
});

it('a run that diverges says so, and the next one is as if it had not been', () => {
  const huge = { ...tiny, optimizers: { ...tiny.optimizers, sgd: () => tiny.optimizers.sgd() } };
  const data = (seed: number) => {
    const { train, ...others } = tiny.data(seed);
    const { x, y } = train as unknown as { x: { data: Float32Array; shape: number[] }; y: unknown };
    const spoiled = { data: seed === 1 ? x.data.map(() => Number.NaN) : x.data, shape: x.shape };
    return { ...others, train: { x: spoiled, y } as never };
  };
  using cell = new Cell(planned({ ...huge, data }), 'sgd');
  const none = POLICIES.get('none')!;
  const first = cell.run(none, none.levels[0]!, 0);
  expect(cell.run(none, none.levels[0]!, 1)).toMatchObject({ diverged: 'gradient', test: null, validation: null, train: null });
  expect(cell.run(none, none.levels[0]!, 0).test).toBe(first.test);
});

it('a network without anything to know, or with losses below 0, has no scores: it says so', () => {
  const none = POLICIES.get('none')!;
  using known = new Cell(planned({ ...tiny, ignorant: () => 0 }), 'sgd');
  expect(() => known.run(none, none.levels[0]!, 0)).toThrow('mlp-tiny: who knows nothing has a loss of 0');
  using below = new Cell(planned({ ...tiny, loss: (batch, model) => ops.sub(tiny.loss(batch, model), 100) }), 'sgd');
  expect(() => below.run(none, none.levels[0]!, 0)).toThrow('expected losses from 0 on, got -9');
});

it('every level makes a policy, names are unique, and the usual one is the first', () => {
  for (const { name, levels } of [...POLICIES.values(), REFERENCE]) {
    expect(new Set(levels.map((one) => one.name)).size, name).toBe(levels.length);
    for (const one of levels) expect(one.make({ norm: 2, elements: 100, tensors: 4 }).name).not.toBe('');
    if (name !== 'globalNorm')
      expect(
        levels.findIndex((one) => one.usual),
        name,
      ).toBe(0);
  }
  const five = USUAL.filter(({ levels }) => levels.length === 5);
  expect(five.length).toBeGreaterThanOrEqual(12);
  expect(LADDER.toSorted((a, b) => a - b)).toEqual([...LADDER]);
});

it('a plan has each run once, shards have all of them once, and what is done is left out', () => {
  const workloads = [...WORKLOADS.values()].slice(0, 3).map(planned);
  const cells = cellsOf({ workloads, optimizers: ['sgd', 'adam'], policies: USUAL, seeds: [0, 1, 2] });
  const keys = (of: typeof cells): string[] => of.flatMap(({ runs }) => runs.map(({ key }) => keyOf(key)));
  const all = keys(cells);
  expect(new Set(all).size).toBe(all.length);
  // The ten fixed thresholds hold four of the five levels of the global norm.
  const levels = USUAL.reduce((sum, policy) => sum + policy.levels.length, 0) + LADDER.length - 4;
  expect(all.length).toBe(3 * 2 * 3 * levels);
  for (const count of [1, 2, 4, 6, 7, 18, 40]) {
    const parts = Array.from({ length: count }, (_, i) => keys(shardOf(cells, { index: i + 1, count })));
    expect(parts.flat().toSorted()).toEqual(all.toSorted());
  }
  const done = new Set(all.slice(0, 100));
  expect(keys(left(cells, done))).toEqual(all.slice(100));
});
