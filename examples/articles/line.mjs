// line.mjs: linear regression whose output is clamped, with an update of one's own.
import { clip, loss, nn, ops, optim, Trainer } from 'gradclip';

// 400 rows (u, v), and a share: 0.5 + 0.6 u - 0.4 v, cut off at 0 and at 1.
const x = Array.from({ length: 400 }, (_, i) => [Math.sin(i * i), Math.sin(i * i * 3 + 1)]);
const y = x.map(([u, v]) => [Math.min(1, Math.max(0, 0.5 + 0.6 * u - 0.4 * v))]);

// The update: descent with inertia. The gradient that it gets is clipped already.
const inertia = optim.custom({
  name: 'inertia',
  lr: 0.01,
  slots: ['speed'],
  update(p, g, { speed }, { lr }) {
    const next = ops.sub(ops.mul(speed, 0.9), ops.mul(lr, g));
    return { p: ops.add(p, next), slots: { speed: next } };
  },
});

async function fit(what, output, bias) {
  const trainer = new Trainer({
    model: new nn.Linear(2, 1),
    loss: (batch, model) => loss.mse(output(model.forward(batch.x)), batch.y),
    predict: (batch, model) => ops.clamp(model.forward(batch.x), { min: 0, max: 1 }),
    optimizer: inertia,
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
