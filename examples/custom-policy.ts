// custom-policy.ts: a clip policy of your own: no gradient may be more than `k` times as long as the one before it. It is measured in f64,
// applied inside the optimizer's update, skips steps that are not finite, and keeps what it remembers in checkpoints, as the policies of
// the library do.
import { clip, loss, nn, ops, optim, Trainer } from 'gradclip';

const { checkLimit, checkPolicy, measure, remembered, scaled, scaleOf } = clip.parts;

export function growth(k = 2, options: clip.NonFiniteOptions = {}): clip.ClipPolicy {
  // Wrong options are one clear error, when the policy is made.
  const rules = checkPolicy('growth', options, []);
  const limit = checkLimit('growth', 'k', k, { min: 1 });
  return {
    name: 'growth',
    maxSkips: rules.maxSkips,
    // Called once, while the training step is put together: everything below is a node of its graph.
    build(context) {
      // The norm of all gradients, f64 (m.each: of each), and what to do about NaN.
      const m = measure(context, rules);
      // A number that outlives the step. A skipped step leaves it alone.
      const last = remembered(context, m, 'last', [], Number.POSITIVE_INFINITY);
      const at = ops.mul(limit.at(context), last.now);
      const scale = scaleOf(m.total, at); // exactly 1 up to the threshold, then threshold / norm
      last.next(ops.mul(m.total, scale));
      return scaled(context, m, scale, { threshold: at });
    },
  };
}

/** Train with it, stop, and go on from the checkpoint. */
export async function main(file: string): Promise<readonly number[]> {
  const x = Float32Array.from({ length: 2000 }, (_, i) => Math.sin(i * i));
  const y = Int32Array.from({ length: 1000 }, (_, i) => (x[2 * i]! * x[2 * i + 1]! > 0 ? 1 : 0));
  const data = { x: { data: x, shape: [1000, 2] }, y };
  const make = () =>
    new Trainer({
      model: new nn.Sequential(new nn.Linear(2, 32), new nn.ReLU(), new nn.Linear(32, 2)),
      loss: (batch, model) => loss.crossEntropy(model.forward(batch.x), batch.y),
      optimizer: optim.adamw({ lr: 1e-2 }),
      clip: growth(1.2),
    });
  using first = make();
  await first.fit(data, { epochs: 5 });
  await first.save(file);
  using trainer = make();
  await trainer.load(file);
  const losses: number[] = [];
  let clipped = 0;
  for await (const report of trainer.fit(data, { epochs: 15 })) {
    losses.push(report.loss);
    clipped += Number(report.clipped);
  }
  console.log(`loss ${losses[0]!.toFixed(3)} -> ${losses.at(-1)!.toFixed(3)}, ${clipped} of ${losses.length} steps clipped`);
  return losses;
}
