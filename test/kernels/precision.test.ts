// precision.test.ts: values that are huge, tiny or far from 0: ops against their `ref` in f64 at 1e-30, 1 and 1e30; rows and channels far from
// 0 are normalized as precisely as those around it; what saturates gives no denormals, forward or backward.
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { type Data, type OpDef, type RefArray, type Sample, sizeOf } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import * as ops from '../../lib/ops/index.ts';
import { ALL_OPS } from '../../lib/optim/list.ts';
import { between } from '../kit.ts';
import { fillSample, runGraph } from '../run-graph.ts';
import { runNode } from '../run-node.ts';

// biome-ignore lint/suspicious/noExplicitAny: the attributes' type differs from op to op
type AnyOp = OpDef<any>;
const LEAST = 2 ** -126;
const LARGEST = 3.4028234663852886e38;

/** Ops whose own sums or products leave f32 at 1e30, where the result would not; or that count as 0 what is small. */
const BEYOND: Readonly<Record<string, string>> = {
  matmul: 'sums of products of 1e30 are infinite before an activation cuts them off',
  conv2d: 'as matmul',
  conv2dGradInput: 'as matmul',
  conv2dGradWeight: 'as matmul: infinities of both signs meet',
  conv3d: 'as matmul',
  conv3dGradInput: 'as matmul',
  conv3dGradWeight: 'as matmul: infinities of both signs meet',
  attention: 'as matmul: scores of 1e60',
  cachedAttention: 'as attention',
  linearCrossEntropy: 'as matmul: logits of 1e60',
  attentionGrad: 'as matmul',
  rotary: 'products with a sine and a cosine of 1e30, which are at most 1',
  batchNormGrad: 'its statistics are of an x of 1e30 and not 1e30 themselves',
  layerNormGrad: 'as batchNormGrad',
  rmsNormGrad: 'as batchNormGrad',
  rnnGrad: 'gates lie between -1 and 1; gradients below 2^-100 count as 0',
  lstmGrad: 'as rnnGrad',
  gruGrad: 'as rnnGrad',
};

describe('ops at 1e-30, 1 and 1e30 against ref in f64', () => {
  const cases = ALL_OPS.filter((op: AnyOp) => !op.effect && !op.alias && !op.skippable && !(op.name in BEYOND));
  it.each(cases.map((op) => ({ name: op.name, op: op as AnyOp })))('$name', ({ op }) => {
    for (const sample of op.samples() as Sample<unknown>[]) {
      for (const size of [1e-30, 1, 1e30]) {
        const data = fillSample(sample, 3).map((d, i): Data => {
          const scales = sample.ins[i]!.dtype === 'f32' && (sample.fill?.[i] ?? 'normal') === 'normal';
          return scales ? (d as Float32Array).map((v) => v * size) : d;
        });
        const graph = new Graph('train');
        const node = graph.add(
          op,
          sample.ins.map((t, i) => graph.input(`x${i}`, t, 'feed')),
          sample.attrs,
        );
        const wide = data.map((d): RefArray => (d instanceof Float32Array ? Float64Array.from(d) : d));
        const want = node.outs.map(({ dtype, shape }): RefArray => {
          return dtype === 'i32' || dtype === 'u8' ? new Int32Array(sizeOf(shape)) : new Float64Array(sizeOf(shape));
        });
        op.ref(want, wide, node, { seed: 5n, attempt: 3, micro: 0, micros: 1 });
        for (const isa of addon().isas) {
          const got = runNode(node, data, { isa, seed: 5n, attempt: 3 });
          got.forEach((y, o) => {
            const most = Array.from(want[o]!).reduce((a, b) => (Number.isFinite(b) ? Math.max(a, Math.abs(b)) : a), 0);
            const [low, high] = node.outs[o]!.dtype === 'f32' ? [LEAST, LARGEST] : [0, Infinity];
            for (let i = 0; i < y.length; i++) {
              const [g, w] = [y[i]!, want[o]![i]!];
              if (Object.is(g, w) || (Number.isNaN(g) && Number.isNaN(w))) continue;
              const fits =
                Math.abs(w) <= high ? Math.abs(g - w) <= 1e-4 * most + low : Math.abs(g) > high * 0.99 || Number.isNaN(g);
              if (!fits) expect.fail(`${isa}, ${size}: output ${o} at ${i}: got ${g}, expected ${w}`);
            }
          });
        }
      }
    }
  });

  it('the exceptions are ops', () => {
    const names = new Set(ALL_OPS.map((op) => op.name));
    for (const name of Object.keys(BEYOND)) expect(names.has(name), name).toBe(true);
  });
});

describe('far from 0', () => {
  const SHAPE = [6, 8, 40] as const;
  const NORMS: Readonly<Record<string, { readonly of: (x: Tensor) => Tensor; readonly group: (i: number) => number }>> = {
    'layer norm': { of: (x) => ops.layerNorm(x), group: (i) => Math.floor(i / 40) },
    'layer norm of two dims': { of: (x) => ops.layerNorm(x, { dims: 2 }), group: (i) => Math.floor(i / 320) },
    'batch norm': { of: (x) => ops.batchNorm(x, null, null).y, group: (i) => Math.floor(i / 40) % 8 },
  };
  it.each(Object.entries(NORMS))('%s: as precise as around 0', (_, { of, group }) => {
    for (const offset of [0, 100, 1e4, -1e6, 3e7]) {
      const x = Float32Array.from(
        { length: sizeOf(SHAPE) },
        (_, i) => offset + Math.sin(i * i) * Math.max(1, Math.abs(offset) * 1e-4),
      );
      const groups = new Map<number, number[]>();
      x.forEach((v, i) => {
        groups.set(group(i), [...(groups.get(group(i)) ?? []), v]);
      });
      const line = new Map(
        [...groups].map(([k, vs]) => {
          const mean = vs.reduce((a, b) => a + b, 0) / vs.length;
          return [k, { mean, root: Math.sqrt(vs.reduce((a, b) => a + (b - mean) * (b - mean), 0) / vs.length + 1e-5) }];
        }),
      );
      const graph = new Graph('train');
      graph.output('y', of(graph.input('x', { dtype: 'f32', shape: [...SHAPE] }, 'feed')));
      for (const isa of addon().isas) {
        const y = runGraph(graph, { inputs: { x }, isa }).get('y')!;
        x.forEach((v, i) => {
          const { mean, root } = line.get(group(i))!;
          expect(Math.abs(y[i]! - (v - mean) / root), `${isa}, offset ${offset}, element ${i}`).toBeLessThan(1e-6);
        });
      }
    }
  });
});

describe('what saturates gives no denormals', () => {
  const ACTIVATIONS: Readonly<Record<string, (x: Tensor) => Tensor>> = {
    exp: (x) => ops.exp(ops.minimum(x, 80)),
    tanh: ops.tanh,
    sigmoid: ops.sigmoid,
    silu: ops.silu,
    softplus: ops.softplus,
    gelu: (x) => ops.gelu(x),
    'gelu, tanh': (x) => ops.gelu(x, { approximate: 'tanh' }),
    softmax: (x) => ops.softmax(ops.reshape(x, [-1, 4])),
    logSoftmax: (x) => ops.logSoftmax(ops.reshape(x, [-1, 4])),
    'cross-entropy': (x) => {
      const logits = ops.reshape(x, [-1, 4]);
      return ops.cast(loss.crossEntropy(logits, x.graph.constant(new Int32Array(64), [64], 'i32')), 'f32');
    },
  };
  const tiny = (y: Data): number | undefined => (y as Float32Array).find((v) => v !== 0 && Math.abs(v) < LEAST);
  test.each(Object.entries(ACTIVATIONS))('%s', (name, of) => {
    fc.assert(
      // The gradient of exp is y times what comes back: a plain product, which is tiny where both are small.
      fc.property(between(-130, 100), name === 'exp' ? fc.constant(1) : fc.constantFrom(1, 1e-4, -1e-12), (middle, slope) => {
        const n = 256;
        const x = Float32Array.from({ length: n }, (_, i) => middle + (i - n / 2) / 16).map((v) => (Math.abs(v) < 1e-20 ? 0 : v));
        const graph = new Graph('train');
        const input = graph.input('x', { dtype: 'f32', shape: [n] }, 'feed');
        const y = of(input);
        graph.output('y', ops.mul(y, 1));
        const [dx] = grad(ops.sum(ops.mul(y, slope)), [input]);
        graph.output('dx', dx!);
        for (const isa of addon().isas) {
          for (const [what, out] of runGraph(graph, { inputs: { x }, isa }))
            expect(tiny(out), `${name}: ${what} on ${isa}`).toBeUndefined();
        }
      }),
      { numRuns: 60 },
    );
  });
});
