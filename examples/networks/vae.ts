// vae.ts: a variational autoencoder (Kingma and Welling 2014) of drawings, or of handwritten digits where a folder with MNIST's test images is named (see
// mnist-lenet.ts). Random numbers are drawn in the graph, in training and where it makes new images. A classifier that has seen real ones judges these: of how
// many it is sure, and whether each class is among them.
// Run: npm run -s build:ts && node dist/examples/networks/vae.js [FOLDER] (a minute or two)
import { join } from 'node:path';
import { argv } from 'node:process';
import { pathToFileURL } from 'node:url';
import { clip, io, loss, type NdArray, nn, ops, optim, type Tensor, Trainer } from 'gradclip';
import { normal, random } from '../random.ts';
import { f32, i32, type MainOptions, type Network, type Step, train } from './network.ts';
import { KINDS, shapes } from './shapes.ts';

const LATENT = 6;
const HIDDEN = 512;
const BATCH = 64;
const STEPS = 12_000;
/** A classifier is sure of what it gives this probability. */
const SURE = 0.8;

/** Images [n, 1, side, side] of values from 0 to 1, and the class of each. */
export interface Images {
  readonly x: NdArray<Float32Array>;
  readonly y: NdArray<Int32Array>;
  readonly classes: number;
}

const mlp = (from: number, to: number): nn.Sequential =>
  new nn.Sequential(
    new nn.Linear(from, HIDDEN),
    new nn.ReLU(),
    new nn.Linear(HIDDEN, HIDDEN),
    new nn.ReLU(),
    new nn.Linear(HIDDEN, to),
  );

class Vae extends nn.Module {
  encoder: nn.Sequential;
  decoder: nn.Sequential;
  constructor(pixels: number) {
    super();
    this.encoder = mlp(pixels, 2 * LATENT);
    this.decoder = mlp(LATENT, pixels);
  }

  /** Logits of the pixels [n, pixels] of codes [n, LATENT]. */
  forward(code: Tensor): Tensor {
    return this.decoder.forward(code);
  }

  /** What is lost of images [n, pixels] on the way through a code with noise [n, LATENT], and how far codes are from normal. */
  lost(x: Tensor, noise: Tensor): Tensor {
    const rows = x.shape[0]!;
    const [mean, logVariance] = ops.split(this.encoder.forward(x), LATENT, { axis: 1 }) as [Tensor, Tensor];
    const code = ops.add(mean, ops.mul(ops.exp(ops.mul(logVariance, 0.5)), noise));
    const pixels = loss.bceWithLogits(this.forward(code), x, { reduction: 'sum' });
    const spread = ops.sub(ops.add(ops.square(mean), ops.exp(logVariance)), ops.add(logVariance, 1));
    return ops.div(ops.add(pixels, ops.mul(ops.sum(spread, { dtype: 'f64' }), 0.5)), rows);
  }
}

/** Tells the class of an image: trained on real ones, for the judgment of made ones. */
class Judge extends nn.Module {
  layers: nn.Sequential;
  constructor(side: number, classes: number) {
    super();
    this.layers = new nn.Sequential(
      new nn.Conv2d(1, 8, 5, { padding: 2 }),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Conv2d(8, 16, 5, { padding: 2 }),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
      new nn.Linear(16 * Math.floor(side / 4) ** 2, 64),
      new nn.ReLU(),
      new nn.Linear(64, classes),
    );
  }
  /** Logits [n, classes] of images [n, 1, side, side]. */
  forward(x: Tensor): Tensor {
    return this.layers.forward(x);
  }
}

/** Probabilities of classes of made images, by a judge that has learned the real ones. */
function judged({ x, y, classes }: Images, made: NdArray): ArrayLike<number> {
  using trainer = new Trainer({
    model: new Judge(x.shape[2]!, classes),
    loss: (batch, judge) => loss.crossEntropy(judge.forward(batch.x), batch.y),
    predict: (batch: { x: Tensor }, judge) => ops.softmax(judge.forward(batch.x)),
    optimizer: optim.adamw({ lr: 2e-3 }),
    batchSize: BATCH,
    seed: 1,
  });
  trainer.fitSync({ x, y }, { epochs: 8 });
  return trainer.predictSync({ x: made }).data;
}

const drawings = (): Images => {
  const { mask, kind } = shapes(4000, 5);
  return { x: mask, y: kind, classes: KINDS };
};

/** @param given noise is drawn here and given with the images, so that others can do the same steps */
export function network({
  seed = 1,
  steps: all = STEPS,
  given = false,
  images = drawings(),
}: MainOptions & { readonly given?: boolean; readonly images?: Images } = {}): Network {
  const [count, , side] = images.x.shape as [number, number, number];
  const pixels = side * side;
  const model = new Vae(pixels);
  const trainer = new Trainer({
    model,
    loss: (batch: Readonly<Record<string, Tensor>>, vae) => {
      const x = batch.x!;
      return vae.lost(x, batch.noise ?? ops.randn(x, [x.shape[0]!, LATENT]));
    },
    predict: ({ x }: Readonly<Record<string, Tensor>>, vae) => ops.sigmoid(vae.forward(ops.randn(x!, [x!.shape[0]!, LATENT]))),
    optimizer: optim.adam({ lr: optim.schedule.cosine(1e-3, { steps: all }) }),
    clip: clip.globalNorm(100),
    seed,
  });
  const uniform = random(seed);
  const gauss = normal(uniform);
  return {
    model,
    *steps(n): Generator<Step> {
      for (let i = 0; i < n; i++) {
        const x = new Float32Array(BATCH * pixels);
        for (let k = 0; k < BATCH; k++) {
          const from = Math.floor(count * uniform()) * pixels;
          x.set(images.x.data.subarray(from, from + pixels), k * pixels);
        }
        const noise = f32(Float32Array.from({ length: BATCH * LATENT }, gauss), BATCH, LATENT);
        const batch = { x: f32(x, BATCH, pixels), ...(given && { noise }) };
        yield { batch, loss: trainer.stepSync(batch).loss };
      }
    },
    score() {
      const made = 1000;
      const { data } = trainer.predictSync({ x: f32(new Float32Array(made * pixels), made, pixels) });
      const shares = judged(images, f32(data as Float32Array, made, 1, side, side));
      const seen = new Array<number>(images.classes).fill(0);
      let sure = 0;
      for (let i = 0; i < made; i++) {
        const row = Array.from({ length: images.classes }, (_, c) => shares[i * images.classes + c]!);
        const most = Math.max(...row);
        seen[row.indexOf(most)]! += 1 / made;
        if (most >= SURE) sure += 1 / made;
      }
      return { sure, leastClass: Math.min(...seen) };
    },
    dispose: () => trainer.dispose(),
  };
}

/** MNIST's 10,000 test images. */
export async function digits(folder: string): Promise<Images> {
  const images = await io.readIdx(join(folder, 'mnist-10k-images-idx3-ubyte.gz'));
  const labels = await io.readIdx(join(folder, 'mnist-10k-labels-idx1-ubyte.gz'));
  const pixels = Float32Array.from(images.data as Uint8Array, (value) => value / 255);
  return { x: f32(pixels, pixels.length / 784, 1, 28, 28), y: i32(Array.from(labels.data), labels.data.length), classes: 10 };
}

export async function main({
  folder,
  steps = STEPS,
  seed = 1,
}: MainOptions & { readonly folder?: string } = {}): Promise<Readonly<Record<string, number>>> {
  const images = folder === undefined ? drawings() : await digits(folder);
  return train(network({ seed, steps, images }), steps);
}
if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  const [, , folder] = argv;
  await main(folder === undefined ? {} : { folder });
}
