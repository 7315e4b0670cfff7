// mnist-lenet.ts: a convolutional network learns handwritten digits: 8,000 images for training, 2,000 for the test, 5 epochs.
// The files are the 10,000 test images of MNIST and their labels, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz of
// https://ossci-datasets.s3.amazonaws.com/mnist/, in one folder under the names below.
import { join } from 'node:path';
import { clip, io, loss, metrics, models, optim, Trainer } from 'gradclip';

export interface Options {
  readonly epochs?: number;
  /** Images to train on; default 8,000. */
  readonly rows?: number;
  readonly seed?: number;
  readonly threads?: number;
}

/** Share of the test images that are classified right. */
export async function main(folder: string, options: Options = {}): Promise<number> {
  const { epochs = 5, rows = 8000, seed = 0, threads } = options;
  const images = await io.readIdx(join(folder, 'mnist-10k-images-idx3-ubyte.gz'));
  const labels = await io.readIdx(join(folder, 'mnist-10k-labels-idx1-ubyte.gz'));
  const pixels = Float32Array.from(images.data as Uint8Array, (v) => v / 255);
  const part = (from: number, to: number) => ({
    x: { data: pixels.subarray(from * 784, to * 784), shape: [to - from, 1, 28, 28] },
    y: (labels.data as Uint8Array).subarray(from, to),
  });
  using trainer = new Trainer({
    model: new models.LeNet(),
    loss: (batch, model) => loss.crossEntropy(model.forward(batch.x), batch.y),
    metrics: { accuracy: (batch, model) => metrics.accuracy(model.forward(batch.x), batch.y) },
    optimizer: optim.adamw({ lr: optim.schedule.cosine(1e-3, { steps: 125 * epochs }) }),
    clip: clip.globalNorm(1),
    batchSize: 64,
    seed,
    ...(threads && { threads }),
  });
  const started = performance.now();
  await trainer.fit(part(0, rows), { epochs });
  const { accuracy } = await trainer.evaluate(part(8000, 10_000));
  const seconds = (performance.now() - started) / 1000;
  console.log(`test accuracy ${(100 * accuracy).toFixed(2)} % after ${epochs} epochs, ${seconds.toFixed(2)} s`);
  return accuracy;
}
