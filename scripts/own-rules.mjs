// own-rules.mjs: what an optimizer of one's own costs beside the built-in of the same rule: `npm run -s measure:own-rules -- [ROUNDS] [SIZES]`, 40
// rounds of 64Ki, 1Mi and 8Mi parameters by default. Both step the same arrays' copies in turns, one thread, and end with the same bits; then both train
// a small model. Prints medians of microseconds and built-in / own, the speed of one's own as a share of the built-in's.
import { availableParallelism, loadavg } from 'node:os';
import { REWRITTEN } from '../dist/bench/rewritten.js';
import { WORKLOAD } from '../dist/bench/workloads/mlp-small.js';
import { clip, Trainer } from '../dist/lib/index.js';

const [given = '40', list = `${2 ** 16},${2 ** 20},${2 ** 23}`] = process.argv.slice(2);
const rounds = Number(given);
const sizes = list.split(',').filter(Boolean).map(Number);

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const rounded = (x) => Number(x.toPrecision(3));
const wave = (n, by) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * by) * 0.1);

/** Medians of microseconds of two things that are done in turns. */
function inTurns(times, first, second) {
  const found = [[], []];
  for (let k = -2; k < times; k++) {
    // The one that begins changes: neither always finds what the other left in the caches.
    for (const way of k % 2 === 0 ? [0, 1] : [1, 0]) {
      const start = performance.now();
      (way === 0 ? first : second)();
      if (k >= 0) found[way].push(1000 * (performance.now() - start));
    }
  }
  return found.map(median);
}

const tell = (what, rule, [builtIn, own], same) =>
  console.log(
    JSON.stringify({ what, rule, builtIn_us: rounded(builtIn), own_us: rounded(own), speed: rounded(builtIn / own), same }),
  );

for (const n of sizes) {
  for (const [rule, make] of Object.entries(REWRITTEN)) {
    const { builtIn, own } = make();
    const grads = [wave(n, 1.7)];
    const arrays = [0, 1].map(() => [wave(n, 0.9)]);
    const steps = [builtIn, own].map((optimizer, k) => {
      const bound = optimizer.bind(arrays[k], { threads: 1, clip: clip.none({ measure: false }) });
      return () => bound.step(grads);
    });
    const times = inTurns(n < 2 ** 20 ? 10 * rounds : rounds, ...steps);
    const same = Buffer.from(arrays[0][0].buffer).equals(Buffer.from(arrays[1][0].buffer));
    tell(`${n} parameters`, rule, times, same);
  }
}

const batch = WORKLOAD.batch();
for (const [rule, make] of Object.entries(REWRITTEN)) {
  const { builtIn, own } = make();
  const trainers = [builtIn, own].map((optimizer) => {
    return new Trainer({ model: WORKLOAD.model(), loss: WORKLOAD.loss, optimizer, clip: clip.globalNorm(1), threads: 1 });
  });
  const times = inTurns(10 * rounds, ...trainers.map((trainer) => () => trainer.stepSync(batch)));
  const weights = [];
  for (const trainer of trainers) {
    const values = [...(await trainer.readParameters()).values()].map(({ data }) =>
      Buffer.from(data.slice().buffer).toString('hex'),
    );
    weights.push(values.join());
  }
  tell('a step of mlp-small', rule, times, weights[0] === weights[1]);
}
console.log(JSON.stringify({ cpus: availableParallelism(), load: loadavg().map(rounded) }));
