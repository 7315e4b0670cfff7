// memory.mjs: that a step in steady state takes no more memory. `npm run -s measure:memory -- [PART]` prints one JSON line for each part:
// resident memory over 100,000 steps of mlp-tiny and 5,000 of mlp-small, in chunks and nobody reading the reports; what a step leaves to
// the garbage collector; the arena of mlp-large against the least that lifetimes allow; arena and time of a step of gpt-mini whose blocks are computed
// again in the backward pass, beside one that keeps them, and of one whose activations are kept as bf16, beside one that keeps them as f32, with what the
// process takes for its first steps, as the bench measures it of all engines; and what predictions for 300 lengths add to those for one.
// Needs --expose-gc.
import { execFileSync } from 'node:child_process';
import { Session } from 'node:inspector/promises';
import { fileURLToPath } from 'node:url';
import { warmUp } from '../dist/bench/engines/step.js';
import { watchMemory } from '../dist/bench/memory.js';
import { fillParameters } from '../dist/bench/workload.js';
import { clip, loss, nn, optim, Trainer } from '../dist/lib/index.js';
import { compileStep } from './compile-step.mjs';

const MIB = 2 ** 20;
// Steps in an epoch of the batch repeated: the end of an epoch costs more than a step of mlp-tiny.
const EPOCH = 64;
const round = (value, digits = 1) => Number(value.toFixed(digits));

async function workload(name) {
  const { WORKLOAD } = await import(`../dist/bench/workloads/${name}.js`);
  const model = WORKLOAD.model();
  fillParameters(model, WORKLOAD.bounds);
  const { loss } = WORKLOAD;
  const optimizer = WORKLOAD.optimizer === 'adamw' ? optim.adamw({ lr: 1e-4 }) : optim.sgd({ lr: 1e-4, momentum: 0.9 });
  return { model, loss, optimizer, clip: clip.globalNorm(1), data: WORKLOAD.batch() };
}

/** MiB outside V8's heap, and the bytes alive in it. */
function resident() {
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  return { native: (rss - heapTotal) / MIB, alive: heapUsed, external: external + arrayBuffers };
}

/** One run of so many steps after a warm-up, looked at ten times. */
async function steady(name, steps) {
  const { data, ...options } = await workload(name);
  const trainer = new Trainer({ ...options, batchSize: data.x.shape[0] });
  const repeated = repeat(data, EPOCH);
  const epochs = Math.ceil(steps / EPOCH);
  const warm = Math.ceil(epochs / 2);
  const samples = [];
  const onEpoch = ({ epoch }) => {
    if (epoch < warm || (epoch - warm) % Math.ceil(epochs / 10) !== 0) return;
    for (let k = 0; k < 3; k++) globalThis.gc();
    samples.push(resident());
  };
  await trainer.fit(repeated, { epochs: warm + epochs, onEpoch });
  const [before, after] = [samples[0], samples.at(-1)];

  return {
    measure: 'steady',
    workload: name,
    steps: epochs * EPOCH,
    native_mib: samples.map(({ native }) => round(native)),
    grown_bytes_per_step: round(((after.native - before.native) * MIB) / (epochs * EPOCH), 2),
    alive_grown_bytes: after.alive - before.alive,
    external_grown_bytes: after.external - before.external,
  };
}

/** What steps leave to the garbage collector, in V8's heap: by its sampling profiler, which counts what was collected too. */
async function garbage(name) {
  const { data, ...options } = await workload(name);
  const trainer = new Trainer({ ...options, batchSize: data.x.shape[0] });
  // An epoch longer than any run here: its end leaves something too, but not for each step.
  const repeated = repeat(data, 1000 * EPOCH);
  const session = new Session();
  session.connect();
  const left = async (steps, chunkSteps) => {
    await session.post('HeapProfiler.startSampling', {
      samplingInterval: 512,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    await trainer.fit(repeated, { steps, chunkSteps });
    const { profile } = await session.post('HeapProfiler.stopSampling');
    const bytes = (node) => node.children.reduce((sum, child) => sum + bytes(child), node.selfSize);
    return bytes(profile.head);
  };
  // Until its functions are compiled: before that every number is an object.
  await trainer.fit(repeated, { steps: 1000 * EPOCH, chunkSteps: EPOCH });
  // As many chunks, of few steps and of many: what is left over is the steps'.
  const chunks = 100;
  const pairs = await series(5, async () => [await left(chunks * 16, 16), await left(chunks * 256, 256)]);
  const [few, many] = [0, 1].map((k) => median(pairs.map((pair) => pair[k])));
  const perStep = (many - few) / (chunks * 240);
  return {
    measure: 'garbage',
    workload: name,
    bytes_per_chunk: round(few / chunks - 16 * perStep, 0),
    bytes_per_step: round(perStep, 1),
  };
}

/** The batch again and again. */
function repeat(data, times) {
  return Object.fromEntries(
    Object.entries(data).map(([name, { data: values, shape }]) => {
      const all = new values.constructor(values.length * times);
      for (let k = 0; k < times; k++) all.set(values, k * values.length);
      return [name, { data: all, shape: [shape[0] * times, ...shape.slice(1)] }];
    }),
  );
}

async function series(times, make) {
  const found = [];
  for (let k = 0; k < times; k++) found.push(await make(k));
  return found;
}
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

async function arena(name) {
  const { program, plan } = compileStep(await workload(name));
  const { lowerBound } = plan();
  return {
    measure: 'arena',
    workload: name,
    arena_bytes: program.arenaBytes,
    lower_bound: lowerBound,
    over_percent: round(100 * (program.arenaBytes / lowerBound - 1), 2),
  };
}

/** The arenas of a step under two sets of a trainer's options, and the times of steps in turns, in milliseconds. */
async function compared(name, ways) {
  const arenas = await series(2, async (k) => compileStep({ ...(await workload(name)), ...ways[k] }).program.arenaBytes);
  const trainers = await series(2, async (k) => ({ ...(await trainerOf(name, ways[k])), times: [] }));
  for (let k = 0; k < 9; k++) {
    for (const { data, trainer, times } of trainers) {
      const start = performance.now();
      await trainer.fit(data, { steps: 2, chunkSteps: 2 });
      times.push((performance.now() - start) / 2);
    }
  }
  const [first, second] = trainers.map(({ times }) => round(median(times.slice(1)), 1));
  return {
    workload: name,
    arena_mib: arenas.map((bytes) => round(bytes / MIB)),
    step_ms: [first, second],
    longer_percent: round(100 * (second / first - 1)),
  };
}

async function trainerOf(name, more) {
  const { data, ...options } = await workload(name);
  return { data, trainer: new Trainer({ ...options, ...more, batchSize: data.x.shape[0] }) };
}

const checkpointed = async (name, pattern) => ({
  measure: 'checkpointed',
  pattern,
  ...(await compared(name, [{}, { checkpointed: [pattern] }])),
});

async function activations(name) {
  const ways = [{ precision: 'bf16' }, { precision: 'bf16', activations: 'bf16' }];
  await warmUp();
  const memory = watchMemory();
  const { data, trainer } = await trainerOf(name, ways[1]);
  await trainer.fit(data, { steps: 3 });
  const process_mib = memory();
  trainer.dispose();
  return { measure: 'activations', process_mib, ...(await compared(name, ways)) };
}

/** A transformer that predicts rows of one length, then of 300. */
async function lengths() {
  const trainer = new Trainer({
    model: new nn.Sequential(
      new nn.Embedding(64, 128),
      ...Array.from({ length: 2 }, () => new nn.TransformerEncoderLayer(128, 4, { dimFeedforward: 256 })),
      new nn.Linear(128, 64),
    ),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
  });
  const predict = (length) => trainer.predict({ x: { data: new Int32Array(8 * length), shape: [8, length] } });
  const rss = () => process.memoryUsage().rss / MIB;
  for (let k = 0; k < 300; k++) await predict(300);
  const one = rss();
  let most = one;
  for (let length = 1; length <= 300; length++) {
    await predict(length);
    most = Math.max(most, rss());
  }
  return { measure: 'lengths', one_mib: round(one), most_more_mib: round(most - one), more_mib: round(rss() - one) };
}

const PARTS = {
  tiny: () => steady('mlp-tiny', 100_000),
  small: () => steady('mlp-small', 5000),
  garbage: () => garbage('mlp-tiny'),
  arena: () => arena('mlp-large'),
  checkpointed: () => checkpointed('gpt-mini', 'blocks.*'),
  activations: () => activations('gpt-mini'),
  lengths,
};
const [asked] = process.argv.slice(2);
if (globalThis.gc) console.log(JSON.stringify(await PARTS[asked]()));
else {
  for (const name of asked ? [asked] : Object.keys(PARTS)) {
    const argv = ['--expose-gc', fileURLToPath(import.meta.url), name];
    execFileSync(process.execPath, argv, { stdio: 'inherit' });
  }
}
