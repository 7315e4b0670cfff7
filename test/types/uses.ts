// uses.ts: what must compile, and which types it has: `is<A>()(b)` takes b only if its type is A itself, no wider and no narrower.
import {
  type Batch,
  type BatchStream,
  batches,
  callbacks,
  clip,
  columns,
  type Data,
  type DType,
  type FitOptions,
  type Gradients,
  generate,
  generateStream,
  io,
  loss,
  type Metrics,
  metrics,
  models,
  type NdArray,
  nn,
  ops,
  optim,
  type Predictor,
  preprocess,
  readColumns,
  rows,
  type Sequences,
  type Source,
  sequenceBatches,
  sequences,
  type Tensor,
  Trainer,
  type TrainerOptions,
  windows,
} from 'gradclip';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
export const is =
  <A>() =>
  <B>(_: B, ..._same: Same<A, B> extends true ? [] : [expected: A]): void => {};

const x = { data: new Float32Array(8), shape: [4, 2] };
const y = Int32Array.of(0, 1, 1, 0);
const data = { x, y };
const optimizer = optim.adamw({ lr: 1e-2 });
const model = new nn.Sequential(new nn.Linear(2, 8), new nn.ReLU(), new nn.Linear(8, 2));
const plain = { model, loss: ({ x, y }: Batch, net: nn.Sequential) => loss.crossEntropy(net.forward(x), y), optimizer };

// Names of metrics are those of option metrics, wherever they are used.
using trainer = new Trainer({
  model,
  loss: (batch, net) => {
    is<Tensor>()(batch.x);
    is<Tensor>()(batch.y);
    is<Tensor | undefined>()(batch.mask);
    is<nn.Sequential>()(net);
    return loss.crossEntropy(net.forward(batch.x), batch.y);
  },
  metrics: {
    accuracy: ({ x, y }, net) => metrics.accuracy(net.forward(x), y),
    f1: ({ x, y }, net) => metrics.f1(net.forward(x), y, { average: 'macro' }),
  },
  plateau: { metric: 'f1', mode: 'max' },
  predict: ({ x }, net) => ops.softmax(net.forward(x)),
  optimizer,
});
is<Trainer<nn.Sequential, 'accuracy' | 'f1', string, DType>>()(trainer);
const measured = await trainer.evaluate(data);
is<Metrics<'accuracy' | 'f1'>>()(measured);
is<number>()(measured.loss);
is<number>()(measured.accuracy);
is<number>()(trainer.evaluateSync(data).f1);
// A signal is whatever can tell that it is aborted.
const signal = { aborted: false, addEventListener: () => {}, removeEventListener: () => {} };
const run = trainer.fit(data, {
  signal,
  epochs: 3,
  validation: rows(data),
  earlyStop: { patience: 2, metric: 'accuracy' },
  onEpoch: ({ validation }) => is<number | undefined>()(validation?.f1),
});
for await (const report of run) is<number>()(report.norm);
const { best, epochs } = await run;
is<Metrics<'accuracy' | 'f1'> | null>()(best);
is<number | undefined>()(epochs.at(-1)?.validation?.accuracy);
// Without metrics there is the loss; names that are only known when it runs are any.
is<Metrics>()(await new Trainer(plain).evaluate(data));
is<Gradients>()(await new Trainer(plain).gradients(data, { mode: 'eval' }));
is<Float32Array | undefined>()(new Trainer(plain).gradientsSync(data).gradients.get('fc.weight')?.data);
const found: Record<string, (batch: Batch, net: nn.Sequential) => Tensor> = {};
is<number | undefined>()((await new Trainer({ ...plain, metrics: found }).evaluate(data)).any);
// Options that are made beforehand, and functions of any trainer.
const options: TrainerOptions<nn.Sequential, 'accuracy'> = {
  ...plain,
  metrics: { accuracy: ({ x, y }, net) => metrics.accuracy(net.forward(x), y) },
  plateau: { metric: 'accuracy' },
};
const fitOptions: FitOptions<'accuracy'> = { epochs: 1, validation: data, earlyStop: { patience: 1, metric: 'accuracy' } };
new Trainer(options).fit(data, fitOptions);
const short: FitOptions = { epochs: 1 };
trainer.fitSync(data, short);
const scored = async (t: Trainer<nn.Sequential, 'accuracy'>): Promise<number> => (await t.evaluate(data)).accuracy;
const lossOf = async <M extends nn.Module>(t: Trainer<M>): Promise<number> => (await t.evaluate(data)).loss;
await scored(trainer);
await lossOf(trainer);

// Predictions are f32; those of option predict are any array until it is said which.
using forward = new Trainer(plain);
is<Trainer<nn.Sequential>>()(forward);
is<NdArray<Float32Array>>()(await forward.predict(x));
is<Float32Array>()(forward.predictSync(x.data).data);
is<NdArray>()(await trainer.predict(x));
is<Data>()(trainer.predictSync(x.data).data);
is<number | undefined>()(trainer.predictSync(x).data.at(-1));
is<Int32Array>()((await trainer.predict<Int32Array>({ x })).data);
is<Data>()(new Trainer(options).predictSync(x).data);
await lossOf(forward);
// Several by name, each with the dtypes that its tensor may have.
const several = new Trainer({
  ...plain,
  predict: ({ x }, net) => ({ scores: net.forward(x), best: ops.argmax(net.forward(x)) }),
});
is<{ readonly scores: NdArray; readonly best: NdArray }>()(await several.predict(x));
is<Data>()(several.predictSync(x).best.data);
using ours = several.predictor();
is<NdArray>()(ours.predictSync(x).scores);
using outputs = forward.predictor({ outputs: ({ x }, net) => ({ latent: net.forward(x) }), weights: 'model' });
is<NdArray>()(outputs.predictSync(x).latent);
is<NdArray>()(await forward.run(({ x }, net) => net.forward(x), x));
is<{ readonly sum: NdArray }>()(forward.runSync(({ x }) => ({ sum: ops.sum(x) }), { x }, { weights: 'model' }));
// What has names gives tensors of these names.
const decoded = ({ z, w }: { readonly z: Tensor; readonly w: Tensor }): Tensor => ops.mul(z, w);
is<NdArray>()(forward.runSync(decoded, { z: [[1]], w: [[2]] }));
is<NdArray>()(await forward.run(({ z }) => ops.neg(z), { z: [[1]] }));
using copy = forward.predictor();
is<Predictor>()(copy);
is<Float32Array>()((await copy.predict(x, { dropout: true, seed: 1 })).data);
await copy.update();
is<Float32Array | undefined>()((await trainer.readParameters()).get('0.weight')?.data);
is<Float32Array | undefined>()(trainer.readParametersSync({ buffers: false }).get('0.weight')?.data);
is<Data | undefined>()(trainer.readParametersSync({ buffers: true }).get('0.weight')?.data);
await io.writeSafetensors('weights.safetensors', await trainer.readParameters({ buffers: true }));
is<readonly string[]>()(await trainer.writeParameters(forward, { match: '0.*', rename: { '0.': '0.' } }));
is<readonly string[]>()(trainer.writeParametersSync({ '0.weight': [[1, 2]] }, { rename: (name) => name || null }));
new metrics.F1().update(await trainer.predict(x), y);

// Names of arrays: told by the loss's batch, wanted of the data.
const named = new Trainer({
  ...plain,
  loss: ({ input, label }: Batch<'input' | 'label'>, net) => loss.crossEntropy(net.forward(input), label),
  metrics: { accuracy: ({ input, label }, net) => metrics.accuracy(net.forward(input), label) },
  predict: ({ input }, net) => net.forward(input),
});
is<Trainer<nn.Sequential, 'accuracy', 'input' | 'label', DType>>()(named);
const parts = { input: x, label: y, weight: new Float32Array(4) };
named.fit(parts, { validation: { input: x, label: y } });
is<Source<'input' | 'label' | 'weight'>>()(rows(parts));
named.fitSync(rows(parts));
named.fit(async function* () {
  yield parts;
});
const given = new Trainer<nn.Sequential, 'accuracy', 'input' | 'label'>({
  ...plain,
  loss: (batch, net) => loss.crossEntropy(net.forward(batch.input), batch.label),
  metrics: { accuracy: (batch, net) => metrics.accuracy(net.forward(batch.input), batch.label) },
});
is<Metrics<'accuracy'>>()(given.evaluateSync(parts));
is<readonly string[]>()(trainer.writeParametersSync(given, { match: '0.*' }));
// Labels are there where their column is told.
const table = io.parseCsv('a,b\n1,x', { label: 'b' });
is<readonly number[]>()(table.labels.shape);
is<readonly string[] | null>()(table.classes);
trainer.fit({ x: table.features, y: table.labels });
// What shares data out keeps its names.
const { train } = preprocess.split({ input: [[0.5], [1]], label: [0, 1] }, { test: 1 });
is<NdArray>()(train.arrays.input);
named.fit(train.arrays);
named.fit(train, { validation: preprocess.split(parts, { validation: 1 }).validation });
await named.evaluate(train);
await named.predict(train);
// Arrays whose names nobody knows, and other sources.
const read: Record<string, NdArray> = {};
trainer.fit(read);
trainer.fit(windows(new Uint8Array(40), { length: 8 }));
const ncf = new Trainer({ model: new models.NCF({ users: 3, items: 3 }), loss: models.ncfLoss, optimizer });
ncf.fit({ user: y, item: y, y });

// Arrays that are read may be read-only.
const shape = [4, 2] as const;
trainer.fit({ x: { data: x.data, shape }, y });
ops.reshape(new nn.Parameter(shape, nn.init.normal()), shape);
new nn.Parameter(shape, nn.init.zeros()).data;
new nn.Parameter([...shape, 3], new Float32Array(24), { requiresGrad: false });
new nn.Parameter([]);
new nn.Conv2d(1, 8, [3, 3] as const, { stride: [1, 1] as const });
clip.groups([{ match: '*.bias', policy: clip.value(1) }] as const);
loss.crossEntropy(new nn.Parameter(shape, nn.init.ones()), new nn.Parameter([4]), { weight: [1, 2] as const });
new nn.Sequential(...([new nn.Linear(2, 2), new nn.ReLU()] as const));

// A layer of a Sequential has its own type, where the number is written down.
is<nn.Linear>()(model.at(0));
is<nn.Linear>()(model.at(-1));
is<nn.ReLU>()(model.at(-2));
is<nn.Linear | nn.ReLU>()(model.at(Number(0)));
const nested = new nn.Sequential((x) => ops.relu(x), new nn.Sequential(new nn.Conv2d(1, 1, 1)));
is<nn.Conv2d>()(nested.at(-1).at(0));
is<nn.Parameter>()(model.getParameter('0.weight'));
const some: nn.Layer[] = [ops.relu];
is<nn.Layer>()(new nn.Sequential(...some).at(0));
is<nn.Layer>()(new nn.Sequential({ fc: new nn.Linear(2, 2) }).at(0));
const any: nn.Sequential = model;
is<nn.Layer>()(any.at(2));

// A layer, a policy, an optimizer and a metric of one's own.
class Scale extends nn.Module {
  by = new nn.Parameter([1], nn.init.ones());
  forward(x: Tensor): Tensor {
    return ops.mul(x, this.by);
  }
}
class Classifier extends nn.Module {
  fc = new nn.Linear(2, 2);
  scale = new Scale();
  forward(x: Tensor): { logits: Tensor; dtype: DType } {
    const logits = this.scale.forward(this.fc.forward(x));
    return { logits, dtype: logits.dtype };
  }
}
const momentum = (lr: optim.PerStep, mu = 0.9): optim.Optimizer =>
  optim.define({
    name: 'momentum',
    lr,
    slots: (type) => [{ name: 'velocity', type }],
    build({ params, grads, slots, column }) {
      const rate = ops.cast(
        column('lr', 1, (_step, lr, out) => out.fill(lr)),
        'f32',
      );
      const next = grads.map((g, t) => ops.add(ops.mul(slots[t]?.[0] ?? 0, mu), g));
      return { params: params.map((p, t) => ops.sub(p, ops.mul(rate, next[t] ?? 0))), slots: next.map((v) => [v]) };
    },
  });
const shrink = (by: number): clip.ClipPolicy => ({ ...clip.globalNorm(by), name: 'shrink' });
new Trainer({
  model: new Classifier(),
  loss: ({ x, y }, net) => loss.crossEntropy(net.forward(x).logits, y),
  metrics: { margin: ({ x }, net) => ops.mean(ops.abs(net.forward(x).logits)) },
  optimizer: momentum((step) => 0.1 / (step + 1)),
  clip: shrink(1),
  groups: [{ match: /bias$/, optimizer: momentum(0.1) }],
});

// No function or class takes options under any key: one that is not known is refused, wherever options are written down.
type Last<A extends readonly unknown[]> = Required<A> extends [...unknown[], infer L] ? L : never;
type Given<F> = F extends abstract new (
  ...args: infer A
) => unknown
  ? Last<A>
  : F extends (...args: infer A) => unknown
    ? Last<A>
    : never;
/** Whether what is given last may be an object with any key, but for what is no bag of options: arrays, functions, arguments of one's own. */
type IsLoose<L> = L extends readonly unknown[] | ((...args: never[]) => unknown) | ArrayLike<unknown>
  ? never
  : L extends object
    ? string extends keyof L
      ? true
      : never
    : never;
type Loose<T> = { [K in keyof T]: [IsLoose<Given<T[K]>>] extends [never] ? never : K }[keyof T];
type Control = {
  any(x: number, options?: Readonly<Record<string, number>>): void;
  known(options?: { readonly lr?: number }): void;
};
is<'any'>()(null as unknown as Loose<Control>);
is<never>()(null as unknown as Loose<typeof optim>);
is<never>()(null as unknown as Loose<typeof optim.schedule>);
is<never>()(null as unknown as Loose<typeof clip>);
is<never>()(null as unknown as Loose<typeof loss>);
is<never>()(null as unknown as Loose<typeof ops>);
is<never>()(null as unknown as Loose<typeof nn>);

// One prompt gives a text, several give as many; a stream gives tokens. A model may go on from what the library keeps for it.
class Writes extends nn.Module {
  readonly context = 8;
  readonly gpt = new models.GPT(4, { context: 8, layers: 1, heads: 1, width: 4 });
  forward(x: Tensor): Tensor {
    return this.gpt.forward(x);
  }
  decode(x: Tensor, cache: nn.KeyValueCache): Tensor {
    is<Tensor>()(cache.positions);
    return this.gpt.decode(x, cache);
  }
}
using writes = new Trainer({ model: new Writes(), loss: (b, m) => loss.crossEntropy(m.forward(b.x), b.y), optimizer });
is<number[]>()(await generate(writes, { prompt: [1], length: 2, stop: [3, [1, 2]], topP: 0.9 }));
is<number[][]>()(
  await generate(writes, { prompts: [[1], Uint8Array.of(1, 2)], length: 2, onToken: (token, row) => token > row }),
);
for await (const token of generateStream(writes, { prompt: [1], length: 2, signal })) is<number>()(token);

// Sequences have the names of their lists and those that they are asked for; batches those of their arrays.
type Padded = Batch<'x' | 'y' | 'lengths' | 'hidden'>;
using reads = new Trainer({
  model: new nn.GRU(1, 2),
  loss: ({ x, y, lengths, hidden }: Padded, gru) =>
    loss.weightedMean(ops.sub(gru.forward(x, { lengths }).last, y), ops.sum(hidden, { axes: [1] })),
  optimizer,
});
const padded = sequences(
  { x: [[[1]], [[2], [3]]], y: Float32Array.of(1, 2) },
  { buckets: [2, 4], pad: { x: 1 }, lengths: 'lengths', padding: { x: 'hidden' }, tooLong: 'cut' },
);
is<Sequences<'x' | 'y' | 'lengths' | 'hidden'>>()(padded);
is<readonly number[]>()(padded.buckets[0]!.arrays.lengths.shape);
reads.fit(padded, { validation: padded });
is<Promise<Metrics>>()(reads.evaluate(padded));
is<Float32Array>()(reads.predictSync(padded).data);
const listed = [{ x: [[1]], y: 1 }];
reads.fit(sequences(listed, { buckets: [{ x: 2 }], lengths: 'lengths', padding: 'hidden' }));
async function* inTurn() {
  yield* listed;
}
reads.fit(sequenceBatches(inTurn, { buckets: [2], lengths: 'lengths', padding: 'hidden', batchSize: 4 }));
reads.fit(sequenceBatches(inTurn(), { buckets: [2], lengths: 'lengths', padding: 'hidden' }));
trainer.fit(batches([data], { shapes: 3 }));
trainer.fit(batches(() => [data], { rows: 'y' }));
trainer.step(batches([data], { rows: 'x' }));
// Tables have the names of the arrays that are made of their columns.
const flats = [{ age: Float64Array.of(41), town: ['Bonn'], price: [1n] }];
is<BatchStream<'x' | 'y'>>()(columns(flats, { x: ['age'], y: 'price' }));
trainer.fit(columns(flats, { x: { except: ['town', 'price'] }, y: { columns: 'price', dtype: 'i32' } }, { shuffle: 100 }));
trainer.fit(columns(({ row }) => flats.slice(row), { x: ['age'], y: 'price' }));
trainer.fit(columns(inTurn, { x: ['x'], y: 'y', z: 'z' }));
is<Promise<Readonly<Record<'x' | 'y', NdArray>>>>()(readColumns(inTurn(), { x: ['x'], y: 'y' }, { limit: 9 }));
is<Promise<Metrics>>()(reads.evaluate(batches([{ x: [[[1]]], y: [1], lengths: [1], hidden: [[0]] }], { rows: 'y' })));

// Ready-made callbacks follow trainers of any metrics; a callback of one's own knows their names.
trainer.fit(data, {
  callbacks: [
    callbacks.progress({ stream: { write: () => true }, label: 'a' }),
    callbacks.tensorBoard('runs', { histograms: 5 }),
    callbacks.csv('run.csv', { rows: 'epochs', ifFails: 'stop' }),
    callbacks.logger({ info: () => {}, warn: () => {} }),
    {
      needsLayerNorms: true,
      onValidation: ({ f1 }, run) => f1 > 0.9 && run.stop(),
      onSteps(steps, { extent, trained, ratesAt, counters }) {
        is<Float64Array>()(steps.layerNorms(0));
        is<number | null>()(extent.steps);
        is<readonly string[]>()(trained);
        is<readonly number[]>()(ratesAt(counters.step));
      },
      onWarning: ({ code }) => code === 'callback',
    },
  ],
});
