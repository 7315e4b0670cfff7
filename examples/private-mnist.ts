// private-mnist.ts: a small convolutional network learns handwritten digits in private: whoever has it learns little about any single image.
// The files are those of mnist-lenet.ts. 8,000 images for training, 2,000 for the test; epsilon 3 at delta 1e-5.
import { join } from 'node:path';
import { clip, io, loss, metrics, nn, optim, privacy, Trainer } from 'gradclip';

export interface Options {
  /** Of the promise: what one image changes of the probability of any outcome is a factor of e^epsilon at most; default 3. */
  readonly epsilon?: number;
  /** How often an image is drawn, on the average; default 15. */
  readonly epochs?: number;
  readonly seed?: number;
  readonly threads?: number;
}

/** Tanh in place of ReLU, few weights, no batch norm, which mixes images (Papernot et al. 2020, Tempered Sigmoid Activations). */
const network = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(1, 16, 8, { stride: 2, padding: 3 }),
    new nn.Tanh(),
    new nn.MaxPool2d(2, { stride: 1 }),
    new nn.Conv2d(16, 32, 4, { stride: 2 }),
    new nn.Tanh(),
    new nn.MaxPool2d(2, { stride: 1 }),
    new nn.Flatten(),
    new nn.Linear(512, 32),
    new nn.Tanh(),
    new nn.Linear(32, 10),
  );

/** Share of the test images that are classified right, and the epsilon that was spent. */
export async function main(folder: string, options: Options = {}): Promise<{ accuracy: number; epsilon: number }> {
  const { epsilon = 3, epochs = 15, seed = 0, threads } = options;
  const images = await io.readIdx(join(folder, 'mnist-10k-images-idx3-ubyte.gz'));
  const labels = await io.readIdx(join(folder, 'mnist-10k-labels-idx1-ubyte.gz'));
  const pixels = Float32Array.from(images.data as Uint8Array, (v) => v / 255);
  const part = (from: number, to: number) => ({
    x: { data: pixels.subarray(from * 784, to * 784), shape: [to - from, 1, 28, 28] },
    y: (labels.data as Uint8Array).subarray(from, to),
  });
  const [rows, batchSize, delta] = [8000, 512, 1e-5];
  // Each image is in each batch with this probability, on its own.
  const q = batchSize / rows;
  const steps = Math.round(epochs / q);
  const noise = privacy.sigmaFor({ epsilon, delta, q, steps });
  using trainer = new Trainer({
    model: network(),
    loss: (batch, model) => loss.crossEntropy(model.forward(batch.x), batch.y),
    metrics: { accuracy: (batch, model) => metrics.accuracy(model.forward(batch.x), batch.y) },
    // Nearly all gradients are longer than .1, so each image counts alike, and a step is that of a rate of .4 with a threshold of 1.
    optimizer: optim.sgd({ lr: 4, momentum: 0.9 }),
    clip: clip.perSample(0.1, { noise }),
    batchSize,
    seed,
    ...(threads && { threads }),
  });
  const started = performance.now();
  await trainer.fit(part(0, rows), { steps, sampling: 'poisson' });
  const { accuracy } = await trainer.evaluate(part(rows, 10_000));
  const spent = privacy.epsilon({ q, sigma: noise, steps, delta });
  const seconds = (performance.now() - started) / 1000;
  console.log(`noise ${noise.toFixed(2)}, ${steps} steps, ${seconds.toFixed(1)} s`);
  console.log(`test accuracy ${(100 * accuracy).toFixed(1)} % at epsilon ${spent.toFixed(2)}, delta ${delta}`);
  return { accuracy, epsilon: spent };
}
