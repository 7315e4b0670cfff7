// label-noise.ts: clipping the gradient of a batch does not help against wrong labels; a loss that is clipped for each row does.
import { clip, loss as losses, ops } from '../../lib/index.ts';
import type { LabWorkload } from '../../lib/lab/workload.ts';
import type { Plain } from '../../lib/lab/workloads/parts.ts';
import type { Arrays } from '../../lib/train/feed/source.ts';
import { type Claim, mean, type Policy, ratioOf, show, train, workloadOf } from './claim.ts';

const TAU = 2;
/** Partially Huberized cross-entropy: -ln p, and a line where the probability p of the label is below 1 / tau (Menon et al. 2020). */
export const huberized: LabWorkload['loss'] = ({ x, y }, model) => {
  const plain = losses.crossEntropy((model as Plain).forward(x), y, { reduction: 'none' });
  const p = ops.exp(ops.neg(plain));
  const line = ops.add(ops.mul(p, -TAU), Math.log(TAU) + 1);
  return ops.mean(ops.where(ops.less(p, 1 / TAU), line, plain));
};

export const LABEL_NOISE: Claim = {
  name: 'label-noise',
  paper: 'Menon et al. 2020, Can Gradient Clipping Mitigate Label Noise?',
  says: 'clipping the gradient gives no robustness to label noise; partially Huberized losses, which clip the loss of each row, do',
  trial:
    'label-noise trained four times as long (two fifths of labels wrong), SGD with momentum and AdamW at their rates: share of errors on clean labels with global norms of .1 and 1 (the better one), and with the partially Huberized loss (tau 2), over that of cross-entropy without a clip',
  rule: 'the first half holds where the 95 % interval of the ratio with a clip is not below .95, the second where that of the Huberized loss is below 1; confirmed if both hold with both optimizers, not confirmed if a half holds with neither, else it depends',
  run({ seeds, part }) {
    const own = workloadOf('label-noise');
    const workload: LabWorkload = { ...own, steps: 4 * own.steps };
    const found = (['sgd', 'adam'] as const).map((kind) => {
      const errors = (policy: Policy, loss: LabWorkload['loss'] = workload.loss): number[] =>
        seeds.map((seed) => {
          let wrong = 1;
          train({ workload, optimizer: workload.optimizers[kind], policy, seed, part, loss }, (trainer, { test }) => {
            const { y } = test as unknown as { readonly y: Int32Array };
            const { data } = trainer.predictSync(test as Arrays) as unknown as { readonly data: Float32Array };
            const classes = data.length / y.length;
            wrong = mean(
              Array.from(y, (label, r) => {
                const row = data.subarray(r * classes, (r + 1) * classes);
                return row.indexOf(Math.max(...row)) === label ? 0 : 1;
              }),
            );
          });
          return Math.max(wrong, 1e-3);
        });
      const plain = errors(clip.none);
      const clips = [0.1, 1].map((c) => errors(() => clip.globalNorm(c)));
      const clipped = clips.reduce((a, b) => (mean(b) < mean(a) ? b : a));
      const huber = errors(clip.none, huberized);
      const over = (values: readonly number[]) => ratioOf(values.map((v, k) => v / plain[k]!));
      return { kind, plain: mean(plain), clipped: over(clipped), huber: over(huber) };
    });
    const first = found.filter(({ clipped }) => clipped.high >= 0.95).length;
    const second = found.filter(({ huber }) => huber.high < 1).length;
    const told = ({ value, low, high }: ReturnType<typeof ratioOf>): string => `${show(value)} (${show(low)} to ${show(high)})`;
    return {
      verdict: first === 2 && second === 2 ? 'confirmed' : first === 0 || second === 0 ? 'not confirmed' : 'depends',
      figures: found
        .map(
          (f) =>
            `${f.kind === 'sgd' ? 'SGD' : 'AdamW'}: errors ${show(f.plain)}, ratio with a clip ${told(f.clipped)}, Huberized ${told(f.huber)}`,
        )
        .join('; '),
    };
  },
};
