// mlps.mjs: the workloads that peers in JavaScript can express, for each to make its own tensors of; and how they are timed.
import { option, serve } from '../../dist/bench/engines/serve.js';
import { floats, ids, linearBounds, SEED } from '../../dist/bench/workload.js';
import { sampleOf } from '../../dist/lib/cli/bench/sample.js';
import { uniform } from '../../dist/test/golden/runs/recipe.js';

const MLPS = {
  'mlp-tiny': { sizes: [10, 10, 1], rows: 32, classify: false, optimizer: 'sgd' },
  'mlp-small': { sizes: [784, 256, 128, 10], rows: 64, classify: true, optimizer: 'sgd' },
  'mlp-large': { sizes: [1024, 4096, 4096, 1024], rows: 256, classify: false, optimizer: 'adamw' },
};

/** The workload `name`: a batch and the layers' first values, as arrays with their shapes; null where there is none. */
function mlp(name) {
  if (!MLPS[name]) return null;
  const { sizes, rows, classify, optimizer } = MLPS[name];
  const outs = sizes.at(-1);
  const bounds = linearBounds(...sizes.slice(0, -1));
  const fill = (k, ...shape) => ({
    data: uniform(
      k,
      shape.reduce((a, b) => a * b),
    ).map((u) => u * bounds[k]),
    shape,
  });
  return {
    x: floats(SEED.x, rows, sizes[0]),
    y: classify ? ids(SEED.y, outs, rows) : floats(SEED.y, rows, outs),
    classify,
    optimizer,
    /** Weights are [out, in], as PyTorch has them. */
    layers: sizes.slice(1).map((out, i) => [fill(2 * i, out, sizes[i]), fill(2 * i + 1, out)]),
    params: sizes.slice(1).reduce((sum, out, i) => sum + out * (sizes[i] + 1), 0),
  };
}

/** Variants `square` and `product`: `make(m, n, k)` gives a call of one product. */
async function products(make) {
  const sizes = option('--product');
  if (!process.argv.includes('--product')) return {};
  const variant = async (m, n, k) => {
    const call = await make(m, n, k);
    await call();
    return timed(call, Math.max(1, Math.floor(2e7 / (2 * m * n * k))));
  };
  return { square: await variant(1024, 1024, 1024), product: await variant(...sizes.split('x').map(Number)) };
}

/** A variant that makes so many calls of each sample; a first one brings back to the caches what others have driven out. */
function timed(call, calls = 1) {
  return async (seconds) => {
    await call();
    const times = [];
    const end = performance.now() + seconds * 1000;
    while (times.length === 0 || (performance.now() < end && times.length < 20_000)) {
      const start = performance.now();
      for (let i = 0; i < calls; i++) await call();
      times.push((performance.now() - start) / calls);
    }
    return sampleOf(times, calls);
  };
}

/** Of the first three steps. */
async function firstSteps(step) {
  const reports = [await step(), await step(), await step()];
  return { loss: reports.map(([loss]) => loss), norm: reports.map(([, norm]) => norm) };
}

/** What a JavaScript peer does: the cell that it is asked for, of `open(workload)`, which gives { params, variant(clip) => step, product(m, n, k) => call }. */
export async function serveSteps(open) {
  const workload = mlp(option('--cell'));
  if (option('--suite') !== 'step') return serve('whole steps only');
  if (!workload) return serve(`no model for ${option('--cell')}`);
  const { params, variant, product } = await open(workload);
  const [clipped, free] = [variant(true), variant(false)];
  const info = { params, ...(await firstSteps(clipped)) };
  return serve({ info, variants: { step: timed(clipped), noclip: timed(free), ...(await products(product)) } });
}
