// module.test.ts: how parameters are found, named, filled and bound; initializers against their definitions.
import { describe, expect, test } from 'vitest';
import { GraphError, OptionError, ShapeError } from '../../lib/errors.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { Linear } from '../../lib/nn/layers/linear.ts';
import { Sequential } from '../../lib/nn/layers/sequential.ts';
import { drawsFor } from '../../lib/nn/module/draws.ts';
import * as init from '../../lib/nn/module/init.ts';
import { bindParameters, Module, matchParameters, Parameter } from '../../lib/nn/module/module.ts';
import { relu } from '../../lib/ops/index.ts';

class Leaf extends Module {
  weight: Parameter = new Parameter([2, 3], init.normal());
  bias: Parameter | null = new Parameter([2]);
  scale = 2;
  forward(): Tensor {
    return this.weight.toTensor();
  }
}
class Tree extends Module {
  first: Leaf = new Leaf();
  layers: Leaf[] = [new Leaf(), new Leaf()];
  heads: Record<string, Leaf | Parameter[]> = { a: new Leaf(), b: [new Parameter([1])] };
  own: Parameter = new Parameter([4]);
  #hidden: Parameter = new Parameter([1]);
  nothing = null;
  data = new Float32Array(3);
  parent: Module | null = null;
  forward(): Tensor {
    return this.#hidden.toTensor();
  }
}
const names = (m: Module, removeDuplicate = true): string[] =>
  Array.from(m.namedParameters({ removeDuplicate }), ([name]) => name);

describe('names', () => {
  test('fields in order, lists, objects, as PyTorch spells them', () => {
    expect(names(new Tree())).toEqual([
      ...['first.weight', 'first.bias'],
      ...['layers.0.weight', 'layers.0.bias', 'layers.1.weight', 'layers.1.bias'],
      ...['heads.a.weight', 'heads.a.bias', 'heads.b.0', 'own'],
    ]);
  });

  test('a tied parameter is one, under its first name; all names on request', () => {
    const tree = new Tree();
    tree.layers[1]!.weight = tree.first.weight;
    tree.layers[0] = tree.first;
    expect(names(tree)).toEqual([
      ...['first.weight', 'first.bias', 'layers.1.bias'],
      ...['heads.a.weight', 'heads.a.bias', 'heads.b.0', 'own'],
    ]);
    const all = new Map(tree.namedParameters({ removeDuplicate: false }));
    expect(all.get('layers.0.weight')).toBe(tree.first.weight);
    expect(all.get('layers.1.weight')).toBe(tree.first.weight);
  });

  test('a child may refer to its parent', () => {
    const tree = new Tree();
    const before = names(tree);
    tree.parent = tree;
    expect(names(tree)).toEqual(before);
    expect(names(tree, false)).toEqual(before);
  });

  test('by pattern', () => {
    const tree = new Tree();
    const matched = (pattern: string | RegExp): number => matchParameters('test', tree, pattern).length;
    expect([matched('*'), matched('first.*'), matched('*.bias'), matched('layers.*.weight'), matched('own')]).toEqual([
      10, 2, 4, 2, 1,
    ]);
    expect([matched(/^layers\.\d/), matched(/bias$/g), matched(/bias$/y)]).toEqual([4, 4, 4]);
    expect(() => matched('ow.')).toThrow(OptionError); // the dot is a dot
    expect(() => matched('frist.weight')).toThrow('test: no parameter matches frist.weight; did you mean first.weight?');
    expect(() => matched(3 as unknown as string)).toThrow(
      'nn.matchParameters: argument pattern: expected a pattern as string or RegExp',
    );
    tree.layers[0]!.weight = tree.own;
    expect(matchParameters('test', tree, 'own')).toEqual([tree.own]);
    expect(() => matchParameters('test', tree, (name) => name.match(/own/) as never)).toThrow(
      /^test: option match of \S+: expected true or false, got (null|an array of 1)$/,
    );
  });

  test('requiresGrad by pattern', () => {
    const tree = new Tree();
    expect(tree.setRequiresGrad('*', false)).toBe(10);
    expect(tree.setRequiresGrad('heads.*', true)).toBe(3);
    const trained = [...tree.namedParameters()].filter(([, p]) => p.requiresGrad);
    expect(trained.map(([name]) => name)).toEqual(['heads.a.weight', 'heads.a.bias', 'heads.b.0']);
    expect(() => tree.setRequiresGrad('tail.*', true)).toThrow(OptionError);
    expect(() => tree.setRequiresGrad('*', 1 as unknown as boolean)).toThrow(OptionError);
  });
});

describe('at', () => {
  const layers = [new Linear(2, 3), relu, new Linear(3, 1)] as const;
  test.each([new Sequential(...layers), new Sequential({ a: layers[0], b: layers[1], c: layers[2] })])(
    'counts layers from both ends',
    (model) => {
      for (const [i, layer] of layers.entries()) {
        expect(model.at(i)).toBe(layer);
        expect(model.at(i - 3)).toBe(layer);
      }
    },
  );
  test('refuses a place where there is none', () => {
    const at = (index: unknown) => () => new Sequential(...layers).at(index as number);
    for (const index of [3, -4]) expect(at(index)).toThrow(`expected a place among 3 layers, got ${index}`);
    for (const index of [0.5, '0', undefined, Number.NaN]) expect(at(index)).toThrow(OptionError);
  });
});

describe('getParameter', () => {
  test('finds each by any of its names', () => {
    const tree = new Tree();
    for (const [name, p] of tree.namedParameters({ removeDuplicate: false })) expect(tree.getParameter(name)).toBe(p);
  });
  test('names the nearest of those that there are', () => {
    expect(() => new Tree().getParameter('layer.1.weight')).toThrow(
      /no parameter "layer\.1\.weight"; did you mean layers\.\d\.weight\?/,
    );
    expect(() => new Leaf().getParameter('something else')).toThrow(/no parameter "something else"; there are weight/);
    expect(() => new Leaf().getParameter(undefined as unknown as string)).toThrow(OptionError);
  });
});

describe('values', () => {
  test('depend on seed and name alone', () => {
    const values = (m: Module, name: string): number[] => [...new Map(m.namedParameters()).get(name)!.data];
    const a = values(new Tree().initialize(7), 'layers.1.weight');
    expect(values(new Tree().initialize(7n), 'layers.1.weight')).toEqual(a);
    expect(values(new Tree().initialize(8), 'layers.1.weight')).not.toEqual(a);
    expect(values(new Tree().initialize(7n + (1n << 32n)), 'layers.1.weight')).not.toEqual(a);
    expect(values(new Tree().initialize(7), 'layers.0.weight')).not.toEqual(a);
    const other = new Tree();
    other.first = new (class extends Leaf {
      more: Parameter = new Parameter([100], init.uniform());
    })();
    expect(values(other.initialize(7), 'layers.1.weight')).toEqual(a);
    expect(() => other.initialize(0.5)).toThrow(OptionError);
  });

  test('that are set are kept', () => {
    const leaf = new Leaf();
    const values = Float32Array.from([1, 2, 3, 4, 5, 6]);
    leaf.weight.data = values;
    values[0] = 9;
    expect([...leaf.initialize(3).weight.data]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...new Parameter([2], Float32Array.of(1, 2)).data]).toEqual([1, 2]);
    leaf.weight.init = init.ones();
    expect(leaf.weight.initialized).toBe(false);
    expect([...leaf.initialize(3).weight.data]).toEqual([1, 1, 1, 1, 1, 1]);
    const out = new Float32Array(6);
    leaf.weight.state.init!(out);
    expect([...out]).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test('that are missing or wrong are errors', () => {
    const leaf = new Leaf();
    expect(() => leaf.weight.data).toThrow(GraphError);
    expect(() => leaf.weight.state.init!(new Float32Array(6))).toThrow(/call initialize\(seed\)/);
    expect(() => {
      leaf.weight.data = [1, 2];
    }).toThrow('parameter: expected 6 values for [2,3], got 2');
    expect(() => new Parameter([2], Float32Array.of(1))).toThrow(ShapeError);
    expect(() => new Parameter([-1])).toThrow(OptionError);
    expect(() => new Parameter(3 as unknown as [number])).toThrow(OptionError);
    expect(() => new Parameter([2], 'zeros' as unknown as init.Initializer)).toThrow(OptionError);
    expect(() => new Parameter([2], init.zeros(), { requireGrad: false } as object)).toThrow(/did you mean requiresGrad/);
  });
});

describe('trace', () => {
  test('a parameter is a state of the graph being traced, and of none outside', () => {
    const tree = new Tree();
    const graph = new Graph();
    expect(() => tree.first.forward()).toThrow(GraphError);
    const unbind = bindParameters(graph, tree);
    const tensor = tree.first.forward();
    expect(tensor).toBe(graph.state(tree.first.weight.state));
    expect(tensor.type).toEqual({ dtype: 'f32', shape: [2, 3] });
    expect(tree.first.weight.state.name).toBe('first.weight');
    expect(() => tree.forward()).toThrow(/keep it in a public field/);
    // Tracing a part within a trace of the whole, in another graph, and back.
    const inner = bindParameters(new Graph(), tree.first);
    expect(tree.first.forward()).not.toBe(tensor);
    inner();
    expect(tree.first.forward()).toBe(tensor);
    unbind();
    expect(() => tree.first.forward()).toThrow(/first.weight|weight: not part of a model being traced/);
    expect(graph.states.length).toBe(1);
  });
});

describe('draws', () => {
  test('uniform and normal have their moments', () => {
    const n = 40000;
    const draws = drawsFor(1n, 'w');
    const moments = (xs: number[]): number[] => [1, 2, 3, 4].map((k) => xs.reduce((s, x) => s + x ** k, 0) / xs.length);
    const close = (got: number[], want: number[], spread: number[]): void =>
      got.forEach((g, i) => {
        expect(Math.abs(g - want[i]!)).toBeLessThan((5 * spread[i]!) / Math.sqrt(n));
      });
    const u = Array.from({ length: n }, (_, i) => draws.uniform(i));
    close(moments(u), [1 / 2, 1 / 3, 1 / 4, 1 / 5], [0.29, 0.3, 0.29, 0.27]);
    expect(Math.min(...u)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...u)).toBeLessThan(1);
    const z = Array.from({ length: n }, (_, i) => draws.normal(i));
    close(moments(z), [0, 1, 0, 3], [1, 1.42, 3.9, 9.8]);
    const lag = z.slice(1).reduce((s, x, i) => s + x * z[i]!, 0) / n;
    expect(Math.abs(lag)).toBeLessThan(5 / Math.sqrt(n));
    expect(z[123]).toBe(drawsFor(1n, 'w').normal(123));
  });

  test('many at once are those one by one', () => {
    for (const n of [0, 1, 3, 4, 5, 1001]) {
      const draws = drawsFor(7n, 'many');
      draws.uniform(2);
      const out = new Float32Array(n);
      draws.fillUniform(out, -0.3, 0.7);
      expect(out).toEqual(Float32Array.from({ length: n }, (_, i) => -0.3 + (0.7 - -0.3) * draws.uniform(i)));
    }
  });
});

describe('initializers', () => {
  const fill = (f: init.Initializer, ...shape: number[]): Float32Array => {
    const p = new Parameter(shape, f);
    p.initialize('w', 5n);
    return p.data;
  };
  const std = (xs: Float32Array): number => Math.sqrt(xs.reduce((s, x) => s + x * x, 0) / xs.length);
  const most = (xs: Float32Array): number => xs.reduce((m, x) => Math.max(m, Math.abs(x)), 0);

  // fanIn 200, fanOut 100, and with a window of 6: 300 and 600.
  test.each<[string, init.Initializer, number[], number]>([
    ['uniform', init.uniform(-2, 2), [100, 200], 2],
    ['kaimingUniform', init.kaimingUniform(), [100, 200], Math.sqrt(6 / 200)],
    ['kaimingUniform a', init.kaimingUniform({ a: Math.sqrt(5) }), [100, 200], 1 / Math.sqrt(200)],
    ['kaimingUniform fanOut', init.kaimingUniform({ mode: 'fanOut', nonlinearity: 'relu' }), [100, 50, 2, 3], Math.sqrt(6 / 600)],
    ['kaimingUniform tanh', init.kaimingUniform({ nonlinearity: 'tanh' }), [100, 50, 2, 3], (5 / 3) * Math.sqrt(3 / 300)],
    ['xavierUniform', init.xavierUniform(), [100, 200], Math.sqrt(6 / 300)],
    ['xavierUniform gain', init.xavierUniform({ gain: 2 }), [100, 50, 2, 3], 2 * Math.sqrt(6 / 900)],
  ])('%s is uniform within its bound', (_, f, shape, bound) => {
    const w = fill(f, ...shape);
    expect(most(w)).toBeLessThanOrEqual(Math.fround(bound));
    expect(most(w)).toBeGreaterThan(0.999 * bound);
    expect(std(w) / (bound / Math.sqrt(3))).toBeCloseTo(1, 1.5);
  });

  test.each<[string, init.Initializer, number[], number]>([
    ['normal', init.normal(0, 0.02), [100, 200], 0.02],
    ['kaimingNormal', init.kaimingNormal(), [100, 200], Math.sqrt(2 / 200)],
    ['kaimingNormal linear', init.kaimingNormal({ nonlinearity: 'linear', mode: 'fanOut' }), [100, 200], Math.sqrt(1 / 100)],
    ['xavierNormal', init.xavierNormal({ gain: 3 }), [100, 200], 3 * Math.sqrt(2 / 300)],
  ])('%s has its standard deviation', (_, f, shape, want) => {
    const w = fill(f, ...shape);
    expect(std(w) / want).toBeCloseTo(1, 1.5);
    expect(most(w) / want).toBeGreaterThan(3.3); // uniform would end at 1.73
  });

  test.each([
    [5, 8],
    [8, 5],
    [6, 2, 3],
    [1, 4],
    [3, 1],
    [64, 64],
  ])('orthogonal [%i, %i]', (...shape) => {
    const w = fill(init.orthogonal({ gain: 2 }), ...shape);
    const rows = shape[0]!;
    const columns = w.length / rows;
    const at = (r: number, c: number): number => (rows <= columns ? w[r * columns + c]! : w[c * columns + r]!);
    for (let i = 0; i < Math.min(rows, columns); i++) {
      for (let j = 0; j <= i; j++) {
        let dot = 0;
        for (let k = 0; k < Math.max(rows, columns); k++) dot += at(i, k) * at(j, k);
        expect(dot).toBeCloseTo(i === j ? 4 : 0, 5);
      }
    }
  });

  test('constants, empty tensors, and gains as PyTorch has them', () => {
    expect([...fill(init.zeros(), 2)]).toEqual([0, 0]);
    expect([...fill(init.ones(), 2)]).toEqual([1, 1]);
    expect([...fill(init.constant(0.5), 2)]).toEqual([0.5, 0.5]);
    for (const f of [init.xavierUniform(), init.xavierNormal(), init.kaimingNormal(), init.orthogonal()]) {
      expect(fill(f, 0, 0).length).toBe(0);
    }
    expect(init.gainOf('leakyRelu')).toBeCloseTo(1.4141428569978354, 15);
    expect((['linear', 'sigmoid', 'tanh', 'relu', 'selu'] as const).map((n) => init.gainOf(n))).toEqual([
      1,
      1,
      5 / 3,
      Math.SQRT2,
      3 / 4,
    ]);
  });

  test('wrong use', () => {
    for (const f of [init.xavierUniform(), init.xavierNormal(), init.kaimingUniform(), init.kaimingNormal(), init.orthogonal()]) {
      expect(() => fill(f, 3)).toThrow(/expected at least 2 dimensions, got \[3\]/);
    }
    expect(() => init.uniform(1, 0)).toThrow(OptionError);
    expect(() => init.normal(0, -1)).toThrow(OptionError);
    expect(() => init.constant(Number.NaN)).toThrow(OptionError);
    expect(() => init.kaimingUniform({ mode: 'fan_in' } as object)).toThrow(/did you mean fanIn/);
    expect(() => init.kaimingNormal({ gain: 1 } as object)).toThrow(/unknown option gain/);
    expect(() => init.xavierUniform({ gain: Number.POSITIVE_INFINITY })).toThrow(OptionError);
    expect(() => init.gainOf('rely' as 'relu')).toThrow(/did you mean relu/);
  });
});
