// start.mjs: how long a user waits at first. `npm run -s measure:start -- [PROCESSES [PACKAGE]]` prints one JSON line: medians over fresh
// processes, in milliseconds. `first_step`: from before the import to the end of a first step of mlp-small. `layers_100`: from a model of
// 100 layers to a program bound to memory, after the import; not where PACKAGE is the folder of an installed package, which is measured in place of
// this checkout.
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const [first = '11', installed] = process.argv.slice(2);

const noise = (size) => Float32Array.from({ length: size }, Math.random);

async function firstStep() {
  const times = [performance.now()];
  const { clip, loss, nn, ops, optim, Trainer } = await import(
    installed ? pathToFileURL(join(installed, 'dist/bundle/index.js')).href : '../dist/bundle/index.js'
  );
  times.push(performance.now());
  const data = {
    x: { data: noise(64 * 784), shape: [64, 784] },
    y: Int32Array.from({ length: 64 }, (_, i) => i % 10),
  };
  times.push(performance.now());
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(784, 256), ops.relu, new nn.Linear(256, 128), ops.relu, new nn.Linear(128, 10)),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.sgd({ lr: 1e-2, momentum: 0.9 }),
    clip: clip.globalNorm(1),
    batchSize: 64,
  });
  times.push(performance.now());
  await trainer.fit(data, { steps: 1 });
  times.push(performance.now());
  const [load, , made, step] = times.slice(1).map((t, i) => t - times[i]);
  // Making up the data is not ours.
  return { first_step: load + made + step, of_import: load, of_trainer: made, of_fit: step };
}

async function layers100() {
  const [{ clip, loss, nn, ops, optim }, { compileStep }] = await Promise.all([
    import('../dist/lib/index.js'),
    import('./compile-step.mjs'),
  ]);
  const layers = Array.from({ length: 100 }, () => [new nn.Linear(64, 64), ops.relu]).flat();
  const { times } = compileStep({
    model: new nn.Sequential(...layers),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.adamw({ lr: 1e-3 }),
    clip: clip.globalNorm(1),
    data: { x: { data: noise(32 * 64), shape: [32, 64] }, y: { data: noise(32 * 64), shape: [32, 64] } },
  });
  const { trace, compile, bind } = times;
  return { layers_100: trace + compile + bind, of_trace: trace, of_compile: compile, of_bind: bind };
}

/** A differential equation whose 1,200 explicit Euler steps, x + dt f(x), are trained through; f has two layers, or four coefficients. */
async function euler(name, makeF) {
  const [{ clip, loss, nn, ops, optim }, { compileStep }] = await Promise.all([
    import('../dist/lib/index.js'),
    import('./compile-step.mjs'),
  ]);
  class Euler extends nn.Module {
    f = makeF(nn, ops);
    forward(x) {
      for (let k = 0; k < 1200; k++) x = ops.add(x, ops.mul(this.f.forward(x), 1 / 1200));
      return x;
    }
  }
  const { times, program } = compileStep({
    model: new Euler(),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.adamw({ lr: 1e-3 }),
    clip: clip.globalNorm(1),
    data: { x: { data: noise(32 * 2), shape: [32, 2] }, y: { data: noise(32 * 2), shape: [32, 2] } },
  });
  const { trace, compile, bind } = times;
  return {
    [name]: trace + compile + bind,
    [`${name}_of_trace`]: trace,
    [`${name}_of_compile`]: compile,
    [`${name}_of_bind`]: bind,
    [`${name}_instructions`]: program.instrs.length,
  };
}

/** x' = a x + b x^3, elementwise, with a coefficient for each of two columns. */
const cubic = (nn, ops) => {
  class Cubic extends nn.Module {
    a = new nn.Parameter([2]);
    b = new nn.Parameter([2]);
    forward(x) {
      return ops.add(ops.mul(this.a, x), ops.mul(this.b, ops.mul(x, ops.square(x))));
    }
  }
  return new Cubic();
};

const CHILDREN = {
  firstStep,
  ...(!installed && {
    layers100,
    euler1200: () => euler('euler_1200', cubic),
    eulerLayers1200: () =>
      euler('euler_layers_1200', (nn) => new nn.Sequential(new nn.Linear(2, 16), new nn.Tanh(), new nn.Linear(16, 2))),
  }),
};
if (first in CHILDREN) console.log(JSON.stringify(await CHILDREN[first]()));
else {
  const found = {};
  for (const name of Object.keys(CHILDREN)) {
    const runs = Array.from({ length: Number(first) }, () =>
      JSON.parse(
        execFileSync(process.execPath, [fileURLToPath(import.meta.url), name, ...(installed ? [installed] : [])], {
          encoding: 'utf8',
        }),
      ),
    );
    for (const key of Object.keys(runs[0])) {
      const sorted = runs.map((run) => run[key]).sort((a, b) => a - b);
      found[key] = Number(sorted[sorted.length >> 1].toFixed(1));
    }
  }
  const machine = { cpu: cpus()[0]?.model, cpus: availableParallelism(), node: process.version, load: loadavg()[0] };
  console.log(JSON.stringify({ ...found, processes: Number(first), ...machine }));
}
