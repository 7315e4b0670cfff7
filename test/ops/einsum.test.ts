// einsum.test.ts: sums of products by letters against plain loops, drawn at random; what is refused; and norms and deviations of 0.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { f32 } from '../../lib/ir/op.ts';
import * as ops from '../../lib/ops/index.ts';
import { interpret } from '../interpret.ts';
import { runGraph } from '../run-graph.ts';

/** By all values of all letters. */
function loops(
  sides: readonly string[],
  result: string,
  sizes: ReadonlyMap<string, number>,
  data: readonly Float64Array[],
): Float64Array {
  const letters = [...new Set(sides.join(''))];
  const at = (names: string, value: ReadonlyMap<string, number>): number =>
    [...names].reduce((place, name) => place * sizes.get(name)! + value.get(name)!, 0);
  const out = new Float64Array([...result].reduce((n, name) => n * sizes.get(name)!, 1));
  const walk = (k: number, value: Map<string, number>): void => {
    if (k === letters.length) {
      out[at(result, value)]! += sides.reduce((product, side, i) => product * data[i]![at(side, value)]!, 1);
      return;
    }
    for (let v = 0; v < sizes.get(letters[k]!)!; v++) walk(k + 1, value.set(letters[k]!, v));
  };
  walk(0, new Map());
  return out;
}

it('as plain loops', () => {
  const side = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 4 }).map((names) => names.join(''));
  const cases = fc.record({
    sides: fc.array(side, { minLength: 1, maxLength: 3 }),
    dims: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 5, maxLength: 5 }),
    order: fc.array(fc.nat(1000), { minLength: 5, maxLength: 5 }),
    kept: fc.nat(31),
    explicit: fc.boolean(),
  });
  fc.assert(
    fc.property(cases, ({ sides, dims, order, kept, explicit }) => {
      const sizes = new Map([...'abcde'].map((name, i) => [name, dims[i]!]));
      const all = [...sides.join('')];
      const letters = [...new Set(all)];
      const implicit = letters.filter((name) => all.filter((n) => n === name).length === 1).sort();
      const chosen = letters.filter((name) => (kept >> 'abcde'.indexOf(name)) & 1);
      const result = explicit ? chosen.sort((x, y) => order['abcde'.indexOf(x)]! - order['abcde'.indexOf(y)]!) : implicit;
      const graph = new Graph();
      const shapes = sides.map((names) => [...names].map((name) => sizes.get(name)!));
      const ins = shapes.map((shape, i) => graph.input(`x${i}`, f32(...shape), 'feed'));
      const equation = sides.join(',') + (explicit ? `->${result.join('')}` : '');
      fc.pre(equation !== '');
      const y = ops.einsum(equation, ins);
      const data = shapes.map((shape, i) => Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, e) => Math.fround(Math.cos(3 * e + i)))); // biome-ignore format: one line
      const inputs = Object.fromEntries(data.map((d, i) => [`x${i}`, d]));
      const want = loops(sides, result.join(''), sizes, data);
      expect(y.shape).toEqual(result.map((name) => sizes.get(name)!));
      const exact = interpret(graph, { inputs, f64: true }).get(y) ?? data[0]!;
      for (const [i, w] of want.entries()) expect(Math.abs(exact[i]! - w), `${equation} at ${i}`).toBeLessThan(1e-9);
    }),
    { numRuns: 200, seed: 3 },
  );
});

it('a matrix product is one', () => {
  const graph = new Graph();
  const [q, k] = [graph.input('q', f32(2, 3, 5, 8), 'feed'), graph.input('k', f32(2, 3, 7, 8), 'feed')];
  ops.einsum('bhid,bhjd->bhij', [q, k]);
  expect(graph.nodes.filter((n) => n.op.name === 'matmul').length).toBe(1);
});

describe('refused', () => {
  const graph = new Graph();
  const [a, b] = [graph.input('a', f32(2, 3), 'feed'), graph.input('b', f32(3, 4), 'feed')];
  it.each<[string, string, Tensor[], string]>([
    ['a size that differs', 'ij,ij->ij', [a, b], 'expected one size of "i", got 2 and 3'],
    ['too few operands', 'ij,jk->ik', [a], 'expected 1 operands before the arrow'],
    ['a letter that is nowhere', 'ij->ik', [a], '"k" is not'],
    ['a letter twice behind the arrow', 'ij->ii', [a], '"i" is not'],
    ['two arrows', 'ij->i->j', [a], 'expected one arrow'],
    ['a sign', 'i+j', [a], 'expected letters and at most one ellipsis'],
    ['two ellipses', '......->', [a], 'expected letters and at most one ellipsis'],
    ['dimensions that are not there', 'ijk->i', [a], 'expected operand 0 of 3 dimensions, "ijk", got [2,3]'],
    ['a diagonal of other sizes', 'ii->i', [a], 'expected one size of "i", got 2 and 3'],
  ])('%s', (_, equation, operands, message) => {
    expect(() => ops.einsum(equation, operands)).toThrow(message);
  });
});

describe('norms and deviations', () => {
  const run = (build: (x: Tensor) => Tensor, data: readonly number[]): { y: number[]; d: number[]; dd: number[] } => {
    const graph = new Graph('train');
    const x = graph.input('x', f32(data.length), 'feed');
    const y = build(x);
    const [d] = grad(ops.sum(y), [x]);
    const [dd] = grad(ops.sum(ops.square(d!)), [x]);
    for (const [name, t] of Object.entries({ y, d: d!, dd: dd! })) graph.output(name, t);
    const got = runGraph(graph, { inputs: { x: Float32Array.from(data) } });
    return { y: [...got.get('y')!], d: [...got.get('d')!], dd: [...got.get('dd')!] };
  };
  it.each<[string, (x: Tensor) => Tensor]>([
    ['norm', (x) => ops.norm(x)],
    ['norm of three', (x) => ops.norm(x, { p: 3 })],
    ['norm of one', (x) => ops.norm(x, { p: 1 })],
    ['std', (x) => ops.std(x)],
  ])('%s of zeros: 0, with gradient 0 and no NaN in the second', (_, build) => {
    expect(run(build, [0, 0, 0])).toEqual({ y: [0], d: [0, 0, 0], dd: [0, 0, 0] });
  });
  it('large elements have one', () => expect(run((x) => ops.norm(x), [3e30, 4e30]).y).toEqual([Math.fround(5e30)]));
  it('a mean far away loses nothing', () => {
    expect(run((x) => ops.variance(x), [4096.25, 4096.5, 4096.75]).y).toEqual([0.0625]);
  });
  it('of too few elements: NaN', () => expect(run((x) => ops.std(x), [2]).y).toEqual([Number.NaN]));
});
