// networks.test.ts: networks drawn at random, with layers in layers, arrays beside x and transforms: the file gives what `predict` gives, for other rows.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Tensor } from '../../lib/ir/graph.ts';
import { sizeOf } from '../../lib/ir/op.ts';
import { Linear, Module } from '../../lib/nn/index.ts';
import { mse } from '../../lib/nn/loss/index.ts';
import * as ops from '../../lib/ops/index.ts';
import { sgd } from '../../lib/optim/index.ts';
import { dtypeOf, type NdArray } from '../../lib/train/feed/source.ts';
import { Trainer } from '../../lib/train/trainer.ts';
import { drawProgram } from '../torture/draw.ts';
import { programOf } from '../torture/train.ts';
import { decodeFile } from './decode.ts';
import { evaluate } from './evaluate.ts';
import { normwise, TYPES } from './kit.ts';
import { fromValues } from './numbers.ts';

const NETWORKS = Number(process.env.GRADCLIP_RUNS ?? 60);

it('what a file gives is what the trainer predicts', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-onnx-'));
  const file = join(folder, 'a.onnx');
  const seen = new Set<string>();
  try {
    let compared = 0;
    for (let seed = 1; compared < NETWORKS; seed++) {
      const spec = drawProgram(seed);
      // Bags whose offsets the harness makes of the number of rows are of that number alone.
      if (spec.input.source !== 'rows' || JSON.stringify(spec.layers).includes('"offsets":true')) continue;
      const { options, arrays } = programOf(spec);
      using trainer = new Trainer({ ...options(), precision: 'f32', activations: 'f32' });
      const given = Object.entries(arrays as Readonly<Record<string, NdArray>>).filter(([name]) => name !== 'y');
      await trainer.exportOnnx(file, { inputs: Object.fromEntries(given), opset: seed % 2 ? 17 : 23 });
      const rows = Math.min(1 + (seed % 4), given[0]![1].shape[0]!);
      const some = given.map(([name, { data, shape }]): [string, NdArray] => {
        const row = shape.slice(1);
        return [name, { data: data.slice(0, rows * sizeOf(row)), shape: [rows, ...row] }];
      });
      const wanted = trainer.predictSync(Object.fromEntries(some), { batchSize: rows }) as NdArray;
      const model = decodeFile(file);
      for (const { op } of model.nodes) seen.add(op);
      const inputs = some.map(([name, { data, shape }]) => [name, fromValues(shape, TYPES[dtypeOf(data)], data)] as const);
      const found = evaluate(model, Object.fromEntries(inputs)).get('output')!;
      expect(found.shape, `seed ${seed}`).toEqual(wanted.shape);
      expect(normwise(found.data, wanted.data), `seed ${seed}`).toBeLessThan(1e-4);
      compared++;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  for (const op of ['Gemm', 'Conv', 'LSTM', 'Softmax', 'LayerNormalization']) expect(seen).toContain(op);
});

it('operands of several dtypes', async () => {
  /** Arithmetic of integers, exact; of these with floats and fractions; sums and joins of both. */
  class Mixed extends Module {
    fc: Linear = new Linear(4, 3);
    forward(x: Tensor): Tensor {
      const i = ops.cast(x, 'i32');
      const whole = ops.sub(ops.mul(i, 3), ops.pow(i, 2));
      const some = ops.add(ops.div(whole, 7), ops.where(ops.greater(i, 1), i, 0.5));
      const sums = ops.sum(ops.concat([ops.cumsum(i), ops.cast(x, 'u8')], 1), { axes: 1, keepDims: true });
      return ops.add(ops.add(this.fc.forward(some), sums), ops.max(ops.add(whole, 2 ** 31 - 9), { axes: 1, keepDims: true }));
    }
  }
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-onnx-'));
  const x: NdArray = { data: Float32Array.from({ length: 20 }, (_, k) => 5 * Math.sin(1.3 * k)), shape: [5, 4] };
  try {
    using trainer = new Trainer({ model: new Mixed(), loss: ({ x, y }, m) => mse(m.forward(x as Tensor), y!), optimizer: sgd() });
    const file = join(folder, 'a.onnx');
    await trainer.exportOnnx(file, { inputs: { x: { shape: ['batch', 4] } } });
    const wanted = trainer.predictSync(x) as NdArray;
    const found = evaluate(decodeFile(file), { x: fromValues(x.shape, TYPES.f32, x.data) }).get('output')!;
    expect(normwise(found.data, wanted.data)).toBeLessThan(1e-6);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
