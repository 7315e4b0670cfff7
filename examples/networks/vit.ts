// vit.ts: a vision transformer (Dosovitskiy et al. 2021): a drawing is 16 patches, each a token, beside one that stands for the class.
// Run: npm run -s build:ts && node dist/examples/networks/vit.js (half a minute)
import { clip, loss, nn, ops, optim, type Tensor, Trainer } from 'gradclip';
import { type MainOptions, type Network, type Step, start, train } from './network.ts';
import { KINDS, SIDE, shapes } from './shapes.ts';

const PATCH = 4;
const TOKENS = (SIDE / PATCH) ** 2;
const WIDTH = 32;
const BATCH = 32;
const STEPS = 2000;

class ViT extends nn.Module {
  patches: nn.Conv2d = new nn.Conv2d(1, WIDTH, PATCH, { stride: PATCH });
  token: nn.Parameter = new nn.Parameter([1, 1, WIDTH], nn.init.normal(0, 0.02));
  positions: nn.LearnedPositions = new nn.LearnedPositions(TOKENS + 1, WIDTH);
  encoder: nn.TransformerEncoder = new nn.TransformerEncoder(
    () => new nn.TransformerEncoderLayer(WIDTH, 4, { dimFeedforward: 64, dropout: 0, activation: 'gelu', normFirst: true }),
    2,
  );
  norm: nn.LayerNorm = new nn.LayerNorm(WIDTH);
  head: nn.Linear = new nn.Linear(WIDTH, KINDS);

  /** Logits [n, KINDS] of drawings [n, 1, SIDE, SIDE]. */
  forward(x: Tensor): Tensor {
    const n = x.shape[0]!;
    const patches = ops.transpose(ops.reshape(this.patches.forward(x), [n, WIDTH, TOKENS]));
    const tokens = ops.concat([ops.broadcastTo(this.token, [n, 1, WIDTH]), patches], 1);
    const seen = this.norm.forward(this.encoder.forward(this.positions.forward(tokens)));
    return this.head.forward(ops.reshape(ops.slice(seen, { axis: 1, end: 1 }), [n, WIDTH]));
  }
}

export function network({ seed = 1, steps = STEPS }: MainOptions = {}): Network {
  const model = new ViT();
  const trainer = new Trainer({
    model,
    loss: ({ x, y }, vit) => loss.crossEntropy(vit.forward(x), y),
    predict: ({ x }: { x: Tensor }, vit) => vit.forward(x),
    optimizer: optim.adamw({ lr: optim.schedule.cosine(3e-3, { steps }) }),
    clip: clip.globalNorm(1),
    seed,
  });
  return {
    model,
    *steps(count): Generator<Step> {
      for (let i = 0; i < count; i++) {
        const { x, kind } = shapes(BATCH, 10_000 * seed + i, 0.2);
        yield { batch: { x, y: kind }, loss: trainer.stepSync({ x, y: kind }).loss };
      }
    },
    score() {
      const { x, kind } = shapes(1000, 999_999_999, 0.2);
      const { data } = trainer.predictSync({ x });
      const right = kind.data.filter((label, i) => {
        const logits = data.subarray(i * KINDS, (i + 1) * KINDS);
        return logits.indexOf(Math.max(...logits)) === label;
      });
      return { accuracy: right.length / kind.data.length };
    },
    dispose: () => trainer.dispose(),
  };
}

export const main = ({ steps = STEPS, seed = 1 }: MainOptions = {}): Readonly<Record<string, number>> =>
  train(network({ seed, steps }), steps);
start(import.meta.url, main);
