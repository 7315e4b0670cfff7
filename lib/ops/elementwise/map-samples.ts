// map-samples.ts: how samples of a batch lie in what is computed element by element; of sums over samples, what is linear in them.
import type { Node, Tensor } from '../../ir/graph.ts';
import { byElement, type Lies, mixes, type SampleRules, type Samples } from '../../ir/samples.ts';
import { reshape } from '../shape/shape.ts';

/** Whether it is linear in its operands that are sums, as others are. */
function isLinear(map: string, ins: readonly Lies[]): boolean {
  const sums = ins.map((lies) => lies === 'sum');
  const others = ins.filter((lies) => lies !== 'sum');
  if (map === 'add' || map === 'sub' || map === 'neg' || map === 'cast') return sums.every(Boolean);
  if (others.some((lies) => lies !== null)) return false;
  if (map === 'mul') return others.length === 1;
  return map === 'div' && sums[0] === true && others.length === 1;
}

/** A summand [samples, ...] of a sum of fewer dimensions than it is broadcast to. */
function widened(x: Tensor, rank: number): Tensor {
  const [count, ...shape] = x.shape as [number, ...number[]];
  return reshape(x, [count, ...Array.from({ length: rank - shape.length }, () => 1), ...shape]);
}

/** Of the operation of this name. */
export function mapSamples<A>(map: string): SampleRules<A> {
  return {
    lies(node, ins) {
      if (!ins.includes('sum')) return byElement(node as Node, ins);
      if (!isLinear(map, ins)) throw mixes(node as Node);
      return ['sum'];
    },
    summands({ graph, op, ins, outs, attrs }, _, of) {
      const rank = outs[0]!.shape.length;
      const given = ins.map((t) => (of.lies(t) === 'sum' ? widened(of.summands(t), rank) : t));
      return graph.add(op, given, attrs).outs[0]!;
    },
    sampleNorm: ({ ins: [x] }, _, of: Samples) => (map === 'neg' ? of.squares(x!) : null),
  };
}
