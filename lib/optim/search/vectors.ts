// vectors.ts: the work of a search on vectors, and what an evaluation tells, as nodes of graphs.
import { type Graph, inSection, type State, type Tensor } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';
import { add, cast, mul, neg, sub } from '../../ops/elementwise/elementwise.ts';
import { maxAbs, statistic } from '../../ops/gradient/statistics.ts';
import { sum } from '../../ops/reduce/reduce.ts';
import { concat } from '../../ops/shape/concat.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { slice } from '../../ops/shape/slice.ts';
import type { Task } from './space.ts';
import { gradientOf, type SearchStates } from './states.ts';

/** Columns of the report of an evaluation, beside what a step reports. */
export const EVALUATED = { slope: 'search.slope', largest: 'search.largest' } as const;

/** A name for what is compiled for such tasks. */
export function taskName(task: Task): string {
  return Object.values(task).join(' ');
}

/** Of an evaluation: the gradient is kept, and what is reported of it. In section `apply`. */
export function buildEvaluated(graph: Graph, states: SearchStates, grads: readonly Tensor[]): void {
  const g = flat(grads);
  graph.assign(gradientOf(states, 'g'), g);
  graph.output(EVALUATED.slope, dot(g, graph.state(states.d)));
  graph.output(EVALUATED.largest, maxAbs(g));
}

/** The graph of a task: numbers are columns of its step, what it gives are those of its report. */
export function buildTask(graph: Graph, task: Task, states: SearchStates, params: readonly State[]): void {
  inSection(graph, 'apply', () => build(graph, task, states, params));
}

function build(graph: Graph, task: Task, states: SearchStates, params: readonly State[]): void {
  const number = (name: string): Tensor => graph.input(name, { dtype: 'f64', shape: [] }, 'step');
  const at = (state: State): Tensor => graph.state(state);
  const g = at(gradientOf(states, 'g'));
  const prev = gradientOf(states, 'prev');
  const d = at(states.d);
  switch (task.kind) {
    case 'pair': {
      const [s, y] = [times(d, number('t')), sub(g, at(prev))];
      graph.output('ys', dot(y, s));
      graph.output('yy', dot(y, y));
      graph.assign(states.pairs[0]!.s, s);
      graph.assign(states.pairs[0]!.y, y);
      graph.assign(states.d, neg(g));
      return;
    }
    case 'downhill':
      graph.assign(states.d, neg(g));
      return;
    case 'down': {
      let q = d;
      for (const [i, { s, y }] of states.pairs.slice(0, task.pairs).entries()) {
        const alpha = mul(dot(at(s), q), number(`rho.${i}`));
        graph.output(`alpha.${i}`, alpha);
        q = sub(q, times(at(y), alpha));
      }
      graph.assign(states.d, q);
      return;
    }
    case 'up': {
      let r = times(d, number('scale'));
      for (const [i, { s, y }] of states.pairs.slice(0, task.pairs).entries()) {
        const beta = mul(dot(at(y), r), number(`rho.${i}`));
        r = add(r, times(at(s), sub(number(`alpha.${i}`), beta)));
      }
      graph.assign(states.d, r);
      return;
    }
    case 'begin':
      graph.assign(prev, mul(g, 1));
      graph.assign(states.start, flat(params.map(at)));
      graph.output('slope', dot(g, d));
      graph.output('largest', maxAbs(d));
      graph.output('sum', statistic([g], { kind: 'sumAbs' }).total);
      return;
    case 'move':
      spread(graph, params, add(at(states.start), times(d, number('t'))));
      return;
    case 'back':
      spread(graph, params, at(states.start));
      return;
    case 'copy':
      graph.assign(gradientOf(states, task.to), mul(at(gradientOf(states, task.from)), 1));
      return;
  }
}

/** In f64: of products that are rounded to f32, as those of PyTorch are. */
function dot(a: Tensor, b: Tensor): Tensor {
  return sum(mul(a, b), { dtype: 'f64' });
}

/** A vector times an f64 scalar. */
function times(x: Tensor, by: Tensor): Tensor {
  return mul(x, cast(by, 'f32'));
}

function flat(xs: readonly Tensor[]): Tensor {
  return concat(xs.map((x) => reshape(x, [sizeOf(x.shape)])));
}

/** The parameters become parts of a vector. */
function spread(graph: Graph, params: readonly State[], x: Tensor): void {
  let start = 0;
  for (const state of params) {
    const size = sizeOf(state.type.shape);
    graph.assign(state, reshape(slice(x, { start, end: start + size }), state.type.shape));
    start += size;
  }
}
