// around.ts: what a trainer may be asked for beside model, loss, policy and optimizer, each drawn by itself.
import * as augment from '../../lib/data/augment.ts';
import * as preprocess from '../../lib/data/preprocess.ts';
import type { Module } from '../../lib/nn/index.ts';
import { lookahead, type Optimizer } from '../../lib/optim/index.ts';
import * as constraint from '../../lib/optim/weights/constraint.ts';
import * as prune from '../../lib/optim/weights/prune.ts';
import type { Arrays } from '../../lib/train/feed/source.ts';
import type { TrainerOptions } from '../../lib/train/options.ts';
import * as guard from '../../lib/train/step/guard.ts';
import * as regularize from '../../lib/train/step/regularize.ts';
import { drawOptimizer, isRowwise, MAKERS, makeOptimizer } from './optimizers.ts';
import { given, type Random } from './random.ts';
import type { InputSpec, OptimizerSpec, Options } from './spec.ts';

/** What a drawn option may depend on. */
export interface Place {
  readonly input: InputSpec;
  /** Some table is updated by rows. */
  readonly sparse: boolean;
}

export interface Setting {
  readonly optimizer: Optimizer;
  /** Of the parameters, in their order; the last two are of the last layer. */
  readonly names: readonly string[];
  readonly data: Arrays;
}

/** Options that have nothing to do with the kind of the model. */
type Patch = Partial<Omit<TrainerOptions<Module, 'size'>, 'model' | 'loss' | 'metrics' | 'predict'>>;

interface AroundKind {
  /** Null where it does not go with the rest. */
  draw(r: Random, place: Place): unknown;
  /** @param value what was drawn */
  apply(value: never, setting: Setting, patch: Patch): Patch;
}
function around<T>(of: {
  draw(r: Random, place: Place): T | null;
  apply(value: T, s: Setting, patch: Patch): Patch;
}): AroundKind {
  return of as unknown as AroundKind;
}

/** An average of its own, beside which others, and what would not hold for it, are refused. */
const averages = ({ average }: Optimizer): boolean => average !== undefined;
/** For matrices, and one with such an average, beside which there may be no other group's: they are the trainer's own alone. */
const ALONE: ReadonlySet<string> = new Set(['muon', 'scheduleFree']);

const headWeight = (names: readonly string[]): string => names.filter((n) => n.endsWith('.weight')).at(-1)!;
const call = <T>(functions: object, name: string, args: readonly unknown[]): T =>
  (functions as Record<string, (...args: readonly unknown[]) => T>)[name]!(...args);

interface Call {
  readonly name: string;
  readonly args: readonly unknown[];
}

export const AROUND: Readonly<Record<string, AroundKind>> = {
  lookahead: around<Options>({
    draw: (r, { sparse }) => (sparse ? null : { k: r.between(1, 3), alpha: r.pick([0.5, 0.8]) }),
    apply: (options, { optimizer }) => (averages(optimizer) ? {} : { optimizer: lookahead(optimizer, options) }),
  }),
  group: around<OptimizerSpec>({
    draw: (r, { sparse }) =>
      drawOptimizer(r, r.pick(Object.keys(MAKERS).filter((n) => !ALONE.has(n) && (!sparse || isRowwise(n))))),
    apply(of, { names }, { groups = [] }) {
      // One that no group before has, as those beside Muon; and one is left for the trainer's own optimizer.
      const free = names.filter((name) => !groups.some(({ match }) => match === name));
      if (groups.length > 0 && free.length < 2) return {};
      return { groups: [...groups, { match: free[0]!, optimizer: makeOptimizer(of) }] };
    },
  }),
  ema: around<Options>({
    draw: (r) => given({ decay: r.pick([0.5, 0.99, 'mean']), start: r.maybe(0.3, () => 1), every: r.maybe(0.3, () => 2) }),
    apply: (options, { optimizer }) => (averages(optimizer) ? {} : { ema: options }),
  }),
  lossScale: around<number | Options>({
    draw: (r) => (r.chance(0.5) ? r.pick([1, 1024]) : { interval: r.between(1, 2), init: r.pick([2, 2 ** 60]) }),
    apply: (option) => ({ lossScale: option }),
  }),
  regularize: around<Call>({
    draw: (r, { sparse }) =>
      sparse
        ? null
        : {
            name: r.pick(['l1', 'l2', 'elasticNet', 'groupLasso']),
            args: r.pick([
              [1e-3, 1e-2],
              [0.1, 0.1],
            ]),
          },
    apply: ({ name, args }) => ({ regularize: call(regularize, name, name === 'elasticNet' ? args : args.slice(0, 1)) }),
  }),
  constraint: around<Call>({
    draw(r, { sparse }) {
      const axis = given({ axis: r.maybe(0.6, () => r.pick(['rows', 'columns', 'tensor'])) });
      const bounds = [
        { name: 'weightClip', args: [0.2] },
        { name: 'nonNegative', args: [] },
      ];
      return r.pick(sparse ? bounds : [...bounds, { name: 'maxNorm', args: [0.5, axis] }, { name: 'unitNorm', args: [axis] }]);
    },
    apply: ({ name, args }, { optimizer }) =>
      averages(optimizer) ? {} : { constraints: [{ match: '*', constraint: call(constraint, name, args) }] },
  }),
  prune: around<Call>({
    draw(r, { sparse }) {
      if (sparse) return null;
      const schedule = { sparsity: r.pick([0.3, 0.9]), begin: r.between(0, 1), end: r.between(2, 4), every: r.between(1, 2) };
      return { name: r.pick(['magnitude', 'rows']), args: [{ ...schedule, ...given({ scope: r.maybe(0.4, () => 'tensor') }) }] };
    },
    apply({ name, args: [options] }, { names, optimizer }) {
      if (averages(optimizer)) return {};
      const { scope, ...schedule } = options as prune.MagnitudeOptions;
      if (name === 'magnitude') return { prune: [prune.magnitude(options as prune.MagnitudeOptions)] };
      return { prune: [prune.rows({ ...schedule, match: headWeight(names) })] };
    },
  }),
  plateau: around<Options>({
    draw: (r) => ({ factor: 0.5, patience: r.between(0, 1), ...given({ mode: r.maybe(0.3, () => 'max') }) }),
    apply: (options) => ({ plateau: options }),
  }),
  guards: around<readonly Call[]>({
    draw(r) {
      const action = (): string => r.pick(['warn', 'warn', 'skip', 'rollback', 'stop']);
      const all: readonly (() => Call)[] = [
        () => ({ name: 'loss', args: [{ max: r.pick([0.5, 2, 10]), action: action() }] }),
        () => ({ name: 'outputs', args: [{ match: '*', max: r.pick([0.5, 5]), action: action() }] }),
        () => ({ name: 'finite', args: [{ action: action() }] }),
        () => ({ name: 'exploding', args: [{ max: r.pick([0.01, 1]), action: action() }] }),
        () => ({ name: 'vanishing', args: [{ action: 'warn' }] }),
        () => ({ name: 'dead', args: [{ match: '*', share: r.pick([0, 0.5]), action: action() }] }),
      ];
      return Array.from({ length: r.between(1, 2) }, () => r.pick(all)());
    },
    apply: (calls) => ({ guards: calls.map(({ name, args }) => call(guard, name, args)), rollback: { every: 2 } }),
  }),
  augment: around<readonly Call[]>({
    draw(r, { input }) {
      if (input.row.length !== 3 || input.dtype !== 'f32') return null;
      const side = Math.min(...input.row.slice(1));
      const move = { name: r.pick(['shift', 'crop']), args: [r.between(0, side - 1)] };
      return [
        move,
        { name: 'flip', args: [r.pick(['horizontal', 'vertical'])] },
        { name: 'cutout', args: [r.between(0, 3)] },
        { name: 'noise', args: [0.1] },
      ].filter(() => r.chance(0.5));
    },
    apply: (calls) => ({ augment: calls.map(({ name, args }) => call<augment.Augmentation>(augment, name, args)) }),
  }),
  preprocess: around<Call>({
    draw: (r, { input }) =>
      input.dtype === 'f32'
        ? { name: r.pick(['standardize', 'minMax']), args: [{ per: r.pick(['column', 'channel', 'all']) }] }
        : null,
    apply: ({ name, args }, { data }) => ({ preprocess: { x: call<preprocess.Unfitted>(preprocess, name, args).fit(data.x!) } }),
  }),
};
