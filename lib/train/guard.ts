// guard.ts: watchers of a training step: of what the model computes, of its loss and of its gradients. Each says what is wrong, where, and
// what is done about it.
import { OptionError } from '../errors.ts';
import type { Match } from '../nn/module.ts';
import type { GuardAction } from '../optim/report.ts';
import { checkChoice, checkNumber, checkOptions, show } from '../options.ts';

const ACTIONS: readonly GuardAction[] = ['warn', 'skip', 'rollback', 'stop'];

const KINDS = ['loss', 'outputs', 'finite', 'exploding', 'vanishing'] as const;
export type GuardKind = (typeof KINDS)[number];

/** What a trainer's option `guards` lists; make one with the functions below. */
export interface Guard {
  readonly kind: GuardKind;
  readonly action: GuardAction;
  /** Of `outputs`: the modules, by name; null: the model itself. */
  readonly match: string | RegExp | null;
  readonly min: number;
  readonly max: number;
}

export interface GuardOptions {
  /** Default `stop`. */
  readonly action?: GuardAction;
}

export interface RangeOptions extends GuardOptions {
  /** What is smallest and largest; default: whatever is finite. */
  readonly min?: number;
  readonly max?: number;
}

export interface OutputsOptions extends RangeOptions {
  /** Modules whose outputs are looked at, by name (`fc1`, `layers.*`); default: the model itself. */
  readonly match?: Exclude<Match, (...args: never[]) => unknown>;
}

// Every finite f32 is within these, an infinity is not.
const MOST = Number.MAX_VALUE;

/** The loss of a step is finite and in a range. Throws OptionError. */
export function loss(options: RangeOptions = {}): Guard {
  return range('loss', options, []);
}

/**
 * The outputs of the model, or of the modules that match, are finite and in a range. A module is named by its path, as its parameters are.
 * Its outputs are read once more: bytes of all that match. Throws OptionError.
 */
export function outputs(options: OutputsOptions = {}): Guard {
  return { ...range('outputs', options, ['match']), match: options.match ?? null };
}

/** Every gradient is finite. Costs nothing where the policy measures the 2-norm. Throws OptionError. */
export function finite(options: GuardOptions = {}): Guard {
  checkOptions('guard.finite', options, ['action']);
  return { kind: 'finite', action: action('guard.finite', options), match: null, min: -MOST, max: MOST };
}

export interface ExplodingOptions extends GuardOptions {
  /** Largest 2-norm of the gradient of one parameter. */
  readonly max: number;
}
/** No parameter's gradient, before the clip, has a 2-norm above `max`, or is not finite. Throws OptionError. */
export function exploding(options: ExplodingOptions): Guard {
  const where = 'guard.exploding';
  checkOptions(where, options, ['max', 'action']);
  const max = checkNumber(where, 'max', options.max, { above: 0 });
  return { kind: 'exploding', action: action(where, options), match: null, min: 0, max };
}

export interface VanishingOptions extends GuardOptions {
  /** Smallest root mean square of a parameter's gradient, as a part of the largest one of all parameters. Default 1e-6. */
  readonly floor?: number;
}
/** No parameter's gradient, element by element, is much smaller than that of others, and not all are 0. Throws OptionError. */
export function vanishing(options: VanishingOptions = {}): Guard {
  const where = 'guard.vanishing';
  checkOptions(where, options, ['floor', 'action']);
  const min = checkNumber(where, 'floor', options.floor ?? 1e-6, { above: 0, below: 1 });
  return { kind: 'vanishing', action: action(where, options), match: null, min, max: MOST };
}

function range(kind: 'loss' | 'outputs', options: RangeOptions, more: readonly string[]): Guard {
  const where = `guard.${kind}`;
  checkOptions(where, options, ['min', 'max', 'action', ...more]);
  const min = checkNumber(where, 'min', options.min ?? -MOST);
  return { kind, action: action(where, options), match: null, min, max: checkNumber(where, 'max', options.max ?? MOST, { min }) };
}

function action(where: string, options: GuardOptions): GuardAction {
  return checkChoice(where, 'action', options.action ?? 'stop', ACTIONS);
}

/** @throws OptionError for what is no guard of this module: there are no others */
export function checkGuard(where: string, guard: unknown): void {
  const { kind, action, match, min, max } = (guard ?? {}) as Partial<Guard>;
  const known = KINDS.includes(kind as GuardKind) && ACTIONS.includes(action as GuardAction);
  if (!known || match === undefined || !(typeof min === 'number' && typeof max === 'number' && min <= max)) {
    throw new OptionError(`${where}: expected guards such as guard.loss(), got ${show(guard)}`, { value: guard });
  }
}
