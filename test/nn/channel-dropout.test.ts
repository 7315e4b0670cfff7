// channel-dropout.test.ts: dropout of whole channels: which of them fall, how many, what the others become, and the gradient that goes with it.
import { describe, expect, it } from 'vitest';
import { loss, nn, ops, optim, Trainer } from '../../lib/index.ts';
import type { Tensor } from '../../lib/ir/graph.ts';

const SHAPES = { Dropout1d: [40, 25, 3], Dropout2d: [40, 25, 2, 3], Dropout3d: [40, 25, 2, 1, 3] } as const;
const ROWS = 40;

/** A factor for each channel, or for all: a trainer wants something to train. */
class Scaled extends nn.Module {
  scale: nn.Parameter;
  drop: nn.Dropout1d | nn.Dropout2d | nn.Dropout3d;
  constructor(drop: nn.Dropout1d | nn.Dropout2d | nn.Dropout3d, channels: number) {
    super();
    this.drop = drop;
    this.scale = new nn.Parameter(channels === 1 ? [1] : [channels, 1, 1], new Float32Array(channels).fill(1));
  }
  forward(x: Tensor): Tensor {
    return this.drop.forward(ops.mul(x, this.scale));
  }
}

/** What comes out for ones, by channels. */
async function channels(layer: keyof typeof SHAPES, p: number, seed: number): Promise<number[][]> {
  const shape = SHAPES[layer];
  const n = (shape as readonly number[]).reduce((a, b) => a * b, 1);
  using trainer = new Trainer({
    model: new Scaled(new nn[layer](p), 1),
    loss: ({ x }, model) => loss.mse(model.forward(x), x),
    optimizer: optim.sgd({ lr: 0 }),
  });
  const x = { data: new Float32Array(n).fill(3), shape };
  const forward = ({ x }: { readonly x: Tensor }, model: Scaled): Tensor => model.forward(x);
  const { data } = await trainer.run(forward as never, x, { dropout: true, seed });
  const each = n / (ROWS * 25);
  return Array.from({ length: ROWS * 25 }, (_, c) => Array.from((data as Float32Array).subarray(c * each, (c + 1) * each)));
}

describe.each(['Dropout1d', 'Dropout2d', 'Dropout3d'] as const)('%s', (layer) => {
  it.each([0.2, 0.5])('with p = %d: channels as a whole, so many of them, the others grown', async (p) => {
    const all = await channels(layer, p, 1);
    const grown = Math.fround(3 * Math.fround(1 / (1 - p)));
    for (const values of all) {
      expect(new Set(values).size).toBe(1);
      expect([0, grown]).toContain(values[0]);
    }
    const fallen = all.filter(([first]) => first === 0).length;
    // Five deviations of the binomial law.
    expect(Math.abs(fallen - 1000 * p)).toBeLessThan(5 * Math.sqrt(1000 * p * (1 - p)));
    // Not the same channels of each example.
    const of = (example: number): string => String(all.slice(25 * example, 25 * example + 25).map(([first]) => first === 0));
    expect(new Set([0, 1, 2, 3].map(of)).size).toBe(4);
  });
  it('keyed by the seed: the same again, and others with another', async () => {
    const [one, again, other] = [await channels(layer, 0.5, 7), await channels(layer, 0.5, 7), await channels(layer, 0.5, 8)];
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
  });
  it('changes nothing without dropout, and with p = 0', async () => {
    expect((await channels(layer, 0, 1)).flat().every((v) => v === 3)).toBe(true);
  });
});

it('the gradient of a channel that fell is 0, of another it has grown as much', async () => {
  using trainer = new Trainer({
    model: new Scaled(new nn.Dropout2d(0.5), 25),
    loss: ({ x }, model) => ops.mean(model.forward(x)),
    optimizer: optim.sgd({ lr: 0 }),
  });
  const x = { data: new Float32Array(25 * 6).fill(1), shape: [1, 25, 2, 3] };
  const { gradients, loss: value } = await trainer.gradients({ x });
  const { data } = gradients.get('scale')!;
  // The loss is the mean of what is left: the sum of these, each 1/25 of 2 or of 0.
  for (const g of data) expect([0, Math.fround(2 / 25)]).toContain(Math.fround(g));
  expect(data.reduce((a, b) => a + b, 0)).toBeCloseTo(value, 6);
  expect(data.some((g) => g === 0)).toBe(true);
});
