// guard.ts: watchers of a training step: of what the model computes, of its loss and of its gradients. Each says what is wrong, where, and
// what is done about it.
import { OptionError } from '../../errors.ts';
import { pattern } from '../../nn/fields.ts';
import type { Match } from '../../nn/module/module.ts';
import { axis } from '../../ops/args.ts';
import type { GuardAction } from '../../optim/apply/report.ts';
import { choice, custom, type Field, number, options, optionsOnly, Place } from '../../options/index.ts';

const ACTIONS: readonly GuardAction[] = ['warn', 'skip', 'rollback', 'stop'];

const KINDS = ['loss', 'outputs', 'dead', 'finite', 'exploding', 'vanishing'] as const;
/** What a guard watches, by the name of the function that makes it. */
export type GuardKind = (typeof KINDS)[number];

/** What a trainer's option `guards` lists; make one with the functions below. */
export interface Guard {
  /** What it watches. */
  readonly kind: GuardKind;
  /** What is done when it finds something. */
  readonly action: GuardAction;
  /** Of `outputs` and `dead`: the modules, by name; null: the model itself. */
  readonly match: string | RegExp | null;
  /** Smallest value allowed; of `vanishing` the floor, a part of the largest root mean square. */
  readonly min: number;
  /** Largest value allowed; of `dead` a share of units. */
  readonly max: number;
  /** Of `dead`: the dimension of outputs that has the units. Absent: 1 of images, else the last. */
  readonly axis?: number;
}

/** Options of `guard.finite`. */
export interface GuardOptions {
  /** What is done when it finds something. Default `stop`. */
  readonly action?: GuardAction;
}

/** Options of `guard.loss`. */
export interface RangeOptions extends GuardOptions {
  /** Smallest value allowed. Default: whatever is finite. */
  readonly min?: number;
  /** Largest value allowed. Default: whatever is finite. */
  readonly max?: number;
}

/** Options of `guard.outputs`. */
export interface OutputsOptions extends RangeOptions {
  /** Modules whose outputs are looked at, by name: `fc1`, `layers.*`. Default: the model itself. */
  readonly match?: Exclude<Match, (...args: never[]) => unknown>;
}

// Every finite f32 is within these, an infinity is not.
const MOST = Number.MAX_VALUE;

const guarded = { action: choice('warn', 'skip', 'rollback', 'stop').default('stop') } as const;
const ranged = { ...guarded, min: number().optional(), max: number().optional() } as const;
const readLoss = optionsOnly('guard.loss', options<RangeOptions>()(ranged));

/** The loss of a step is finite and in a range. @throws OptionError, also for a `max` below `min` */
export function loss(options: RangeOptions = {}): Guard {
  return { ...range('loss', readLoss(arguments)), match: null };
}

const readOutputs = optionsOnly('guard.outputs', options<OutputsOptions>()({ ...ranged, match: pattern.optional() }));

/**
 * The outputs of the model, or of the modules that match, are finite and in a range. A module is named by its path, as its parameters are.
 * Its outputs are read once more: bytes of all that match.
 * @throws OptionError, also for a `max` below `min`
 */
export function outputs(options: OutputsOptions = {}): Guard {
  const { match = null, ...within } = readOutputs(arguments);
  return { ...range('outputs', within), match };
}

/** Options of `guard.dead`. */
export interface DeadOptions extends GuardOptions {
  /** Modules whose outputs are looked at, by name: `*.relu`, `layers.1`. */
  readonly match: Exclude<Match, (...args: never[]) => unknown>;
  /** Largest share of a module's units that may be dead, from 0 to 1. Default 0.5. */
  readonly share?: number;
  /**
   * The dimension of outputs that has the units: 1 of sequences [rows, channels, length], as `nn.Conv1d` gives them. Default: 1 of outputs of four
   * dimensions and more, which are images, else the last.
   */
  readonly axis?: number;
}
const readDead = optionsOnly(
  'guard.dead',
  options<DeadOptions>()({ ...guarded, match: pattern, share: number({ min: 0, below: 1 }).default(0.5), axis: axis.optional() }),
);

/**
 * Of the units (features, channels) that each module that matches gives, no larger share than `share` is dead: 0 in all rows and places of a step's
 * batch, in all of its micro-batches. A rectifier makes them of what is below 0, and passes no gradient on that would bring them back. Match
 * activations, or blocks that end in one: what a function (`ops.relu`) gives is no module's. Outputs are read once more: bytes of all that match.
 * @throws OptionError
 */
export function dead(options: DeadOptions): Guard {
  const { match, share: max, action, axis } = readDead(arguments);
  return { kind: 'dead', action, match, min: 0, max, ...(axis !== undefined && { axis }) };
}

const readFinite = optionsOnly('guard.finite', options<GuardOptions>()(guarded));

/** Every gradient is finite. Costs nothing where the policy measures the 2-norm. @throws OptionError */
export function finite(options: GuardOptions = {}): Guard {
  const { action } = readFinite(arguments);
  return { kind: 'finite', action, match: null, min: -MOST, max: MOST };
}

/** Options of `guard.exploding`. */
export interface ExplodingOptions extends GuardOptions {
  /** Largest 2-norm of the gradient of one parameter. */
  readonly max: number;
}
const readExploding = optionsOnly('guard.exploding', options<ExplodingOptions>()({ ...guarded, max: number({ above: 0 }) }));

/** No parameter's gradient, before the clip, has a 2-norm above `max`, or is not finite. @throws OptionError */
export function exploding(options: ExplodingOptions): Guard {
  const { max, action } = readExploding(arguments);
  return { kind: 'exploding', action, match: null, min: 0, max };
}

/** Options of `guard.vanishing`. */
export interface VanishingOptions extends GuardOptions {
  /** Smallest root mean square of a parameter's gradient, as a part of the largest one of all parameters. Default 1e-6. */
  readonly floor?: number;
}
const readVanishing = optionsOnly(
  'guard.vanishing',
  options<VanishingOptions>()({ ...guarded, floor: number({ above: 0, below: 1 }).default(1e-6) }),
);

/** No parameter's gradient, element by element, is much smaller than that of others, and not all are 0. @throws OptionError */
export function vanishing(options: VanishingOptions = {}): Guard {
  const { floor: min, action } = readVanishing(arguments);
  return { kind: 'vanishing', action, match: null, min, max: MOST };
}

interface Range {
  readonly action: GuardAction;
  readonly min: number | undefined;
  readonly max: number | undefined;
}

function range(kind: 'loss' | 'outputs', { action, min = -MOST, max = MOST }: Range): Omit<Guard, 'match'> {
  if (max < min) {
    throw new OptionError(`guard.${kind}: option max: expected a number >= ${min}, its min, got ${max}`, { min, max });
  }
  return { kind, action, min, max };
}

/** What the functions here make, as an option: there are no others. */
export const guardRule: Field<Guard> = custom('guards such as guard.loss()', (given, place) => {
  const { kind, action, match, min, max, axis: at } = (given ?? {}) as Partial<Guard>;
  const known = KINDS.includes(kind as GuardKind) && ACTIONS.includes(action as GuardAction);
  const bounded = typeof min === 'number' && typeof max === 'number' && min <= max;
  if (!known || match === undefined || !bounded || !(at === undefined || Number.isSafeInteger(at)))
    throw place.wrong('guards such as guard.loss()', given);
  return given as Guard;
});

/** @throws OptionError for what is no guard of this module */
export function checkGuard(where: string, guard: unknown): void {
  guardRule.read(guard, new Place(where, '', ''));
}
