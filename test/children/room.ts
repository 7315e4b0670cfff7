// room.ts: what is asked for in a control group of 400 MiB or little more, and then what fits. node room.js
import { loss, nn, ops, optim, Trainer } from '../../lib/index.ts';

const say = (x: unknown): void => console.log(JSON.stringify(x));
const refused = (work: () => unknown): void => {
  try {
    work();
    say('not refused');
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    say(code === 'ERR_MEMORY' ? message : error);
  }
};

refused(() => new nn.Linear(1 << 13, 1 << 14, { bias: false }).initialize(0));
const model = new nn.Sequential(new nn.Linear(8, 16384), ops.relu, new nn.Linear(16384, 1)).initialize(0);
const make = (): Trainer<typeof model> =>
  new Trainer({ model, loss: ({ x, y }, m) => loss.mse(m.forward(x), y), optimizer: optim.sgd({ lr: 1e-3 }), threads: 2 });
const rows = (n: number, width = 8) => ({
  x: { data: new Float32Array(n * width), shape: [n, width] },
  y: { data: new Float32Array(n), shape: [n, 1] },
});
refused(() => make().fitSync(rows(4096), { batchSize: 4096, steps: 1 }));
// Nothing of this array is there until somebody looks at it.
refused(() => make().fitSync(rows(10 << 20), { steps: 1 }));
make().fitSync(rows(64), { batchSize: 64, steps: 1 });
say('trained');
