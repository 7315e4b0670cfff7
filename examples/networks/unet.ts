// unet.ts: a U-Net (Ronneberger et al. 2015): which pixels of a drawing are of its shape. Down to a quarter of the side and up again, with what each level
// saw on the way down beside what comes up.
// Run: npm run -s build:ts && node dist/examples/networks/unet.js (half a minute)
import { loss, nn, ops, optim, type Tensor, Trainer } from 'gradclip';
import { type MainOptions, type Network, type Step, start, train } from './network.ts';
import { shapes } from './shapes.ts';

const BATCH = 16;

const block = (from: number, to: number): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(from, to, 3, { padding: 1 }),
    new nn.BatchNorm2d(to),
    new nn.ReLU(),
    new nn.Conv2d(to, to, 3, { padding: 1 }),
    new nn.BatchNorm2d(to),
    new nn.ReLU(),
  );

class UNet extends nn.Module {
  down1: nn.Sequential = block(1, 8);
  down2: nn.Sequential = block(8, 16);
  deepest: nn.Sequential = block(16, 32);
  rise2: nn.ConvTranspose2d = new nn.ConvTranspose2d(32, 16, 2, { stride: 2 });
  up2: nn.Sequential = block(32, 16);
  rise1: nn.ConvTranspose2d = new nn.ConvTranspose2d(16, 8, 2, { stride: 2 });
  up1: nn.Sequential = block(16, 8);
  head: nn.Conv2d = new nn.Conv2d(8, 1, 1);

  /** Logits of the mask, of the drawings' shape. */
  forward(x: Tensor): Tensor {
    const level1 = this.down1.forward(x);
    const level2 = this.down2.forward(ops.maxPool2d(level1, 2));
    const deepest = this.deepest.forward(ops.maxPool2d(level2, 2));
    const up2 = this.up2.forward(ops.concat([level2, this.rise2.forward(deepest)], 1));
    return this.head.forward(this.up1.forward(ops.concat([level1, this.rise1.forward(up2)], 1)));
  }
}

export function network({ seed = 1 }: Pick<MainOptions, 'seed'> = {}): Network {
  const model = new UNet();
  const trainer = new Trainer({
    model,
    loss: ({ x, mask }: { x: Tensor; mask: Tensor }, unet) => loss.bceWithLogits(unet.forward(x), mask),
    predict: ({ x }: { x: Tensor }, unet) => unet.forward(x),
    optimizer: optim.adam({ lr: 3e-3 }),
    seed,
  });
  return {
    model,
    *steps(count): Generator<Step> {
      for (let i = 0; i < count; i++) {
        const { x, mask } = shapes(BATCH, 10_000 * seed + i, 0.5);
        yield { batch: { x, mask }, loss: trainer.stepSync({ x, mask }).loss };
      }
    },
    score() {
      const { x, mask } = shapes(500, 999_999_999, 0.5);
      const { data } = trainer.predictSync({ x });
      let [both, either] = [0, 0];
      for (const [i, is] of mask.data.entries()) {
        const said = data[i]! > 0;
        if (said && is === 1) both++;
        if (said || is === 1) either++;
      }
      return { intersectionOverUnion: both / either };
    },
    dispose: () => trainer.dispose(),
  };
}

export const main = ({ steps = 400, seed = 1 }: MainOptions = {}): Readonly<Record<string, number>> =>
  train(network({ seed }), steps);
start(import.meta.url, main);
