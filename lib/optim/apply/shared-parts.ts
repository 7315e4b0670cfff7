// shared-parts.ts: updates of which each process of a group does a part of every parameter, and keeps that part of the slots.
import { OptionError } from '../../errors.ts';
import type { Graph, State, Tensor } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';
import type { Stage, StageKind } from '../../ops/gradient/stage.ts';
import { allGather } from '../../ops/step/all-gather.ts';
import { ownPart, type Ranked } from '../../ops/step/parts.ts';
import type { Finish } from '../../ops/update/finish.ts';
import type { Measuring, StageSums } from '../../ops/update/update.ts';
import type { Optimizer } from '../optimizer.ts';
import { clippedGradients, isFused } from './build.ts';

/** Parameters of fewer elements are updated by all: to share them out saves nothing, and takes a message each. */
const LEAST = 4096;

/** Parameters that are updated alike. */
interface Group {
  readonly optimizer: Optimizer;
  readonly params: readonly { readonly name: string; readonly state: State }[];
}

/** Whether processes that share updates out do so with this parameter. */
export const isShared = ({ type }: State): boolean => sizeOf(type.shape) >= LEAST;

/** What depends on where in its tensor an element is. */
const PLACED: readonly StageKind[] = ['scaleRows', 'scaleColumns', 'shiftRows', 'round'];

const why = (text: string, details: Record<string, unknown>): OptionError =>
  new OptionError(`Trainer: option shardOptimizer: ${text}`, { option: 'shardOptimizer', ...details });

/** @throws OptionError for an optimizer whose update of an element looks at others, or is its user's own */
export function checkShared({ optimizer, params }: Group): void {
  const { name, rowwise, average } = optimizer;
  if (!isFused(optimizer)) throw why(`it is not for ${name}, an optimizer of one's own`, { optimizer: name });
  if (!rowwise || average !== undefined) {
    const what = average !== undefined ? 'keeps an average that evaluation needs whole' : 'looks at whole tensors';
    throw why(`it is not for ${name}, which ${what}; take one that updates each element alone, such as adamw`, {
      optimizer: name,
    });
  }
  const table = params.find((p) => p.state.byRows);
  if (table) throw why(`${table.name} is updated by rows: make it without sparse: true`, { name: table.name });
}

/** What an update reads. */
interface Read {
  readonly grads: readonly Tensor[];
  readonly stages: readonly Stage[];
  readonly measure: Measuring;
}

/** The part of a parameter, for an update to work on. */
interface Part {
  readonly param: Tensor;
  readonly grad: Tensor;
  /** States are these parts already. */
  readonly slots?: undefined;
  /** The slots as they become; the parameter comes with what others have computed. */
  put(param: Tensor, slots: readonly Tensor[]): readonly (Tensor | null)[];
}

export class SharedParts {
  readonly #graph: Graph;
  readonly #ranked: Ranked | null;
  readonly #computed: { readonly state: State; readonly part: Tensor }[] = [];

  /** @param ranked whose part is done here; null: all is */
  constructor(graph: Graph, ranked: Ranked | null) {
    this.#graph = graph;
    this.#ranked = ranked;
  }

  /**
   * Gradients as parts of them can be read: what depends on an element's place, and what is counted over all elements, is done before they are cut.
   * @throws OptionError for what is pruned
   */
  read(group: Group, given: Read & { readonly finish: Finish | null }): Read & { readonly measured: readonly StageSums[] } {
    const { grads, stages, measure, finish } = given;
    if (!this.#ranked) return { grads, stages, measure, measured: [] };
    if (finish?.masks.some((m) => m !== null)) throw why('it does not go with pruning', { option: 'prune' });
    if (!measure && !stages.some(({ kind }) => PLACED.includes(kind))) return { grads, stages, measure, measured: [] };
    const params = group.params.map((p) => this.#graph.state(p.state));
    return { ...clippedGradients({ graph: this.#graph, params, grads, stages, measure }), stages: [], measure: false };
  }

  /** Null where all processes do it alike. */
  taken(state: State, grad: Tensor): Part | null {
    const ranked = this.#ranked;
    if (!ranked || !isShared(state)) return null;
    return {
      param: ownPart(this.#graph.state(state), ranked),
      grad: ownPart(grad, ranked),
      put: (part, next) => {
        this.#computed.push({ state, part });
        return [null, ...next];
      },
    };
  }

  /** What all processes have computed together. */
  gathered(): readonly (readonly [State, Tensor])[] {
    if (this.#computed.length === 0) return [];
    const wholes = this.#computed.map(({ state }) => this.#graph.state(state));
    const all = allGather(
      wholes,
      this.#computed.map(({ part }) => part),
      this.#ranked!,
    );
    return this.#computed.map(({ state }, k) => [state, all[k]!]);
  }
}
