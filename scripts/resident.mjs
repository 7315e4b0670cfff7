// resident.mjs: resident memory of this process over a long time: what soak-workers.mjs and soak-fits.mjs look at. Needs --expose-gc.
import { setImmediate as turn } from 'node:timers/promises';

const MIB = 2 ** 20;

/** MiB, garbage collected: V8's heap by what is alive in it, since it grows by itself to what suits the rate at which it is used. */
export async function resident() {
  for (let k = 0; k < 3; k++) {
    globalThis.gc();
    await turn();
  }
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  return (rss - heapTotal + heapUsed) / MIB;
}

/** What it grows by for each unit of work, by least squares through [work, MiB] of the last three quarters: what is needed once comes before. */
export function growth(samples) {
  const steady = samples.slice(Math.floor(samples.length / 4));
  const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const [x, y] = [0, 1].map((k) => mean(steady.map((sample) => sample[k])));
  const above = steady.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0);
  const below = steady.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
  return above / below;
}

/** True from the moment the process is told to end: then what there is so far is told. */
export function interrupted() {
  const told = { so: false };
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      told.so = true;
    });
  }
  return () => told.so;
}

// Through fewer there is no line.
const FEWEST = 8;

/** One JSON line, and exit code 1 where it grows by more than `most` MiB over all of the work. */
export function report(facts, samples, { per, most }) {
  const rate = samples.length < FEWEST ? null : growth(samples);
  const flat = rate === null ? null : rate * (samples.at(-1)[0] - samples[0][0]) <= most;
  const mib = samples.map(([, m]) => Math.round(m));
  const named = { ...facts, mib, [`mib_per_${per}`]: rate && Number((rate * per).toFixed(3)), flat };
  console.log(JSON.stringify(named));
  if (flat === false) process.exitCode = 1;
}

/** Runs a script of this folder again with what it needs; true in the process that is to work. */
export async function withGc(url) {
  if (globalThis.gc) return true;
  const { spawnSync } = await import('node:child_process');
  const { fileURLToPath } = await import('node:url');
  const argv = ['--expose-gc', fileURLToPath(url), ...process.argv.slice(2)];
  const { status, signal } = spawnSync(process.execPath, argv, { stdio: 'inherit' });
  if (signal) console.error(`ended by ${signal}`);
  process.exitCode = status ?? 1;
  return false;
}
