// precision.test.ts: what a trainer says of a precision that brings nothing.
import { expect, it } from 'vitest';
import { loss, nn, optim, runtime, Trainer } from '../../../lib/index.ts';
import type { Tensor } from '../../../lib/ir/graph.ts';
import { child } from '../../children/kit.ts';

class Table extends nn.Module {
  readonly rows = new nn.Embedding(5, 3);
  forward(x: Tensor): Tensor {
    return this.rows.forward(x);
  }
}

const data = {
  x: { data: Int32Array.of(0, 1, 2, 3, 4, 0), shape: [6] },
  y: { data: new Float32Array(18).fill(1), shape: [6, 3] },
};

it('says once that there is nothing it has an effect on', async () => {
  const make = (precision: 'f32' | 'bf16'): Trainer<Table> =>
    new Trainer({ model: new Table(), loss: ({ x, y }, m) => loss.mse(m.forward(x), y), optimizer: optim.sgd(), precision });
  const { warnings } = await make('bf16').fit(data, { epochs: 2, batchSize: 4 });
  expect(warnings.map(({ code, details }) => [code, details.name])).toEqual([['noProducts', 'precision']]);
  expect((await make('f32').fit(data, { epochs: 2, batchSize: 4 })).warnings).toEqual([]);
});

it.each(runtime().isas)('says on %s whether it is emulated', async (isa) => {
  const ended = await child('warnings.js', [], { env: { GRADCLIP_ISA: isa } });
  expect(ended).toMatchObject({ code: 0, errors: '' });
  const text = `emulated: precision bf16 is emulated on this processor (${isa}): the same bits as elsewhere, and no faster than f32`;
  expect(ended.lines).toEqual([isa === 'avx512bf16' ? [] : [text]]);
});
