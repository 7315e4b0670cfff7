// local-smoothness.ts: how fast gradients change grows with how large they are.
import { clip, type nn, Trainer } from '../../lib/index.ts';
import type { Arrays } from '../../lib/train/feed/source.ts';
import { type Claim, median, show, some, workloadOf } from './claim.ts';

const NAMES = ['char-lstm', 'resnet20'];

/** Pearson's correlation. */
export function correlation(x: readonly number[], y: readonly number[]): number {
  const of = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
  const [mx, my] = [of(x), of(y)];
  const sum = (f: (i: number) => number): number => x.reduce((s, _, i) => s + f(i), 0);
  const [dx, dy] = [(i: number) => x[i]! - mx, (i: number) => y[i]! - my];
  return sum((i) => dx(i) * dy(i)) / Math.sqrt(sum((i) => dx(i) ** 2) * sum((i) => dy(i) ** 2));
}

type Tensors = ReadonlyMap<string, { readonly data: Float32Array }>;
function distance(a: Tensors, b: Tensors): number {
  let sum = 0;
  for (const [name, { data }] of a) {
    const other = b.get(name)!.data;
    for (let i = 0; i < data.length; i++) sum += (data[i]! - other[i]!) ** 2;
  }
  return Math.sqrt(sum);
}

/** Along a training: logarithms of the norm of the gradient of many rows, and of its change over the length of the step. */
function pathOf(name: string, seed: number, part: number): { readonly norms: number[]; readonly smoothness: number[] } {
  const workload = workloadOf(name);
  const { train, validation } = workload.data(seed);
  const { loss, batchSize } = workload;
  using trainer = new Trainer<nn.Module>({
    model: workload.model(),
    loss,
    optimizer: workload.optimizers.sgd(),
    clip: clip.none(),
    batchSize,
    seed,
  });
  const copied = (tensors: Tensors): Tensors =>
    new Map(Array.from(tensors, ([name, { data }]) => [name, { data: data.slice() }]));
  const at = (): { gradient: Tensors; weights: Tensors; norm: number } => {
    const { gradients, norm } = trainer.gradientsSync(validation as Arrays);
    return { gradient: copied(gradients as Tensors), weights: copied(trainer.readParametersSync() as Tensors), norm };
  };
  const [norms, smoothness]: [number[], number[]] = [[], []];
  let before = at();
  for (let step = 0; step < Math.round(part * workload.steps); step++) {
    trainer.fitSync(train as Arrays, { steps: 1 });
    const after = at();
    const moved = distance(after.weights, before.weights);
    if (moved > 0) {
      norms.push(Math.log(before.norm));
      smoothness.push(Math.log(distance(after.gradient, before.gradient) / moved));
    }
    before = after;
  }
  return { norms, smoothness };
}

export const LOCAL_SMOOTHNESS: Claim = {
  name: 'local-smoothness',
  paper: 'Zhang et al. 2020, Why Gradient Clipping Accelerates Training: A Theoretical Justification for Adaptivity',
  says: 'along a training, local smoothness is correlated with the norm of the gradient, for an LSTM language model and for a ResNet',
  trial:
    'char-lstm and resnet20 with SGD and no clip; each step: norm of the gradient of the validation set, and its change over the length of the step; correlation of the logarithms, median over three seeds',
  rule: 'confirmed if both correlations are .5 or more, depends if one is',
  run(effort) {
    const { seeds, part } = effort;
    const found = some(NAMES, effort).map((name) => {
      const of = seeds.slice(0, 3).map((seed) => {
        const { norms, smoothness } = pathOf(name, seed, 0.5 * part);
        return correlation(norms, smoothness);
      });
      return [name, median(of)] as const;
    });
    const speaks = found.filter(([, r]) => r >= 0.5).length;
    return {
      verdict: speaks === 2 ? 'confirmed' : speaks === 1 ? 'depends' : 'not confirmed',
      figures: found.map(([name, r]) => `${name}: correlation ${show(r)}`).join('; '),
    };
  },
};
