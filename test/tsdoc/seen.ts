// seen.ts: what functions of tensors throw where shapes and dtypes do not fit: each is called with others in place of one that it takes.
import { GradclipError, Graph, type Tensor } from '../../lib/index.ts';
import type { DType, TensorType } from '../../lib/ir/op.ts';
import { bindParameters, Module } from '../../lib/nn/module/module.ts';
import { signatures } from '../../lib/options/index.ts';
import { PUBLIC, type Public } from '../faces/public.ts';
import { argumentsOf, instanceOf } from '../faces/samples.ts';

const SHAPES: readonly (readonly number[])[] = [[], [3], [4, 5], [5, 6], [0, 6], [2, 3, 4], [2, 3, 4, 5], [2, 3, 4, 5, 6]];
const DTYPES: readonly DType[] = ['f64', 'i32', 'u8'];

const CALLED = /^(?:ops|loss|metrics)\.[a-z]\w*$|^(?:nn|models)\.\w+\.(?:forward|step|encode)$/;

/** Names of the errors by the path of what threw them: shapes and dtypes alone, since the rest is what signatures refuse. */
export function seenErrors(): ReadonlyMap<string, readonly string[]> {
  const called = PUBLIC.filter(({ path }) => CALLED.test(path) && signatures.has(path));
  return new Map(called.map((one) => [one.path, [...errorsOf(one)].sort()]));
}

function* errorsOf({ path, kind, value }: Public): Generator<string> {
  const base = argumentsOf(path);
  const self = kind === 'method' ? instanceOf(path) : undefined;
  const names = new Set<string>();
  for (const [i, given] of base.entries()) {
    for (const type of othersThan(given)) {
      const graph = new Graph('train');
      const args = base.map((arg, j) => placed(graph, arg, i === j ? type : null));
      const end = self instanceof Module ? bindParameters(graph, self) : () => {};
      try {
        value.apply(self, args as never[]);
      } catch (error) {
        if (!(error instanceof GradclipError)) throw error;
        names.add(error.name);
      } finally {
        end();
      }
    }
  }
  for (const name of names) if (name === 'ShapeError' || name === 'DTypeError') yield name;
}

const isTensor = (value: unknown): value is Tensor =>
  typeof value === 'object' && value !== null && 'node' in value && 'graph' in value;

function othersThan(given: unknown): TensorType[] {
  const like = isTensor(given) ? given : Array.isArray(given) && isTensor(given[0]) ? given[0] : null;
  if (!like) return [];
  const { dtype, shape } = like;
  return [...SHAPES.map((other) => ({ dtype, shape: other })), ...DTYPES.map((other) => ({ dtype: other, shape }))];
}

/** A tensor in `graph` in place of one, of another type if there is one. */
function placed(graph: Graph, arg: unknown, type: TensorType | null): unknown {
  const input = ({ dtype, shape }: TensorType): Tensor => graph.input(`x${graph.nodes.length}`, { dtype, shape }, 'feed');
  if (isTensor(arg)) return input(type ?? arg);
  if (Array.isArray(arg) && arg.length > 0 && arg.every(isTensor))
    return [...arg.map((one) => input(one)), ...(type ? [input(type)] : [])];
  return arg;
}
