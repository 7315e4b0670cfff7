// mistakes.ts: what somebody may write in the first hour. Each line that ends with `//!` must be refused by the compiler, with that text in its
// error, and no other line may (test/types/types.test.ts, scripts/consumer.mjs).
import {
  type Batch,
  batches,
  clip,
  generate,
  generateStream,
  loss,
  metrics,
  nn,
  ops,
  optim,
  rows,
  sequences,
  type Tensor,
  Trainer,
} from 'gradclip';
import { is } from './uses.ts';

const x = { data: new Float32Array(8), shape: [4, 2] };
const y = Int32Array.of(0, 1, 1, 0);
const data = { x, y };
const optimizer = optim.adamw({ lr: 1e-2 });
const model = new nn.Sequential(new nn.Linear(2, 8), new nn.ReLU(), new nn.Linear(8, 2));
const trainer = new Trainer({
  model,
  loss: ({ x, y }, net) => loss.crossEntropy(net.forward(x), y),
  metrics: { accuracy: ({ x, y }, net) => metrics.accuracy(net.forward(x), y) },
  optimizer,
});

// Names of metrics
trainer.fit(data, { validation: data, earlyStop: { patience: 3, metric: 'acuracy' } }); //! "acuracy"
trainer.fit(data, { onEpoch: ({ validation }) => console.log(validation?.acc) }); //! 'acc' does not exist
(await trainer.evaluate(data)).acuracy; //! 'acuracy' does not exist
trainer.evaluateSync(data).f1; //! 'f1' does not exist
(await trainer.fit(data)).best?.val_loss; //! 'val_loss' does not exist
trainer.fitSync(data).epochs[0]?.validation?.accurracy; //! 'accurracy' does not exist
const plain = { model, loss: ({ x, y }: Batch, net: nn.Sequential) => loss.crossEntropy(net.forward(x), y), optimizer };
new Trainer({ ...plain, metrics: { f1: ({ x, y }, net) => metrics.f1(net.forward(x), y) }, plateau: { metric: 'F1' } }); //! "F1"
new Trainer({ ...plain, plateau: { metric: 'accuracy' } }); //! "accuracy"
new Trainer(plain).fit(data, { validation: data, earlyStop: { patience: 1, metric: 'accuracy' } }); //! "accuracy"

// The comparison of types that uses.ts rests on
is<number | undefined>()(trainer.evaluateSync(data).loss); //! Expected 2 arguments
is<number>()(JSON.parse('1')); //! Expected 2 arguments

// Options
new Trainer({ ...plain, learningRate: 0.1 }); //! 'learningRate' does not exist
new Trainer({ ...plain, batchSize: '32' }); //! 'string' is not assignable
new Trainer({ ...plain, optimizer: 'adam' }); //! 'string' is not assignable
new Trainer({ model, loss: plain.loss }); //! 'optimizer' is missing
trainer.fit(data, { epoch: 5 }); //! Did you mean to write 'epochs'
trainer.fit(data, { epochs: '5' }); //! 'string' is not assignable
trainer.fit(data, { earlyStop: true }); //! 'boolean'
optim.adamw({ learningRate: 1e-3 }); //! 'learningRate' does not exist
optim.adamw({ lr: '1e-3' }); //! 'string' is not assignable
optim.sgd(0.1); //! no properties in common
optim.schedule.cosine(1e-3, { epochs: 3 }); //! 'epochs' does not exist
clip.globalNorm({ max: 1 }); //! 'max' does not exist
clip.globalNorm(1, { norm: 2 }); //! 'norm' does not exist
clip.globalNorm(1, { nonFinite: 'ignore' }); //! "ignore"
clip.value(1, { nonfinite: 'skip' }); //! nonfinite

// Losses and metrics
new Trainer({ ...plain, loss: () => 0.5 }); //! 'number' is not assignable
new Trainer({ ...plain, loss: async ({ x }: Batch, net: nn.Sequential) => ops.sum(net.forward(x)) }); //! Promise<Tensor>
new Trainer({ ...plain, loss: loss.crossEntropy }); //! { readonly x: Tensor; readonly y: Tensor; }' but required in type 'TensorLike'
new Trainer({ ...plain, metrics: { accuracy: metrics.accuracy } }); //! { readonly x: Tensor; readonly y: Tensor; }' but required in type 'TensorLike'
new Trainer({ ...plain, metrics: { f1: metrics.F1 } }); //! is not assignable
new Trainer({ ...plain, metrics: { f1: new metrics.F1() } }); //! is not assignable
new Trainer({ ...plain, metrics: [metrics.accuracy] }); //! is not assignable
new Trainer({ ...plain, metrics: { one: () => 1 } }); //! 'number' is not assignable
const logits = model.forward(loss.mse(model.input, model.input)); //! 'input' does not exist
loss.crossEntropy(logits, logits, { reduction: 'mena' }); //! "mena"
loss.crossEntropy(logits); //! Expected 2-3 arguments
loss.huber(logits, logits, { delta: 1, beta: 1 }); //! beta

// Batches
const named = new Trainer({
  ...plain,
  loss: ({ input, label }: Batch<'input' | 'label'>, net) => loss.crossEntropy(net.forward(input), label),
  metrics: { accuracy: ({ input, lable }, net) => metrics.accuracy(net.forward(input), lable) }, //! 'lable' does not exist
});
named.fit({ inputs: x, label: y }); //! 'input' is missing
named.fit(rows(data)); //! is not assignable
named.fit({ input: x, label: y }, { validation: data }); //! is not assignable
named.evaluate(data); //! is not assignable
named.gradients(data); //! is not assignable

// Sequences
const lists = { x: [[1, 2], [3]], y: [0, 1] };
const padded = sequences(lists, { buckets: [4], lengths: 'lengths' });
named.fit(padded); //! is not assignable
trainer.fit(sequences(lists, { bucket: [4] })); //! 'bucket' does not exist
sequences(lists, { lengths: 'lengths' }); //! 'buckets' is missing
sequences(lists, { buckets: [{ z: 4 }] }); //! 'z' does not exist
sequences(lists, { buckets: [4], pad: { z: 4 } }); //! 'z' does not exist
sequences(lists, { buckets: [4], tooLong: 'drop' }); //! "drop"
padded.buckets[0]!.arrays.mask; //! 'mask' does not exist
trainer.fit(batches([data], { row: 'y' })); //! 'row' does not exist

// Arrays
trainer.predict('0.5'); //! 'string'
trainer.predict(5); //! 'number'
trainer.predict({ data: new Float32Array(4), shape: '2,2' }); //! 'data' does not exist
trainer.fit({ x: 'points.csv', y }); //! 'string' is not assignable
trainer.fit('points.csv'); //! 'string'
const classes = new Trainer({ ...plain, predict: ({ x }, net) => ops.argmax(net.forward(x)) });
const f32: Float32Array = classes.predictSync(x).data; //! 'DataOf<DType>'
new Trainer({ ...plain, predict: ({ x }, net) => net.forward(x).shape }); //! is not assignable
f32.at(0);
const { data: predicted } = await trainer.predict(x);
predicted.push(1); //! 'push' does not exist

// Layers, tensors, modules
new nn.Linear('2', 8); //! 'string' is not assignable
new nn.Linear(2); //! Expected 2-3 arguments
new nn.Linear(2, 8, { biass: false }); //! 'biass'
new nn.Parameter([8, 4]); //! 'ShapeWithDefaultInit'
new nn.Parameter(x.shape); //! 'ShapeWithDefaultInit'
new nn.Parameter(4); //! 'number'
new nn.Conv2d(1, 8, 3, { padding: 'full' }); //! "full"
new nn.Sequential(new nn.Linear(2, 8), 'relu'); //! 'string' is not assignable to parameter of type 'Layer'
model.at(1).weight; //! 'weight' does not exist on type 'ReLU'
model.at(3).weight; //! possibly 'undefined'
model.at('0'); //! 'string'
new nn.LSTM(2, 8, { num_layers: 2 }); //! 'num_layers' does not exist
new nn.Linear(2, 8).forward([1, 2]); //! number[]
new nn.Linear(2, 8).forward(x.data); //! Float32Array
new nn.TransformerEncoderLayer(8, 2, { activation: 'rellu' }); //! "rellu"
ops.mean(logits, { axis: 1 }); //! 'axis' does not exist
ops.softmax(logits, { dim: 1 }); //! 'dim' does not exist
ops.relu(logits, 6); //! Expected 1 arguments
ops.reshape(logits, '2,4'); //! 'string'
const doubled: Tensor = logits * 2; //! arithmetic operation
ops.exp(doubled.data); //! 'data' does not exist
class Net extends nn.Module {
  fc = new nn.Linear(2, 8);
  forward(x: Tensor): Tensor {
    return this.fc(x); //! not callable
  }
}
new Trainer({ ...plain, model: new Net() }); //! type 'Sequential<readonly Layer[]>': layers
trainer.model.forward(logits).backward(); //! 'backward' does not exist

// Writing
generate(trainer, { length: 3 }); //! No overload
generate(trainer, { prompt: 'abc', length: 3 }); //! No overload
generate(trainer, { prompts: [1, 2], length: 3 }); //! No overload
generateStream(trainer, { prompts: [[1]], length: 3 }); //! 'prompts' does not exist
generateStream(trainer, { prompt: [1], length: 3, stop: 3 }); //! 'number' is not assignable
