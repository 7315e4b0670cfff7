// mistakes.mjs: what goes wrong in docs/TROUBLESHOOTING.md, one after the other, as a user writes it: prints the messages, as JSON. Run in an empty
// folder, under which this package is found by its name.
import { readFileSync, writeFileSync } from 'node:fs';
import { clip, io, loss, nn, ops, optim, preprocess, Trainer } from 'gradclip';

const x = { data: Float32Array.from({ length: 4096 * 64 }, (_, i) => Math.sin(i * i)), shape: [4096, 64] };
const y = Int32Array.from({ length: 4096 }, (_, i) => i % 10);
const net = (hidden = 32) =>
  new nn.Sequential(
    new nn.Linear(64, hidden),
    new nn.ReLU(),
    new nn.Linear(hidden, hidden),
    new nn.ReLU(),
    new nn.Linear(hidden, 10),
  );
const crossEntropy = ({ x, y }, model) => loss.crossEntropy(model.forward(x), y);
const trainer = (options = {}) => new Trainer({ model: net(), loss: crossEntropy, optimizer: optim.adamw(), ...options });
const fit = (options = {}, data = { x, y }) => trainer(options).fit(data, { epochs: 1 });
const rate = (lr) => ({ optimizer: optim.sgd({ lr }) });

/** A model of one output a row, and numbers as targets. */
const column = (model) => ({ model, loss: ({ x, y }, m) => loss.mse(ops.reshape(m.forward(x), [-1]), y) });
const values = Float32Array.from(y);

/** A model of one layer, with this as its forward. */
function model(forward) {
  class Net extends nn.Module {
    fc = new nn.Linear(64, 10);
    forward(x) {
      return forward.call(this, x);
    }
  }
  return { model: new Net() };
}

const mistakes = [
  () => fit({}, { x: { ...x, data: x.data.map((v, i) => (i === 5 * 64 + 3 ? Number.NaN : v)) }, y }),
  () => fit(rate(1e6)),
  () => fit({ ...column(new nn.Linear(64, 1)), ...rate(1e3) }, { x, y: values }),
  () => fit(rate(0)),
  () => fit(rate(optim.schedule.exponential(0.1, { gamma: 0.5 }))),
  () => {
    class Net extends nn.Module {
      a = new nn.Linear(64, 10);
      b = new nn.Linear(3, 3);
      forward(x) {
        return this.a.forward(x);
      }
    }
    return fit({ model: new Net() });
  },
  () => fit({ loss: ({ x }, model) => ops.mean(ops.oneHot(ops.argmax(model.forward(x)), { classes: 10 })) }),
  () => fit({ loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y, { ignoreIndex: 0 }) }, { x, y: y.map(() => 0) }),
  () => fit({}, { x: { data: x.data.subarray(0, 4096 * 32), shape: [4096, 32] }, y }),
  () => fit({}, { x: x.data, y }),
  () => fit({ model: new nn.Linear(64, 1), loss: ({ x, y }, model) => loss.mse(model.forward(x), y) }, { x, y: values }),
  () => trainer({ ...column(new nn.Linear(64, 1)), preprocess: { y: preprocess.standardize().fit(values) } }).predict(x),
  () => fit({}, { x, y: y.map((label) => label + 1) }),
  () => fit({}, { x, y: { data: new Int32Array(40960), shape: [4096, 10] } }),
  () => fit({}, { x: [[1, 2], [3]], y: [0, 1] }),
  () => fit({}, { x: [['a', 'b']], y: [0] }),
  () => fit({ loss: ({ x, z }, model) => loss.crossEntropy(model.forward(x), z) }),
  () => fit({ loss: loss.crossEntropy }),
  () =>
    fit(
      model(function (x) {
        return this.fc(x);
      }),
    ),
  () =>
    fit(
      model(function (x) {
        return this.fc.forward(x).relu();
      }),
    ),
  () =>
    fit(
      model(function (x) {
        const h = this.fc.forward(x);
        return h > 0 ? h : x;
      }),
    ),
  () => optim.adamw({ learningRate: 1e-3 }),
  () => trainer().fit({ x, y }, { epoch: 1 }),
  () => trainer().fit({ x, y }, { epochs: 1, earlyStop: { patience: 3 } }),
  async () => {
    const busy = trainer();
    const run = busy.fit({ x, y }, { epochs: 1000 });
    try {
      await busy.fit({ x, y }, { epochs: 1 });
    } finally {
      run.stop();
      await run;
    }
  },
  async () => {
    const busy = trainer();
    const run = busy.fit({ x, y }, { epochs: 1000 });
    try {
      await trainer({ model: busy.model }).predict(x);
    } finally {
      run.stop();
      await run;
    }
  },
  () => {
    const done = trainer();
    done.dispose();
    return done.predict(x);
  },
  () => {
    // Each value of a batch times each other one.
    const all = (x) => ops.mean(ops.matmul(ops.reshape(x, [-1, 1]), ops.reshape(x, [1, -1])));
    return fit({ batchSize: 4096, loss: ({ x }, model) => ops.add(all(ops.gelu(x)), ops.mean(model.forward(x))) });
  },
  () => trainer({ model: net(48) }).load('r.safetensors'),
  () => trainer({ optimizer: optim.sgd({ momentum: 0.9 }) }).load('r.safetensors'),
  () => trainer({ model: net(48) }).fit({ x, y }, { epochs: 1, resume: 'r.safetensors' }),
  () => trainer().fit({ x, y }, { epochs: 1, resume: 'w.safetensors' }),
  () => trainer().fit({ x, y }, { epochs: 1, resume: 'auto' }),
  async () => {
    const checkpoint = { file: 'tt.safetensors', every: { steps: 2 }, keep: 2 };
    const options = { batchSize: 2048, model: net(8) };
    await trainer(options).fit({ x, y }, { epochs: 2, checkpoint });
    writeFileSync('tt.safetensors', readFileSync('tt.safetensors').subarray(0, 1000));
    return trainer({ ...options, model: net(8) }).fit({ x, y }, { epochs: 2, checkpoint, resume: 'auto' });
  },
  () => trainer().load('m.pt'),
  () => trainer().load('m.lfs'),
  () => io.readCsv('m.csv'),
];

const saved = trainer({ clip: clip.none() });
await saved.save('r.safetensors');
await saved.save('w.safetensors', { weightsOnly: true });
writeFileSync('m.pt', Buffer.from([0x80, 2, 0x8a, 10, ...new Array(100).fill(0)]));
writeFileSync('m.lfs', 'version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n');
writeFileSync('m.csv', 'a,b\n1,2\n3,\n');

const messages = [];
for (const mistake of mistakes) {
  try {
    const { warnings } = await mistake();
    messages.push(...warnings.map(({ message }) => message));
  } catch (error) {
    messages.push(error.message);
  }
}
console.log(JSON.stringify(messages));
