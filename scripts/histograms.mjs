// histograms.mjs: what the distributions of `callbacks.tensorBoard` cost: `npm run -s measure:histograms`. Prints the median time to count a million weights,
// and what it allocates: they are read where they lie.
import { Histogram } from '../dist/lib/callbacks/histogram.js';

const COUNT = 4_000_000;
const RUNS = 21;
const weights = Float32Array.from({ length: COUNT }, (_, i) => Math.sin(12.9898 * i) / 10);

function once() {
  const histogram = new Histogram();
  const start = performance.now();
  histogram.addAll(weights);
  return (performance.now() - start) / (COUNT / 1e6);
}

const before = process.memoryUsage();
const times = Array.from({ length: RUNS }, once).sort((a, b) => a - b);
const after = process.memoryUsage();
const grown = (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / 2 ** 20;
console.log(
  `${times[RUNS >> 1].toFixed(1)} ms for a million weights, ${grown.toFixed(1)} MiB more for ${RUNS} times ${COUNT / 1e6} million`,
);
