// loss-scale.ts: the gradients of a loss times a power of two, so that small ones do not vanish in f32; taken back, exactly, before they are
// measured. Dynamic: the scale grows while gradients stay finite and backs off where they do not, as torch.amp.GradScaler.
import { type Graph, inSection, type State, type Tensor } from '../../ir/graph.ts';
import { add, div, less, lessEqual, maximum, minimum, mul, where } from '../../ops/elementwise/elementwise.ts';
import { statistic } from '../../ops/gradient/statistics.ts';
import { custom, either, type Field, type NumberRule, number, options, Place, whole } from '../../options/index.ts';

/** How a loss is scaled: `lossScale` of a trainer. */
export interface LossScaleOptions {
  /** The first scale, a power of two from 1 on. Default 2^16. */
  readonly init?: number;
  /** The scale is multiplied by this after `interval` steps with finite gradients; a power of two. Default 2. */
  readonly growth?: number;
  /**
   * The scale is multiplied by this where a gradient is not finite: the step is skipped then. A power of two below 1. Default
   * 0.5.
   */
  readonly backoff?: number;
  /** Steps with finite gradients in a row, after which the scale grows. Default 2000. */
  readonly interval?: number;
}

// Far from what f32 holds, and its square from what f64 holds.
const MOST = 2 ** 100;

interface Rule extends Required<LossScaleOptions> {
  readonly adapts: boolean;
}

/** @param range in words */
function power(range: string, rule: NumberRule): Field<number> {
  const expected = `a power of two ${range}`;
  const bounded = number(rule);
  return custom(
    expected,
    (value, place) => {
      if (typeof value !== 'number' || !isPower(value)) throw place.wrong(expected, value);
      return bounded.read(value, place);
    },
    bounded.schema,
  );
}

function isPower(x: number): boolean {
  let least = 2 ** -1074;
  while (least < x && least < Infinity) least *= 2;
  return least === x && x < Infinity;
}

const first = power('from 1 to 2^100', { min: 1, max: MOST });
/** As an option: a number is a scale that stays. */
export const lossScale: Field<number | LossScaleOptions, Rule> = either(
  first.map((init): Rule => ({ init, growth: 1, backoff: 1, interval: 1, adapts: false })),
  options<LossScaleOptions>()({
    init: first.default(2 ** 16),
    growth: power('above 1', { above: 1, max: MOST }).default(2),
    backoff: power('below 1', { min: 1 / MOST, below: 1 }).default(0.5),
    interval: whole({ min: 1 }).default(2000),
  }).map((rule): Rule => ({ ...rule, adapts: true })),
);

/** What a trainer's option `lossScale` asks for. */
export class LossScale {
  /** The scale, and the steps with finite gradients since it changed; none where it is fixed. */
  readonly states: readonly State[];
  readonly #fixed: number | null;
  readonly #rule: Rule;

  /** @throws OptionError */
  constructor(option: number | LossScaleOptions) {
    this.#rule = lossScale.read(option, new Place('Trainer', 'option', 'lossScale'));
    const { init, adapts } = this.#rule;
    this.#fixed = adapts ? null : init;
    const type = { dtype: 'f64', shape: [] } as const;
    const scale: State = { name: 'train.loss_scale', type, init: (out) => out.fill(init) };
    this.states = this.#fixed === null ? [scale, { name: 'train.loss_scale_good', type }] : [];
  }

  get adapts(): boolean {
    return this.#fixed === null;
  }

  /** The scale of the next step. @param read gives the value of a state as of now */
  now(read: (state: State) => number): number {
    return this.#fixed ?? read(this.states[0]!);
  }

  /** The seed of the backward pass, an f64 scalar. */
  seed(graph: Graph): Tensor {
    return this.#fixed === null ? graph.state(this.states[0]!) : graph.scalar(this.#fixed, 'f64');
  }

  /** How many gradients, as the backward pass gave them, are not finite: an f64 scalar, not 0 to skip the step; null where the scale is fixed. */
  overflow(graph: Graph, grads: readonly Tensor[]): Tensor | null {
    if (this.#fixed !== null) return null;
    return inSection(graph, 'apply', () => statistic(grads, { kind: 'sumSquares' }).badCount);
  }

  /** Report the scale, and let it follow. To be called when all that may end the run before its update is in the graph. */
  adapt(graph: Graph, overflow: Tensor | null): void {
    inSection(graph, 'apply', () => {
      const scale = this.seed(graph);
      graph.output('lossScale', mul(scale, 1));
      const [scaleState, goodState] = this.states;
      if (!scaleState || !goodState || !overflow) return;
      const { growth, backoff, interval } = this.#rule;
      const bad = less(0, overflow);
      const good = add(graph.state(goodState), 1);
      const grows = lessEqual(interval, good);
      const lower = maximum(mul(scale, backoff), 1);
      const higher = minimum(mul(scale, growth), MOST);
      // Always: the step itself is skipped where the scale backs off.
      graph.assign(scaleState, where(bad, lower, where(grows, higher, scale)), { always: true });
      graph.assign(goodState, where(maximum(bad, grows), 0, good), { always: true });
    });
  }

  /** What takes the scale back, an f64 scalar: exact, since it is a power of two. */
  inverse(graph: Graph): Tensor {
    return inSection(graph, 'apply', () => div(1, this.seed(graph)));
  }
}
