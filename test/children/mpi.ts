// mpi.ts: what the processes of a group do in group.test.ts. mpirun -n N node mpi.js all|WORKLOAD|SCENARIO FOLDER: says hashes of checkpoints.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { clip, loss, metrics, models, mpi, nn, ops, optim, prune, sequences, type Tensor } from '../../lib/index.ts';
import { drawSecretKey, SECRET_KEY } from '../../lib/ops/list.ts';
import {
  type Any,
  Carried,
  Convolved,
  Counted,
  Few,
  file,
  folder,
  group,
  hash,
  Large,
  labels,
  Mlp,
  make,
  name,
  numbers,
  plain,
  Reads,
  Recurrent,
  report,
  rows,
  Sparse,
  say,
  single,
  Wide,
  wrong,
} from './together.ts';

const WORKLOADS: Readonly<Record<string, () => readonly [trainer: Any, data: object]>> = {
  mlp: () => [make({ model: new Mlp() }), plain],
  single: () => [make({ model: new Mlp(), clip: clip.zclip() }), single],
  accumulate: () => [make({ model: new Mlp(), accumulate: 2, clip: clip.autoClip(), ema: { decay: 0.9 } }), plain],
  convolved: () => [make({ model: new Convolved(), clip: clip.perTensorNorm(0.3) }), { x: rows(37, 2, 6, 6), y: labels(37, 3) }],
  // Batch norms by the statistics of each part of a batch: the last of the tail is one image.
  resnet20: () => [make({ model: new models.ResNet20(3), clip: clip.globalNorm(1) }), { x: rows(37, 3, 8, 8), y: labels(37, 3) }],
  // By those of all rows of a step, each part of which takes part in them.
  synced: () => [
    make({ model: new models.ResNet20(3), clip: clip.globalNorm(1), syncBatchNorm: true }),
    { x: rows(37, 3, 8, 8), y: labels(37, 3) },
  ],
  text: () => [
    make({
      model: new models.GPT(11, { context: 8, layers: 1, heads: 2, width: 8, dropout: 0.1 }),
      loss: models.gptLoss,
    }),
    { x: { data: labels(37 * 8, 11), shape: [37, 8] }, y: { data: labels(37 * 8, 11).reverse(), shape: [37, 8] } },
  ],
  recurrent: () => [
    make({ model: new Recurrent(), optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }) }),
    { x: rows(37, 5, 3), y: labels(37, 2) },
  ],
  large: () => [make({ model: new Large() }), single],
  wire: () => [make({ model: new Large(), wire: 'bf16' }), single],
  // What is drawn once a step is the same in all processes.
  drawn: () => [make({ model: new Mlp(), clip: clip.qsgd({ levels: 4 }) }), plain],
  // Of the large gradient each sums up its part, and measures that; the others are whole in all.
  largeSharded: () => [make({ model: new Large(), shardOptimizer: true }), single],
  // By sums of abs and maxima of each tensor, of several that are cut.
  ...Object.fromEntries(
    [false, true].map((shardOptimizer) => [
      shardOptimizer ? 'eachSharded' : 'each',
      () => [
        make({
          model: new Few(),
          clip: clip.groups([
            { match: 'second.*', policy: clip.perTensorNorm(0.5, { p: 1 }) },
            { match: '*', policy: clip.perTensorNorm(0.01, { p: Infinity }) },
          ]),
          optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
          accumulate: 2,
          shardOptimizer,
        }),
        plain,
      ],
    ]),
  ),
  wireSharded: () => [make({ model: new Large(), shardOptimizer: true, wire: 'bf16' }), single],
  // Rows that count for nothing, and others by weights of their own.
  weighted: () => [
    make({
      model: new Mlp(),
      loss: ({ x, y, w }: Record<string, Tensor>, model: Mlp) =>
        loss.crossEntropy(model.forward(x!), y!, { sampleWeight: w!, ignoreIndex: 3 }),
    }),
    { ...plain, w: numbers(37).map(Math.abs) },
  ],
  // Of the second step a row is not finite: it is skipped by all.
  skips: () => {
    const x = rows(37, 6);
    x.data[20] = Number.NaN;
    return [make({ model: new Mlp() }), { ...plain, x }];
  },
  // Gradients that are too large for the scale: it goes down and up again.
  scaled: () => [
    make({ model: new Mlp(), lossScale: { init: 2 ** 100, interval: 3 } }),
    { ...plain, x: { ...plain.x, data: plain.x.data.map((v) => v * 1e9) } },
  ],
  // What the one updates whole, the other shares out: one hash for both, with a clip that is counted and one by rows.
  ...Object.fromEntries(
    [false, true].flatMap((shardOptimizer) => {
      const name = (text: string): string => (shardOptimizer ? `${text}Sharded` : text);
      return [
        [name('wide'), () => [make({ model: new Wide(), clip: clip.value(1e-3), shardOptimizer, ema: { decay: 0.9 } }), plain]],
        [
          name('wideRows'),
          () => [
            make({
              model: new Wide(),
              clip: clip.rowMaxNorm(0.1),
              optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
              shardOptimizer,
            }),
            plain,
          ],
        ],
      ] as const;
    }),
  ),
  sparse: () => [
    make({ model: new Sparse(), accumulate: 2 }),
    { x: { data: labels(37 * 3, 50), shape: [37, 3] }, y: labels(37, 4) },
  ],
  bf16: () => [make({ model: new Mlp(), precision: 'bf16', activations: 'bf16' }), plain],
};

const SCENARIOS: Readonly<Record<string, () => Promise<unknown>>> = {
  /** A checkpoint that processes of another number go on with. */
  async begin() {
    const [trainer, data] = WORKLOADS.mlp!();
    await trainer.fit(data, { epochs: 2, checkpoint: { file, every: { steps: 2 } } });
  },
  /** The same, where each process has a part of the state: back to a snapshot, then forth by the same steps. */
  async beginSharded() {
    const [trainer, data] = WORKLOADS.wideSharded!();
    await trainer.fit(data, { epochs: 2, checkpoint: { file, every: { steps: 2 }, keep: 2 } });
    const again = (n: number): string => join(folder, `sharded-${n}.safetensors`);
    const before = trainer.snapshotSync();
    await trainer.fit(data, { epochs: 1 });
    await trainer.save(again(1));
    trainer.restoreSync(before);
    await trainer.fit(data, { epochs: 1 });
    await trainer.save(again(2));
    if (group.rank > 0) return;
    if (!readFileSync(again(1)).equals(readFileSync(again(2)))) throw new Error('restored to another state');
  },
  /** What they wrote, in parts again, and then whole. */
  async goOnSharded() {
    const [trainer, data] = WORKLOADS.wideSharded!();
    await trainer.load(join(folder, 'beginSharded.safetensors'));
    await trainer.fit(data, { epochs: 1 });
    const amid = join(folder, 'amid.safetensors');
    await trainer.save(amid);
    const [whole] = WORKLOADS.wide!();
    await whole.load(amid);
    await whole.fit(data, { epochs: 1 });
    await whole.save(file);
  },
  async wide() {
    const [trainer, data] = WORKLOADS.wide!();
    await trainer.fit(data, { epochs: 4 });
    await trainer.save(file);
  },
  async goOn() {
    const [trainer, data] = WORKLOADS.mlp!();
    await trainer.load(join(folder, 'begin.safetensors'));
    await trainer.fit(data, { epochs: 2 });
    await trainer.save(file);
  },
  async sync() {
    const [trainer, data] = WORKLOADS.mlp!();
    trainer.fitSync(data, { epochs: 4 });
    await trainer.save(file);
  },
  /** Process 1 is killed amid a fit that writes checkpoints. */
  async killed() {
    const [trainer, data] = WORKLOADS.mlp!();
    if (group.rank === 1) {
      setInterval(() => {
        if (!existsSync(file)) return;
        wrong();
        process.kill(process.pid, 'SIGKILL');
      }, 50);
    }
    await trainer.fit(data, { epochs: 1e6, checkpoint: { file, every: { steps: 50 } } });
  },
  async throws() {
    const [trainer, data] = WORKLOADS.mlp!();
    wrong();
    if (group.rank === 1) throw new Error('the data of process 1 are not there');
    await trainer.fit(data, { epochs: 2 });
  },
  async otherData() {
    const [trainer] = WORKLOADS.mlp!();
    wrong();
    await trainer.fit({ ...plain, x: { ...plain.x, data: plain.x.data.map((v) => v + group.rank) } }, { epochs: 2 });
  },
  async fewerRows() {
    const [trainer] = WORKLOADS.mlp!();
    wrong();
    await trainer.fit(group.rank === 0 ? plain : single, { epochs: 2 });
  },
  /** Process 1 leaves out the first of two fits. */
  async skips() {
    const [trainer, data] = WORKLOADS.mlp!();
    wrong();
    if (group.rank === 0) await trainer.fit(data, { epochs: 2 });
    await trainer.fit(data, { epochs: 3 });
  },
  async otherRate() {
    const trainer = make({ model: new Mlp(), clip: clip.globalNorm(0.5 + group.rank) });
    wrong();
    await trainer.fit(plain, { epochs: 2 });
  },
  async otherSteps() {
    const [trainer, data] = WORKLOADS.mlp!();
    wrong();
    await trainer.fit(data, { steps: 3 + group.rank });
  },
  /** A label that there is not, in the share of one process. */
  async label() {
    const y = plain.y.slice();
    y[36] = 9;
    const [trainer] = WORKLOADS.mlp!();
    wrong();
    await trainer.fit({ ...plain, y }, { epochs: 1, shuffle: false });
  },
  async otherLoss() {
    const smoothed = ({ x, y }: { x: Tensor; y: Tensor }, model: Mlp) =>
      loss.crossEntropy(model.forward(x), y, { labelSmoothing: group.rank / 10 });
    wrong();
    await make({ model: new Mlp(), loss: smoothed }).fit(plain, { epochs: 1 });
  },
  /** Process 1 asks for the end, amid its steps, by a callback, by a signal, and process 0 has no more time. */
  async stops() {
    const said: unknown[] = [];
    const [trainer, data] = WORKLOADS.mlp!();
    const run = trainer.fit(data, { epochs: 1e6 });
    if (group.rank === 1) setTimeout(() => run.stop(), 100);
    said.push((await run).stopReason);
    const callback = { onSteps: (_: unknown, of: Any) => void (group.rank === 1 && of.extent.tried >= 6 && of.stop()) };
    const { stopReason, tried } = await trainer.fit(data, { epochs: 1e6, callbacks: [callback], chunkSteps: 2 });
    said.push(stopReason, tried);
    const own = new AbortController();
    if (group.rank === 1) setTimeout(() => own.abort(new Error('enough')), 100);
    said.push(
      await trainer.fit(data, { epochs: 1e6, signal: own.signal }).catch((e: Error) => `${e.name}: ${e.message}: ${e.cause}`),
    );
    said.push((await trainer.fit(data, { epochs: 1e6, seconds: group.rank === 0 ? 0.1 : 1e6 })).stopReason);
    said.push(trainer.fitSync(data, { epochs: 1e6, seconds: 0.1 }).stopReason);
    await trainer.save(file);
    report({ said });
  },
  /** A callback of process 1 writes weights that the others do not have. */
  async drifts() {
    const [trainer, data] = [make({ model: new Mlp(), compareEvery: 8 }), plain];
    const spoil = (step: number): void => {
      if (group.rank === 1 && step === 10) trainer.model.second.weight.data[3] += 1e-6;
    };
    const callback = { onSteps: (_: unknown, run: Any) => spoil(run.counters.step) };
    const failed = await trainer.fit(data, { epochs: 100, chunkSteps: 2, callbacks: [callback] }).catch((e: Any) => e);
    report({ code: failed.code, message: failed.message, details: failed.details });
    await trainer.save(file);
  },
  /** Process 0 alone has the file. */
  async loads() {
    const [trainer, data] = WORKLOADS.mlp!();
    const missing = await trainer.load(join(folder, 'nowhere.safetensors')).catch((e: Error) => `${e.name}: ${e.message}`);
    if (group.rank === 1) say(missing);
    const own = { model: new Mlp(), seed: 3 + group.rank };
    const other = make(own);
    const result = await other.load(group.rank === 0 ? join(folder, 'begin.safetensors') : 'elsewhere');
    if (JSON.stringify(result) !== '{"missing":[],"extra":[]}') throw new Error(JSON.stringify(result));
    await other.fit(data, { epochs: 2 });
    trainer.dispose();
    await other.save(file);
  },
  /** What was begun by others, within an epoch, in one call; process 0 decides which file it is. */
  async resumes() {
    const [trainer, data] = WORKLOADS.mlp!();
    const from = group.rank === 0 ? join(folder, 'within.safetensors') : 'elsewhere';
    await trainer.fit(data, { epochs: 4, resume: from });
    await trainer.save(file);
  },
  async resumesNothing() {
    const [trainer, data] = WORKLOADS.mlp!();
    await trainer.fit(data, { epochs: 4, checkpoint: file, resume: 'auto' });
  },
  /** Loss and metrics, each process some of the batches, beside those of one that measures all of them. */
  async evaluates() {
    const labelsOf = ({ x }: Any, model: Any): Tensor => model.forward(x);
    const measured = {
      accuracy: ({ x, y }: Any, model: Any) => metrics.accuracy(labelsOf({ x }, model), y),
      f1: ({ x, y }: Any, model: Any) => metrics.f1(labelsOf({ x }, model), y),
      auc: ({ x, y }: Any, model: Any) =>
        metrics.rocAuc(ops.sum(ops.slice(labelsOf({ x }, model), { axis: 1, start: 0, end: 1 }), { axes: [1] }), ops.equal(y, 0)),
      // Sums of its own, and what of a batch depends on its rows.
      own: ({ x }: Any) => ({ summed: { s: ops.cast(ops.sum(x), 'f64') }, finish: ({ s }: Any) => s[0] * x.shape[0] }),
    };
    const options = { model: new Mlp(), metrics: measured, batchSize: 8 };
    const [together, alone] = [make(options), make({ ...options, group: undefined })];
    const hex = (all: Any): unknown =>
      Object.fromEntries(
        Object.entries(all).map(([k, v]) => [k, Buffer.from(Float64Array.of(v as number).buffer).toString('hex')]),
      );
    const said: Record<string, unknown[]> = {};
    const one = { x: rows(5, 6), y: labels(5, 4) };
    for (const [kind, data] of Object.entries({ many: { x: rows(101, 6), y: labels(101, 4) }, plain, one })) {
      const found = [await together.evaluate(data), together.evaluateSync(data), await alone.evaluate(data)];
      found.push(await together.evaluate(data, { batchSize: 3 }), alone.evaluateSync(data, { batchSize: 3 }));
      said[kind] = found.map(hex);
    }
    // A fit that validates, within an epoch and at its end; a callback of process 0 measures alone.
    const within: unknown[] = [];
    const callback = {
      onValidation: async (m: Any) => {
        if (group.rank === 0) within.push(hex(m), hex(await together.evaluate(plain)));
      },
    };
    const fit = { epochs: 2, validation: plain, callbacks: [callback] };
    const { epochs } = await together.fit(plain, { ...fit, earlyStop: { patience: 1 } });
    await together.fit(plain, { ...fit, validateEvery: 2 });
    said.epochs = epochs.map(({ validation }: Any) => hex(validation));
    said.alone = [hex(alone.evaluateSync(plain))];
    said.within = within;
    await together.save(file);
    // A label that there is not, in the part of the last process.
    const y = labels(101, 4);
    y[100] = 9;
    const failed = await together.evaluate({ x: rows(101, 6), y }).catch((e: Any) => `${e.code}: ${e.message}`);
    const other = await together
      .evaluate({ x: rows(9 + group.rank, 6), y: labels(9 + group.rank, 4) })
      .catch((e: Any) => `${e.code}: ${e.message}`);
    report({ said, failed, other });
  },
  /** Each process has data of its own; a trainer without a group trains on what all of them have together, step by step. */
  async sharded() {
    const { rank, size } = group;
    const plainly = { optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }), shards: size, batchSize: 8 * size };
    class Bare extends Mlp {
      override drop = new nn.Dropout(0);
    }
    const all = { x: numbers(6 * 1000), y: labels(1000, 4) };
    /** Rows of one process, from one of its rows on. */
    const own = (r: number, from: number, n: number): Any => {
      const at = 100 * r + from;
      return { x: { data: all.x.slice(6 * at, 6 * (at + n)), shape: [n, 6] }, y: all.y.slice(at, at + n) };
    };
    /** Those of all processes, so many of each. */
    const union = (from: number, count: (r: number) => number): Any => {
      const parts = Array.from({ length: size }, (_, r) => own(r, from, count(r)));
      const data = Float32Array.from(parts.flatMap(({ x }) => [...x.data]));
      return { x: { data, shape: [data.length / 6, 6] }, y: Int32Array.from(parts.flatMap(({ y }) => [...y])) };
    };
    let rowsSeen = 0;
    const callback = {
      onSteps(steps: Any) {
        rowsSeen += steps.rows;
      },
    };
    const valuesOf = (t: Any): number[] => [...t.readParametersSync().values()].flatMap(({ data }: Any) => [...data]);
    /** What a fit gives, and how far its weights are from those of the same steps of one process. */
    const beside = async (fit: (trainer: Any) => Promise<Any>, steps: readonly object[]): Promise<object> => {
      rowsSeen = 0;
      const trainer = make({ ...plainly, model: new Bare() });
      const alone = make({ ...plainly, shards: undefined, group: undefined, model: new Bare() });
      const { stopReason, tried, warnings, epochs } = await fit(trainer);
      for (const batch of steps) await alone.step(batch);
      const [a, b] = [valuesOf(trainer), valuesOf(alone)];
      const off = Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));
      return { off, stopReason, tried, epochs: epochs.length, warnings: warnings.map((w: Any) => w.code), rows: rowsSeen };
    };
    const options = { sharded: true, callbacks: [callback] };
    const three = [0, 8, 16].map((from) => union(from, () => 8));
    const batchesOf = (n: number) =>
      function* () {
        for (let i = 0; i < n; i++) yield own(rank, 8 * i, 8);
      };
    const inOrder = { ...options, shuffle: false };
    const streamed = { ...options, epochs: 2 };
    const said = {
      // In the last step process r has r rows more than 3.
      rows: await beside(
        (t) => t.fit(own(rank, 0, 27 + rank), { ...inOrder, chunkSteps: 3 }),
        [...three, union(24, (r) => 3 + r)],
      ),
      // Process r has r steps more than 3: all have 3.
      uneven: await beside((t) => t.fit(own(rank, 0, 24 + 8 * rank), { ...inOrder, epochs: 2 }), [...three, ...three]),
      stream: await beside((t) => t.fit(batchesOf(3 + rank), streamed), [...three, ...three]),
      once: await beside((t) => t.fit(batchesOf(3 + rank)(), streamed), three),
      list: await beside(async (t) => t.fitSync([...batchesOf(2)()], { ...options, steps: 2 }), three.slice(0, 2)),
    };
    // Two batches of each process in a step: three epochs of 3 batches have 2 steps each.
    const twice = await make({ ...plainly, accumulate: 2, model: new Bare() }).fit(batchesOf(3), { ...options, epochs: 3 });
    // Stopped within an epoch, and gone on by another trainer: the bits of one that was not.
    const resumed: boolean[] = [];
    for (const data of [own(rank, 0, 48), batchesOf(6)]) {
      const [whole, first, second] = [0, 1, 2].map(() => make({ model: new Mlp(), shards: size, batchSize: 8 * size }));
      await whole.fit(data, { sharded: true, epochs: 2 });
      await whole.save(file);
      const expected = hash(true);
      await first.fit(data, { sharded: true, steps: 8, chunkSteps: 3 });
      await first.save(file);
      await second.load(file);
      await second.fit(data, { sharded: true, steps: 4 });
      await second.save(file);
      resumed.push(hash(true) === expected);
    }
    const refused: string[] = [];
    const trainer = make({ ...plainly, model: new Bare(), shards: 8, batchSize: 8 });
    const alone = make({ ...plainly, shards: undefined, group: undefined, model: new Bare() });
    for (const fit of [
      () => alone.fit(plain, { sharded: true }),
      () => trainer.fit(batchesOf(2)),
      () => trainer.fit(plain, { sharded: true, epochs: 1 }),
    ]) {
      try {
        await fit();
        refused.push('nothing');
      } catch (error) {
        refused.push((error as Error).message);
      }
    }
    report({ said, twice: twice.tried, resumed, refused });
  },
  /** Steps on batches that are given: those of a fit that has them one after the other. */
  async steps() {
    const fitted = make({ model: new Mlp() });
    await fitted.fit(plain, { epochs: 1, shuffle: false });
    const batch = (from: number, n: number): object => ({
      x: { data: plain.x.data.slice(6 * from, 6 * (from + n)), shape: [n, 6] },
      y: plain.y.slice(from, from + n),
    });
    const stepped = make({ model: new Mlp() });
    const reports = [await stepped.step(batch(0, 16)), stepped.stepSync(batch(16, 16)), await stepped.step(batch(32, 5))];
    const of = (t: Any): string =>
      createHash('sha256')
        .update(
          Buffer.concat(
            [...t.readParametersSync().values()].map(({ data }: Any) =>
              Buffer.from(data.buffer, data.byteOffset, data.byteLength),
            ),
          ),
        )
        .digest('hex');
    const said = [of(fitted) === of(stepped), reports.map(({ step }) => step)];
    // More rows than the trainer's batches have, in parts that are larger.
    await stepped.step(plain);
    const other = await stepped.step(batch(group.rank, 16)).catch((e: Error) => e.message);
    const whole = of(stepped);
    report({ said, other, whole });
  },
  /** A label that there is not, in a step. */
  async stepLabel() {
    const y = plain.y.slice();
    y[36] = 9;
    await make({ model: new Mlp() }).step({ ...plain, y });
  },
  /** What a group has begun, within an epoch, a trainer without one goes on with, and the other way round. */
  async alone() {
    class Bare extends Mlp {
      override drop = new nn.Dropout(0);
    }
    const trainer = (options: object = {}): Any =>
      make({ model: new Bare(), optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }), ...options });
    const alone = { group: undefined };
    const valuesOf = (t: Any): number[] => [...t.readParametersSync().values()].flatMap(({ data }: Any) => [...data]);
    const whole = trainer();
    await whole.fit(plain, { epochs: 2 });
    const said: object[] = [];
    for (const [before, after] of [
      [{}, alone],
      [alone, {}],
    ]) {
      const [first, second] = [trainer(before), trainer(after)];
      await first.fit(plain, { steps: 4 });
      // Each process has the bytes of its own.
      await second.load(await first.save());
      let rows = 0;
      const onSteps = (steps: Any): void => {
        rows += steps.rows;
      };
      const callbacks = [{ onSteps }];
      await second.fit(plain, { steps: 2, callbacks });
      const [a, b] = [valuesOf(whole), valuesOf(second)];
      said.push({ off: Math.max(...a.map((v, i) => Math.abs(v - b[i]!))), rows, epoch: second.counters.epoch });
    }
    // Sequences that are drawn in other batches would not be those that are left.
    const lists = sequences(
      { x: Array.from({ length: 37 }, (_, i) => [i % 5, 1, 2].slice(0, 1 + (i % 3))), y: labels(37, 4) },
      { buckets: [3] },
    );
    const embed = { model: new Reads(), loss: ({ x, y }: Any, model: Any) => loss.crossEntropy(model.forward(x), y) };
    const [first, second] = [trainer(embed), trainer({ ...embed, ...alone })];
    await first.fit(lists, { steps: 4 });
    await second.load(await first.save());
    const refused = await (async () => second.fit(lists, { steps: 2 }))().catch((e: Error) => e.message);
    report({ said, refused });
  },
  async within() {
    const [trainer, data] = WORKLOADS.mlp!();
    await trainer.fit(data, { steps: 5, checkpoint: file });
  },
  /** Process 1 does not take part. */
  async leaves() {
    const [trainer, data] = WORKLOADS.mlp!();
    wrong();
    if (group.rank === 1) return;
    await trainer.fit(data, { epochs: 2 });
  },
  /** Process 1 ends while it trains. */
  async exits() {
    const [trainer, data] = WORKLOADS.mlp!();
    if (group.rank === 1) {
      setTimeout(() => {
        wrong();
        process.exit(0);
      }, 300);
    }
    await trainer.fit(data, { epochs: 1e6 });
  },
  /** All end after the same epoch, by a callback. */
  async stopsTogether() {
    const [trainer, data] = WORKLOADS.mlp!();
    const callback = { onEpoch: (end: { epoch: number }, run: { stop(): void }) => void (end.epoch === 3 && run.stop()) };
    await trainer.fit(data, { epochs: 9, callbacks: [callback] });
    await trainer.save(file);
  },
  /** Gradients are scaled by random bits of the system, which are in no file: the weights would part at once. */
  async secret() {
    const key = { name: 'clip.key', type: SECRET_KEY, secret: true, init: drawSecretKey };
    const secretly = {
      ...{ name: 'secretly', maxSkips: 0 },
      build({ graph }: Any) {
        const by = ops.sigmoid(ops.div(ops.sum(ops.cast(graph.state(key), 'f64')), 2 ** 32));
        return { stages: [clip.parts.stage.scale(by)], skip: null, measure: false, report: { threshold: by } };
      },
    };
    const trainer = make({ model: new Mlp(), clip: secretly, compareEvery: 1 });
    const keys: number[] = [];
    const callbacks = [{ onSteps: (steps: Any) => void keys.push(...Array.from(steps, ({ threshold }: Any) => threshold)) }];
    await trainer.fit(plain, { epochs: 1, callbacks });
    trainer.fitSync(plain, { epochs: 1, callbacks });
    const went = new Set(keys).size;
    await trainer.save(file);
    await trainer.load(group.rank === 0 ? file : 'elsewhere');
    const batch = { x: rows(16, 6), y: labels(16, 4) };
    for (let step = 0; step < 3; step++) keys.push((await trainer.step(batch)).threshold);
    trainer.restoreSync(trainer.snapshotSync());
    for (let step = 0; step < 3; step++) keys.push(trainer.stepSync(batch).threshold);
    await trainer.fit(plain, { epochs: 2, callbacks });
    report({ went, all: new Set(keys).size, keys });
  },
  async refused() {
    await sleep(0);
    const errors: string[] = [];
    const tell = async (work: () => unknown): Promise<void> => {
      try {
        await work();
        errors.push('nothing');
      } catch (error) {
        errors.push(`${(error as { code?: string }).code}: ${(error as Error).message}`);
      }
    };
    await tell(() => make({ model: new Counted() }));
    await tell(() => make({ model: new Carried() }));
    await tell(() => make({ model: new Mlp(), batchSize: 12 }));
    await tell(() => make({ model: new Mlp(), shards: 1, accumulate: 1, batchSize: 16 }));
    await tell(() => make({ model: new Mlp(), debug: true }));
    await tell(() => make({ model: new Mlp(), clip: clip.auto() }));
    await tell(() => make({ model: new Mlp(), group: undefined, shards: 4 }));
    await tell(() => make({ model: new Mlp(), group: undefined, wire: 'bf16' }));
    await tell(() => make({ model: new Mlp(), wire: 'f16' }));
    await tell(() => make({ model: new Mlp(), group: { rank: 0, size: 1 } }));
    const trainer = make({ model: new Mlp() });
    await tell(() => trainer.change({ clip: clip.auto() }));
    await tell(() => trainer.probe(plain));
    await tell(() => trainer.fit([plain]));
    await tell(() => make({ model: new Mlp(), optimizer: optim.lbfgs() }));
    await tell(() => make({ model: new Mlp(), group: undefined, compareEvery: 4 }));
    await tell(() => trainer.fit(plain, { batchSize: 20 }));
    await tell(() => make({ model: new Mlp(), group: undefined, shardOptimizer: true }));
    for (const optimizer of [optim.lamb(), optim.scheduleFree(), optim.muon()]) {
      await tell(() => make({ model: new Wide(), shardOptimizer: true, optimizer }));
    }
    const pruned = prune.magnitude({ match: 'second.weight', sparsity: 0.5, begin: 0, end: 4 });
    await tell(() => make({ model: new Wide(), shardOptimizer: true, prune: pruned }));
    const sharded = make({ model: new Wide(), shardOptimizer: true });
    await tell(() => sharded.fit(plain, { checkpoint: { file, every: { seconds: 1 } } }));
    // Of process 1 alone it would be its own error; process 0 has the whole.
    const bytes = sharded.save();
    if (group.rank === 1) await tell(() => bytes);
    else await bytes;
    await tell(() => (group as Any).barrier(1));
    await tell(() => (mpi as Any).init(1));
    if (group.rank === 1) say(errors);
  },
};

const scenario = SCENARIOS[name];

if (scenario) {
  await scenario();
  await group.barrier();
  if (group.rank === 0 && existsSync(file)) say({ whole: hash(), tensors: hash(true) });
} else {
  // All of them in one start of the processes.
  const hashes: Record<string, string> = {};
  for (const [workload, begin] of Object.entries(WORKLOADS)) {
    if (name !== 'all' && name !== workload) continue;
    const [trainer, data] = begin();
    await trainer.fit(data, { epochs: 4 });
    await trainer.save(file);
    trainer.dispose();
    hashes[workload] = hash();
    // The next one is written to the same file.
    await group.barrier();
  }
  if (group.rank === 0) say({ library: group.library, size: group.size, hashes });
}
