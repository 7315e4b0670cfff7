// event-loop.mjs: how long the event loop is held up while mlp-large trains (1024-4096-4096-1024, batch 256, MSE, AdamW).
// `npm run -s measure:event-loop -- [STEPS]` prints one JSON line; delays in milliseconds, the first call's compilation included;
// `active` is all the time in which JavaScript ran.
import { availableParallelism, loadavg } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { clip, loss, nn, ops, optim, runtime, Trainer } from '../dist/lib/index.js';

const steps = Number(process.argv[2] ?? 20);
const rows = 512;
const noise = (size) => Float32Array.from({ length: size }, Math.random);
const data = {
  x: { data: noise(rows * 1024), shape: [rows, 1024] },
  y: { data: noise(rows * 1024), shape: [rows, 1024] },
};
const trainer = new Trainer({
  model: new nn.Sequential(new nn.Linear(1024, 4096), ops.relu, new nn.Linear(4096, 4096), ops.relu, new nn.Linear(4096, 1024)),
  loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
  optimizer: optim.adamw({ lr: 1e-3 }),
  clip: clip.globalNorm(1),
  batchSize: 256,
});

let timers = 0;
const timer = setInterval(() => timers++, 1);
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const started = performance.now();
const before = performance.eventLoopUtilization();
await trainer.fit(data, { steps });
const { active } = performance.eventLoopUtilization(before);
const seconds = (performance.now() - started) / 1000;
delay.disable();
clearInterval(timer);
const ms = (ns) => Number((ns / 1e6).toFixed(2));
const { isa, threads } = runtime();
console.log(
  JSON.stringify({
    ...{
      steps,
      seconds: Number(seconds.toFixed(1)),
      isa,
      threads: threads.count,
      cpus: availableParallelism(),
      load: loadavg()[0],
    },
    ...{
      p50: ms(delay.percentile(50)),
      p99: ms(delay.percentile(99)),
      max: ms(delay.max),
      samples: delay.count,
      timers,
      active: Number(active.toFixed(1)),
    },
  }),
);
