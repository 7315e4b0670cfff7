// line.mjs: linear regression whose output is clamped, with an update of one's own.
import { clip, loss, nn, ops, optim, Trainer } from 'gradclip';

// 400 rows (u, v), and a share: 0.5 + 0.6 u - 0.4 v, cut off at 0 and at 1.
const x = Array.from({ length: 400 }, (_, i) => [Math.sin(i * i), Math.sin(i * i * 3 + 1)]);
const y = x.map(([u, v]) => [Math.min(1, Math.max(0, 0.5 + 0.6 * u - 0.4 * v))]);

// The update: descent with inertia. The gradients that it gets are clipped already.
const inertia = (rate, keep) =>
  optim.define({
    name: 'inertia',
    lr: rate,
    slots: (type) => [{ name: 'speed', type }],
    build({ params, grads, slots, column }) {
      const lr = ops.cast(
        column('lr', 1, (step, lr, out) => out.fill(lr)),
        'f32',
      );
      const speed = slots.map(([v], i) => ops.sub(ops.mul(v, keep), ops.mul(lr, grads[i])));
      return { params: params.map((p, i) => ops.add(p, speed[i])), slots: speed.map((v) => [v]) };
    },
  });

async function fit(what, output, bias) {
  const trainer = new Trainer({
    model: new nn.Linear(2, 1),
    loss: (batch, model) => loss.mse(output(model.forward(batch.x)), batch.y),
    predict: (batch, model) => ops.clamp(model.forward(batch.x), { min: 0, max: 1 }),
    optimizer: inertia(0.01, 0.9),
    clip: clip.globalNorm(0.1),
  });
  await trainer.writeParameters({ bias: [bias] });
  await trainer.fit({ x, y }, { epochs: 50 });
  const { data } = await trainer.predict(x);
  const error = Math.max(...y.map(([share], i) => Math.abs(data[i] - share)));
  const found = [...trainer.readParametersSync().values()].flatMap(({ data }) => Array.from(data, (w) => w.toFixed(2)));
  console.log(`${what}: ${found.join(' ')}, error of a share at most ${error.toFixed(2)}`);
}

const clamp = (share) => ops.clamp(share, { min: 0, max: 1 });
await fit('clamped in predict alone', (share) => share, 0.5);
await fit('clamped in the loss too', clamp, 0.5);
await fit('the same from a bias of 3', clamp, 3);
