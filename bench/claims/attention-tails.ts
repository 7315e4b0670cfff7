// attention-tails.ts: the noise of gradients has a heavier tail in networks of attention than in those of convolutions.

import { tailOf } from '../../lib/history/tail.ts';
import { clip, type nn, Trainer } from '../../lib/index.ts';
import type { Arrays, Source } from '../../lib/train/feed/source.ts';
import { type Claim, median, show, workloadOf } from './claim.ts';

const ATTENTION = ['gpt-nano', 'deep-transformer'];
const IMAGES = ['lenet', 'resnet20'];

/** Hill's index of the distances of the gradients of `count` batches from their mean, after half of the training. */
function indexOf(name: string, seed: number, part: number): number {
  const workload = workloadOf(name);
  const { train } = workload.data(seed);
  const count = 400;
  const { loss, batchSize } = workload;
  using trainer = new Trainer<nn.Module>({
    model: workload.model(),
    loss,
    optimizer: workload.optimizers.adam(),
    clip: clip.none(),
    batchSize,
    seed,
  });
  trainer.fitSync(train as Arrays, { steps: Math.max(8, Math.round(0.5 * part * workload.steps)) });
  const gradients: Float32Array[][] = [];
  for (let i = 0; i < Math.max(120, Math.round(part * count)); i++) {
    const found = trainer.gradientsSync(batchOf(train as Arrays, i, 4)).gradients;
    gradients.push(Array.from(found.values(), ({ data }) => data.slice()));
  }
  const middle = gradients[0]!.map((tensor) => new Float64Array(tensor.length));
  for (const gradient of gradients) {
    for (const [t, tensor] of gradient.entries())
      for (let i = 0; i < tensor.length; i++) middle[t]![i]! += tensor[i]! / gradients.length;
  }
  const distances = gradients.map((gradient) => {
    let sum = 0;
    for (const [t, tensor] of gradient.entries())
      for (let i = 0; i < tensor.length; i++) sum += (tensor[i]! - middle[t]![i]!) ** 2;
    return Math.sqrt(sum);
  });
  return tailOf(distances)?.index ?? Number.NaN;
}

/** The `i`-th `rows` rows of arrays, or as many windows of a text one after the other, of a set that is used again from its beginning. */
function batchOf(set: Arrays | Source, i: number, rows: number): Arrays {
  if (set.data instanceof Map) {
    const source = set as Source;
    const tokens = (source.data.get('tokens') as { data: Uint8Array }).data;
    const length = Math.floor((tokens.length - 1) / source.length);
    const x = new Int32Array(rows * length);
    const y = new Int32Array(rows * length);
    for (let r = 0; r < rows; r++) {
      const start = ((i * rows + r) * length) % (tokens.length - length - 1);
      for (let t = 0; t < length; t++) {
        x[r * length + t] = tokens[start + t]!;
        y[r * length + t] = tokens[start + t + 1]!;
      }
    }
    return { x: { data: x, shape: [rows, length] }, y: { data: y, shape: [rows, length] } };
  }
  return Object.fromEntries(
    Object.entries(set as Record<string, { data: Float32Array; shape: number[] } | Int32Array>).map(([name, value]) => {
      const [data, shape] = ArrayBuffer.isView(value) ? [value, [value.length]] : [value.data, value.shape];
      const width = data.length / shape[0]!;
      const at = (i * rows) % (shape[0]! - rows + 1);
      return [name, { data: data.slice(at * width, (at + rows) * width), shape: [rows, ...shape.slice(1)] }];
    }),
  ) as Arrays;
}

export const ATTENTION_TAILS: Claim = {
  name: 'attention-tails',
  paper: 'Zhang et al. 2020, Why Are Adaptive Methods Good for Attention Models?',
  says: 'the noise of gradients is heavy-tailed in attention models (BERT) and close to normal in image models (ResNet50)',
  trial: `${ATTENTION.join(', ')} beside ${IMAGES.join(', ')}: in the middle of a training, distances of the gradients of 400 batches of four rows from their mean; Hill's index of their tail, median over three seeds (lower is heavier; 2 or less: no variance)`,
  rule: 'confirmed if both of attention have a lower index than both of images; not confirmed if the lowest of images is lower than both of attention; else it depends',
  run({ seeds, part }) {
    const of = (names: readonly string[]): (readonly [string, number])[] =>
      names.map((name) => [name, median(seeds.slice(0, 3).map((seed) => indexOf(name, seed, part)))] as const);
    const [attention, images] = [of(ATTENTION), of(IMAGES)];
    const [low, high] = [Math.min(...images.map(([, v]) => v)), Math.max(...attention.map(([, v]) => v))];
    const lowest = Math.min(...attention.map(([, v]) => v));
    return {
      verdict: high < low ? 'confirmed' : low < lowest ? 'not confirmed' : 'depends',
      figures: [...attention, ...images].map(([name, v]) => `${name}: index ${show(v)}`).join('; '),
    };
  },
};
