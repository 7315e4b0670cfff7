// tuner.test.ts: what clip.auto decides, on a world of one weight that this file computes itself: within its budget, the same however steps are cut and wherever
// it is stopped, and for the reasons that race.ts has.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BranchFacts } from '../../../lib/train/tuning/decider.ts';
import { type Branch, judge, type Race } from '../../../lib/train/tuning/race.ts';
import { RULES } from '../../../lib/train/tuning/rules.ts';
import { Tuner, type TunerPlan } from '../../../lib/train/tuning/tuner.ts';

/** A weight that is pulled to 0 by gradients with noise of its step, clipped by a threshold. */
interface Walker {
  x: number;
  factor: number;
}

const noise = (step: number): number => Math.sin(12.9898 * (step + 1) + 1) * 0.3 + (step % 29 === 11 ? 8 : 0);

function walk(w: Walker, from: number, steps: number, scale: number): BranchFacts {
  const [losses, norms, after]: number[][] = [[], [], []];
  let clipped = 0;
  for (let s = from; s < from + steps; s++) {
    const g = scale * (w.x + noise(s));
    const norm = Math.abs(g);
    const left = Math.min(norm, w.factor);
    losses!.push(w.x * w.x + 0.01 * noise(s));
    norms!.push(norm);
    after!.push(left);
    if (left < norm) clipped++;
    w.x -= ((0.2 / scale) * (g * left)) / (norm || 1);
  }
  return { losses: losses!, norms: norms!, after: after!, clipped, failed: !Number.isFinite(w.x) };
}

interface World {
  readonly plan: TunerPlan;
  readonly steps: number;
  /** Unit of the gradients. */
  readonly scale: number;
  readonly start: number;
}

/** A run. @param cut how many steps a chunk has at most, of which step; @param stop where the tuner is made anew of its state */
function run(
  { plan, steps, scale, start }: World,
  cut: (tried: number) => number,
  stop: (tried: number) => boolean = () => false,
) {
  let tuner = new Tuner(plan);
  let branches: (Walker | null)[] = [{ x: start, factor: 1 }];
  let main = 0;
  let origin = start;
  const kinds: string[] = [];
  for (let tried = plan.begin, end = plan.begin + steps; ; ) {
    if (stop(tried)) tuner = new Tuner(plan, JSON.parse(JSON.stringify(tuner.state())));
    for (let action = tuner.before(tried); action; action = tuner.before(tried)) {
      kinds.push(action.kind);
      const now = branches[main]!;
      if (action.kind === 'scout') tuner.scouted(walk({ x: now.x, factor: action.factor }, tried, action.steps, scale));
      else if (action.kind === 'race') {
        origin = now.x;
        branches = action.factors.map((factor) => ({ x: now.x, factor }));
        main = action.main;
      } else if (action.kind === 'measure') {
        const losses = branches.map((b) => (b ? [b.x * b.x, (b.x - 0.01) * (b.x - 0.01)] : []));
        tuner.measured({
          losses: action.validate ? losses : null,
          moved: branches.map((b) => (b ? Math.abs(b.x - origin) : Number.NaN)),
        });
      } else if (action.kind === 'drop') {
        expect(branches[action.main]).not.toBeNull();
        for (const i of action.branches) branches[i] = null;
        main = action.main;
        if (branches.filter(Boolean).length === 1) {
          branches = [branches[main]!];
          main = 0;
        }
      } else {
        expect(action.factor).toBeGreaterThan(0);
        branches[action.branch]!.factor = action.factor;
      }
    }
    if (tried >= end) break;
    const n = Math.min(tuner.until(tried), cut(tried), end - tried);
    expect(n).toBeGreaterThan(0);
    for (const [i, b] of branches.entries()) if (b) tuner.ran(i, walk(b, tried, n, scale));
    tried += n;
  }
  return { x: branches[main]!.x, decisions: tuner.decisions, extra: tuner.extra, kinds };
}

const worlds = fc.record({
  begin: fc.constantFrom(0, 0, 137),
  steps: fc.integer({ min: 1, max: 700 }),
  known: fc.boolean(),
  budget: fc.constantFrom(0.05, 0.3, 1),
  evaluation: fc.constantFrom(null, 0.5, 3),
  scale: fc.constantFrom(1e-20, 1e-3, 1, 1e6),
  start: fc.double({ min: -50, max: 50, noNaN: true }),
});
/** How a world is given. */
interface Given extends Pick<World, 'steps' | 'scale' | 'start'>, Pick<TunerPlan, 'begin' | 'evaluation'> {
  readonly known: boolean;
  readonly budget: number;
}
const worldOf = ({ begin, steps, known, budget, evaluation, ...rest }: Given): World => ({
  plan: { begin, end: known ? begin + steps : null, budget, evaluation },
  steps,
  ...rest,
});

describe('any run', () => {
  it('stays within its budget, beside a few steps that look at the scale', () => {
    fc.assert(
      fc.property(worlds, (given) => {
        const world = worldOf(given);
        const { extra } = run(world, () => 1000);
        const length = given.known ? given.steps : Math.max(512, 2 * given.steps);
        expect(extra).toBeLessThanOrEqual(given.budget * length + 24);
      }),
      { numRuns: 300 },
    );
  });

  it('is the same however its steps are cut, and wherever it is stopped', () => {
    fc.assert(
      fc.property(worlds, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 9 }), (given, most, every) => {
        const world = worldOf(given);
        const whole = run(world, () => 1000);
        const { kinds: _, ...cut } = run(
          world,
          (tried) => 1 + ((tried * 7) % most),
          (tried) => tried % every === 0,
        );
        const { kinds: __, ...other } = whole;
        expect(cut).toEqual(other);
      }),
      { numRuns: 150 },
    );
  });

  it('ends a race that it finds, and goes on', () => {
    const world = worldOf({ begin: 0, steps: 400, known: true, budget: 0.3, evaluation: 1, scale: 1, start: 20 });
    const first = new Tuner(world.plan);
    first.before(0);
    first.scouted({ losses: [400], norms: [20], after: [0], clipped: 1, failed: false });
    first.before(0);
    first.scouted({ losses: [400], norms: [20], after: [10], clipped: 1, failed: false });
    expect(first.before(0)).toMatchObject({ kind: 'set' });
    expect(first.before(0)).toMatchObject({ kind: 'race' });
    const next = new Tuner({ ...world.plan, begin: 3, end: 403 }, JSON.parse(JSON.stringify(first.state())));
    expect(next.before(3)).toBeNull();
    expect(next.until(3)).toBeLessThan(10);
  });
});

describe('what it finds', () => {
  it('the scale of gradients, be they tiny or huge', () => {
    const thresholds = [1e-20, 1, 1e6].map((scale) => {
      const world = worldOf({ begin: 0, steps: 400, known: true, budget: 0.3, evaluation: null, scale, start: 30 });
      return run(world, () => 1000).decisions[0]!.factor / scale;
    });
    for (const t of thresholds) expect(t / thresholds[0]!).toBeCloseTo(1, 6);
  });

  it('spikes do not move the weight far, and the end is calm', () => {
    const world = worldOf({ begin: 0, steps: 400, known: true, budget: 0.3, evaluation: 1, scale: 1, start: 30 });
    const { x, kinds, decisions } = run(world, () => 1000);
    const open: Walker = { x: 30, factor: 1e30 };
    walk(open, 0, 400, 1);
    expect(Math.abs(x)).toBeLessThan(0.5);
    expect(kinds.filter((k) => k === 'race').length).toBeGreaterThanOrEqual(2);
    expect(decisions.at(-1)!.judgedBy).toBe('validation');
    for (const d of decisions) expect(d.reason).not.toBe('');
  });
});

const branch = (factor: number, losses: number[], more: Partial<Branch> = {}): Branch => ({
  factor,
  alive: true,
  failed: false,
  losses,
  score: null,
  norms: [1],
  clipped: 1,
  fall: null,
  course: [[0, factor]],
  ...more,
});
const race = (branches: Branch[], keep: number): Race => ({
  kind: 'first',
  from: 0,
  legs: [5],
  keep: [keep],
  leg: 0,
  end: 5,
  main: 0,
  branches,
});
const terms = { start: 2, left: 1, rules: { ...RULES, errors: 0, tail: 1 } };
const flat = (x: number): number[] => Array(10).fill(x);

describe('a leg', () => {
  it('goes to the larger factor where a smaller one is ahead by steps that are smaller', () => {
    const branches = [branch(2, flat(1.05)), branch(0.5, flat(1))];
    expect(judge(race(branches, 1), { losses: null, moved: [4, 1] }, terms).keep).toEqual([0]);
    // At the end of a run there is no later.
    expect(judge(race(branches, 1), { losses: null, moved: [4, 1] }, { ...terms, left: 0 }).keep).toEqual([1]);
    // Steps as large as the other's owe nothing to their size.
    expect(judge(race(branches, 1), { losses: null, moved: [1, 1] }, terms).keep).toEqual([1]);
    // And what is far behind is out.
    expect(judge(race([branch(2, flat(1.5)), branch(0.5, flat(1))], 1), { losses: null, moved: [4, 1] }, terms).keep).toEqual([
      1,
    ]);
  });

  it('is not decided by one batch with a huge loss', () => {
    const spiked = [...flat(1)];
    spiked[3] = 1e6;
    const branches = [branch(2, flat(1.4)), branch(0.5, spiked)];
    expect(judge(race(branches, 1), { losses: null, moved: [1, 1] }, terms).keep).toEqual([1]);
  });

  it('drops what has diverged, and one of two that were never clipped', () => {
    const idle = { clipped: 0 };
    const nan = branch(9, [...flat(1).slice(1), Number.NaN]);
    const found = judge(
      race([nan, branch(4, flat(1), idle), branch(2, flat(1), idle), branch(1, flat(1.2))], 2),
      { losses: null, moved: [1, 1, 1, 1] },
      terms,
    );
    expect(found).toMatchObject({ keep: [1, 3], dropped: [0, 2], best: 1 });
    expect(found.losses[0]).toBeNull();
  });

  it('goes on with somebody where all have diverged', () => {
    const all = [branch(2, [Number.NaN]), branch(1, [1], { failed: true })];
    expect(judge(race(all, 1), { losses: null, moved: [1, 1] }, terms).keep).toHaveLength(1);
  });
});
