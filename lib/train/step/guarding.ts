// guarding.ts: a trainer's guards as nodes of its training graph: what each measures, and what it decides.
import { OptionError } from '../../errors.ts';
import { inSection, type Tensor } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';
import type { Module, Parameter } from '../../nn/module/module.ts';
import {
  abs,
  add,
  cast,
  div,
  equal,
  less,
  lessEqual,
  maximum,
  minimum,
  mul,
  sqrt,
  sub,
  where,
} from '../../ops/elementwise/elementwise.ts';
import type { Stage } from '../../ops/gradient/stage.ts';
import { statistic } from '../../ops/gradient/statistics.ts';
import { max, mean, min, sum } from '../../ops/reduce/reduce.ts';
import { concat } from '../../ops/shape/concat.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { failIf } from '../../ops/step/control.ts';
import type { GuardAction, GuardNames } from '../../optim/apply/report.ts';
import { show } from '../../options/index.ts';
import type { Sums } from './accumulation.ts';
import { checkGuard, type Guard } from './guard.ts';
import { matchModules, watchForward } from './hooks.ts';

/** One guard and all that it may name. */
interface Placed extends GuardNames {
  readonly guard: Guard;
  readonly modules: readonly Module[];
  /** First of its positions among the flags that end a run. */
  readonly offset: number;
}

/** Outputs of modules, by guard. */
type Seen = ReadonlyMap<Placed, readonly (readonly Tensor[])[]>;

export class Guarding {
  readonly placed: readonly Placed[];

  /** @throws OptionError */
  constructor(model: Module, trained: readonly Parameter[], guards: unknown) {
    if (!Array.isArray(guards)) throw new OptionError(`Trainer: option guards: expected a list, got ${show(guards)}`);
    let offset = trained.length;
    this.placed = guards.map((guard: Guard): Placed => {
      checkGuard('Trainer: guards', guard);
      const label = `guard.${guard.kind}`;
      const ofModules = looksAtModules(guard);
      const matched = ofModules ? matchModules(label, model, guard.match) : new Map<string, Module>();
      if (ofModules && matched.size === 0) {
        throw new OptionError(`Trainer: guards: ${label}: no module matches ${guard.match}`, { match: guard.match });
      }
      const names = ofModules
        ? [...matched.keys()].map((path) => path || 'model')
        : guard.kind === 'loss'
          ? ['loss']
          : trained.map((p) => p.name);
      const { action } = guard;
      const placed = { guard, label, action, names, modules: [...matched.values()], offset };
      offset += names.length;
      return placed;
    });
  }

  get rollsBack(): boolean {
    return this.placed.some((p) => p.guard.action === 'rollback');
  }

  /** What a run's position means, if a guard has ended it. */
  at(position: number): { readonly label: string; readonly action: GuardAction; readonly name: string } | null {
    const found = this.placed.find((p) => position >= p.offset && position < p.offset + p.names.length);
    return found ? { label: found.label, action: found.guard.action, name: found.names[position - found.offset]! } : null;
  }

  /** Trace a model by `build`, and see what the modules give that are looked at. */
  watch<T>(build: () => T): { result: T; seen: Seen } {
    const seen = new Map(this.placed.map((p) => [p, p.modules.map((): Tensor[] => [])]));
    const ends = [...seen].flatMap(([p, lists]) =>
      p.modules.map((m, i) => watchForward(m, (t) => void (t.dtype === 'f32' && lists[i]!.push(t)))),
    );
    try {
      const result = build();
      for (const [p, lists] of seen) {
        if (lists.length > 0 && lists.every((outputs) => outputs.length === 0)) {
          throw new OptionError(`${p.label}: the loss calls no forward of ${p.names.join(', ')} that gives a tensor of f32`);
        }
      }
      return { result, seen };
    } finally {
      for (const end of ends.reverse()) end();
    }
  }

  /**
   * Measure, decide and report.
   * @param loss of the step, f64
   * @param stages what gradients are read through
   * @param sums over the micro-batches; null: there is one
   * @returns an f64 scalar, not 0 to skip the step, or null
   */
  build(seen: Seen, loss: Tensor, grads: readonly Tensor[], stages: readonly Stage[], sums: Sums | null): Tensor | null {
    const { graph } = loss;
    const skips: Tensor[] = [];
    for (const [i, p] of this.placed.entries()) {
      const { flags, values } = this.#measured(p, `${p.label}.${i}`, seen.get(p)!, loss, grads, stages, sums);
      inSection(graph, 'apply', () => {
        const n = p.names.length;
        const index = graph.constant(
          Float64Array.from({ length: n }, (_, k) => k),
          [n],
          'f64',
        );
        const first = min(where(flags, index, n));
        const found = less(first, n);
        graph.output(`guard.${i}`, where(found, first, -1));
        graph.output(`guard.${i}.value`, sum(where(equal(index, first), values, 0)));
        if (p.guard.action === 'skip') skips.push(found);
        if (p.guard.action === 'stop' || p.guard.action === 'rollback') failIf(found, add(first, p.offset));
      });
    }
    return skips.length > 0 ? inSection(graph, 'apply', () => skips.reduce((a, b) => add(a, b))) : null;
  }

  #measured(
    placed: Placed,
    name: string,
    outputs: readonly (readonly Tensor[])[],
    loss: Tensor,
    grads: readonly Tensor[],
    stages: readonly Stage[],
    sums: Sums | null,
  ): Flagged {
    const { guard } = placed;
    if (guard.kind === 'dead') return this.#dead(placed, name, outputs, sums);
    if (!looksAtModules(guard)) return this.#step(placed, loss, grads, stages);
    const measured = this.#outputs(placed, outputs);
    return sums ? overMicros(sums, name, measured) : measured;
  }

  /** f64 [n]: 1 where something is wrong, and what was measured. */
  #step({ guard }: Placed, loss: Tensor, grads: readonly Tensor[], stages: readonly Stage[]): Flagged {
    const { kind, min: least, max: most } = guard;
    return inSection(loss.graph, 'apply', () => {
      if (kind === 'loss') {
        const values = reshape(loss, [1]);
        return { values, flags: outside(values, values, least, most) };
      }
      const squares = statistic(grads, { kind: 'sumSquares', stages }).each;
      if (kind === 'finite') return { values: sqrt(squares), flags: outside(squares, squares, least, most) };
      const norms = sqrt(squares);
      if (kind === 'exploding') return { values: norms, flags: outside(norms, norms, least, most) };
      const sizes = Float64Array.from(grads, (g) => Math.max(1, sizeOf(g.shape)));
      const rms = sqrt(div(squares, loss.graph.constant(sizes, [grads.length], 'f64')));
      const largest = max(rms);
      const ratios = where(equal(largest, 0), 0, div(rms, largest));
      return { values: ratios, flags: less(ratios, least) };
    });
  }

  /** The same, of units that are 0 in all micro-batches of a step. */
  #dead({ guard, label, names }: Placed, name: string, outputs: readonly (readonly Tensor[])[], sums: Sums | null): Flagged {
    const { graph } = outputs.flat()[0]!;
    const alive = outputs.map((ts, k) =>
      ts.map((t, j) => {
        const found = aliveUnits(t, guard.axis, `${label}: option axis: ${names[k]}`);
        return sums ? sums.sum(`${name} alive ${k}.${j}`, found) : found;
      }),
    );
    return inSection(graph, 'apply', () => {
      const shares = alive.map((units) => {
        const all = units.filter((t) => sizeOf(t.shape) > 0);
        return all.length === 0 ? graph.scalar(0, 'f64') : mean(equal(concat(all), 0));
      });
      const values = concat(shares.map((t) => reshape(t, [1])));
      return { values, flags: outside(values, values, guard.min, guard.max) };
    });
  }

  /** The same, of outputs of modules in one micro-batch. */
  #outputs({ guard }: Placed, outputs: readonly (readonly Tensor[])[]): Flagged {
    const graph = outputs.flat()[0]!.graph;
    const zero = graph.scalar(0, 'f64');
    const bounded = Math.abs(guard.min) < Number.MAX_VALUE || guard.max < Number.MAX_VALUE;
    const ends = outputs.map((ts): readonly [Tensor, Tensor] => {
      if (ts.length === 0) return [zero, zero];
      if (!bounded) {
        const largest = statistic(ts, { kind: 'maxAbs' }).total;
        return [largest, largest];
      }
      const flat = ts.filter((t) => sizeOf(t.shape) > 0).map((t) => f64Ends(t));
      if (flat.length === 0) return [zero, zero];
      return flat.reduce(([a, b], [c, d]) => [minimum(a, c), maximum(b, d)]);
    });
    const vector = (i: 0 | 1): Tensor => concat(ends.map((e) => reshape(e[i], [1])));
    const [low, high] = [vector(0), vector(1)];
    const flags = outside(low, high, guard.min, guard.max);
    // Of two ends, that which is further out.
    const values = where(less(sub(0, low), high), high, low);
    return { flags, values };
  }
}

/** Of all micro-batches of a step: a flag of any of them shows, and the mean of what was measured in those that have one. */
function overMicros(sums: Sums, name: string, { flags, values }: Flagged): Flagged {
  const flagged = sums.sum(`${name} flags`, flags);
  const total = sums.sum(`${name} values`, where(flags, values, 0));
  return { flags: flagged, values: inSection(flagged.graph, 'apply', () => div(total, maximum(flagged, 1))) };
}

interface Flagged {
  readonly flags: Tensor;
  readonly values: Tensor;
}

/** 0 where min <= low and high <= max, else 1, also for NaN. */
function outside(low: Tensor, high: Tensor, least: number, most: number): Tensor {
  return sub(1, mul(lessEqual(least, low), lessEqual(high, most)));
}

const looksAtModules = ({ kind }: Guard): boolean => kind === 'outputs' || kind === 'dead';

/** f64 [units]: 0 where a unit is 0 in all rows and places, else 1, also for NaN. @throws OptionError if it has no such dimension */
function aliveUnits(t: Tensor, axis: number | undefined, where: string): Tensor {
  const rank = t.shape.length;
  const at = axis === undefined ? (rank > 3 ? 1 : rank - 1) : axis < 0 ? axis + rank : axis;
  const units = t.shape[at];
  if (units === undefined)
    throw new OptionError(`${where} gives [${t.shape}], which has no dimension ${axis ?? 'of units'}`, { axis });
  if (sizeOf(t.shape) === 0) return t.graph.constant(new Float64Array(0), [0], 'f64');
  const after = sizeOf(t.shape.slice(at + 1));
  const apart = reshape(t, [sizeOf(t.shape) / units / after, units, after]);
  const zero = equal(max(abs(apart), { axes: [2] }), 0);
  return cast(sub(1, min(zero, { axes: [0] })), 'f64');
}

/** Smallest and largest element of an f32 tensor, in f64; NaN if there is one. */
function f64Ends(t: Tensor): readonly [Tensor, Tensor] {
  const flat = reshape(t, [sizeOf(t.shape)]);
  return [cast(min(flat), 'f64'), cast(max(flat), 'f64')];
}
