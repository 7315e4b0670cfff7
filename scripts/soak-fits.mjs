// soak-fits.mjs: fit after fit in one process, of new trainers and of one again and again, with errors and aborts in between:
// `npm run -s soak:fits -- [FITS]`, 100,000 by default. Memory must stay flat. One JSON line tells; the exit code is 1 where it does not.
import { clip, GradclipError, loss, nn, ops, optim, Trainer } from '../dist/lib/index.js';
import { interrupted, report, resident, withGc } from './resident.mjs';

const MOST_MIB = 32;

const rows = (n, wrong = -1) => ({
  x: { data: Float32Array.from({ length: n * 6 }, (_, i) => Math.sin(i * i)), shape: [n, 6] },
  y: Int32Array.from({ length: n }, (_, i) => (i === wrong ? 99 : i % 3)),
});
const model = () => new nn.Sequential(new nn.Linear(6, 16), ops.relu, new nn.Dropout(0.1), new nn.Linear(16, 3));
const make = (more = {}) =>
  new Trainer({
    model: model(),
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
    optimizer: optim.adamw({ lr: 1e-3 }),
    clip: clip.globalNorm(1),
    batchSize: 8,
    ...more,
  });
async function* stream(count, error) {
  for (let k = 0; k < count; k++) yield rows(5 + (k % 4));
  if (error) throw error;
}
/** What such a fit must end with. */
async function fails(fit, expected) {
  try {
    await fit();
  } catch (error) {
    if (expected(error)) return;
    throw error;
  }
  throw new Error('a fit that had to fail did not');
}
const isOurs = (error) => error instanceof GradclipError;

/** One that lives as long as the process, fitted in each way. */
const kept = make({ accumulate: 2, ema: { decay: 0.9 }, threads: 2 });
const [data, wrong] = [rows(20), rows(20, 13)];
const broke = new Error('the stream broke');

const FITS = [
  () => kept.fit(data, { steps: 2 }),
  () => kept.fitSync(data, { epochs: 1 }),
  (k) => kept.fit(rows(9 + (k % 40)), { epochs: 1 }),
  () => kept.fit(data, { steps: 3, validation: data, validateEvery: 2 }),
  () => kept.fit(() => stream(3), { epochs: 1 }),
  () =>
    fails(
      () => kept.fit(() => stream(2, broke), { epochs: 1 }),
      (error) => error === broke || error.cause === broke,
    ),
  // An epoch may have begun before: two of them have every row.
  () => fails(() => kept.fit(wrong, { epochs: 2 }), isOurs),
  () => fails(async () => kept.fitSync(wrong, { epochs: 2 }), isOurs),
  () => fails(async () => kept.fit(data, { steps: -1 }), isOurs),
  () => fails(() => kept.fit(data, { steps: 1e9, signal: AbortSignal.abort() }), isOurs),
  () => {
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    return fails(() => kept.fit(data, { steps: 1e9, signal: controller.signal }), isOurs);
  },
  () => {
    const run = kept.fit(data, { steps: 1e9 });
    setImmediate(() => run.stop());
    return run;
  },
  async () => {
    for await (const _ of kept.fit(data, { steps: 1e9 })) break;
  },
  async () => {
    const trainer = make();
    await trainer.fit(data, { steps: 2 });
    await trainer.predict(data.x);
    trainer.dispose();
  },
  () => {
    const trainer = make();
    trainer.fitSync(data, { steps: 1 });
    trainer.dispose();
  },
  // Dropped: the garbage collector finds it.
  () => make().fit(data, { steps: 2 }),
  () => {
    const trainer = make();
    const run = trainer.fit(data, { steps: 1e9 });
    trainer.dispose();
    return run;
  },
  () => fails(() => make().fit(wrong, { epochs: 2 }), isOurs),
];

async function soak(total) {
  const samples = [];
  const each = Math.max(1, Math.ceil(total / 20));
  const started = performance.now();
  const ends = interrupted();
  let k = 0;
  for (; k < total && !ends(); k++) {
    await FITS[k % FITS.length](k);
    if ((k + 1) % each === 0) samples.push([k + 1, await resident()]);
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  report({ soak: 'fits', fits: k, seconds }, samples, { per: 10_000, most: MOST_MIB });
}

if (await withGc(import.meta.url)) await soak(Number(process.argv[2] ?? 100_000));
