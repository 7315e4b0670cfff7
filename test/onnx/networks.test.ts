// networks.test.ts: networks drawn at random, with layers in layers, arrays beside x and transforms: the file gives what `predict` gives, for other rows.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sizeOf } from '../../lib/ir/op.ts';
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
      if (spec.input.source !== 'rows') continue;
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
