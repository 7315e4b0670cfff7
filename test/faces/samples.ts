// samples.ts: for everything public, arguments that fit: from what is declared of it, and by hand where that cannot say.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gradclip from '../../lib/index.ts';
import { advise, clip, Graph, loss, models, nn, ops, optim, replay, type Tensor } from '../../lib/index.ts';
import { type AnyField, type Schema, signatures } from '../../lib/options/index.ts';
import { Cache } from '../../lib/train/generate/cache.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-walk-'));

/** Arguments that name files to write: a text there is no mistake. */
export const WRITES: ReadonlySet<string> = new Set([
  'Trainer.report to',
  'Trainer.save to',
  'Trainer.savePruned file',
  'Trainer.exportOnnx to',
  'Trainer.fit record',
  'Trainer.fitSync record',
  'tune file',
]);

/** What declares nothing, and why. */
export const UNDECLARED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.entries(gradclip).flatMap(([name, value]) =>
      typeof value === 'function' && name.endsWith('Error') ? [[name, 'thrown by the library: a program makes none']] : [],
    ),
  ),
};

/** Methods that are asked for what they tell, take nothing, or are called by ops with what these have checked. */
export const UNDECLARED_METHODS: RegExp =
  /^GradclipError\.|^Graph\.(add|copy|copyAssign|randomKey|watchGradient|gradientWatchers)$|\.(toString|toJSON|toTensor|extraRepr|parts)$/;

/** A tensor of a graph of its own. */
const tensor = (...shape: number[]): Tensor => new Graph('train').input('x', { dtype: 'f32', shape }, 'feed');

/** By what errors call it, where no schema says more. */
const BY_WORDS: Readonly<Record<string, () => unknown>> = {
  'a Tensor': () => tensor(4, 6),
  'a Tensor or a number': () => tensor(4, 6),
  'a Tensor, or null': () => null,
  'a Graph': () => new Graph('train'),
  'a whole number': () => 1,
  'a number': () => 1,
  'a state { name, type }': () => ({ name: 'a', type: { dtype: 'f32', shape: [2] } }),
  'a State, or null': () => null,
  'a Module': () => new nn.Linear(6, 2),
  'a trainer, or a model with its parameters': () => trainer(),
  'at least one token': () => [1],
  'an optimizer such as optim.adamw()': () => optim.sgd(),
  'a policy such as clip.globalNorm()': () => clip.none(),
  'the context that build is given': () => context(),
  'what checkPolicy gives': () => clip.parts.checkPolicy('mine', {}, []),
  'what measure gives': () => clip.parts.measure(context(), clip.parts.checkPolicy('mine', {}, [])),
  'what unitsOf gives': () => clip.parts.stage.unitsOf([[4, 6]], 'rows'),
  'a stage such as stage.scale(by)': () => clip.parts.stage.sign(),
  'what probe gives': () => trainer().probeSync(xy(), { batchSize: 1 }),
  'what replay gives': () => replay([1, 2, 3], [clip.none()]),
  'what advise gives': () => advise([1, 2, 3]),
  'policies in a list or by name': () => [clip.none()],
  'norms, reports or a history': () => [1, 2, 3, 4],
  'columns by name, or rows in a list': () => ({ a: [1, 2], b: ['x', 'y'] }),
  'bytes as a Uint8Array': () => new Uint8Array(4),
  'a text or a Uint8Array': () => 'a,b\n1,2\n',
  'tensors by name': () => ({}),
  'a Registry of prom-client': () => ({ getSingleMetric: () => undefined, registerMetric: () => {} }),
  'a Meter of @opentelemetry/api, 1.9 or later': () => meter(),
  'a logger with methods info and warn': () => ({ info: () => {}, warn: () => {} }),
  'an array of numbers, or { data, shape }': () => new Float32Array(8),
  'arrays by name': () => ({ x: new Float32Array(8) }),
  'a list or a record of Float32Arrays': () => [new Float32Array(3)],
};

/** As OpenTelemetry makes one. */
function meter(): Readonly<Record<string, () => unknown>> {
  const make = () => ({ add: () => {}, record: () => {} });
  return { createCounter: make, createUpDownCounter: make, createGauge: make, createHistogram: make };
}

/** As a policy's `build` is given it. */
function context(): clip.ClipContext {
  const grad = tensor(4, 6);
  const { graph } = grad;
  return {
    ...{ graph, params: [grad], grads: [grad], names: ['w'], loss: null, stages: [] },
    perStep: (_, value) => graph.scalar(value(0), 'f64'),
    state: (name, type) => ({ name, type }),
  };
}

const data = (data: Float32Array) => ({ dtype: 'f32', shape: [data.length], data });

/** A trainer that nobody else holds, and rows for it. */
const forwardOfX = ({ x }: gradclip.Batch, model: nn.Linear): gradclip.Tensor => model.forward(x);
function trainer(): gradclip.Trainer<nn.Linear> {
  return new gradclip.Trainer({
    model: new nn.Linear(6, 2),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.sgd(),
  });
}
const x = () => ({ data: new Float32Array(24), shape: [4, 6] });
const xy = () => ({ x: x(), y: { data: new Float32Array(8), shape: [4, 2] } });
const file = (): string => join(folder, 'walk.safetensors');

/** Arguments by hand, by path: all of them. */
const BY_HAND: Readonly<Record<string, () => readonly unknown[]>> = {
  // Of no steps, which takes no time.
  'privacy.bounds': () => [{ q: 0.01, sigma: 1, steps: 0, delta: 1e-5 }],
  'privacy.epsilon': () => [{ q: 0.01, sigma: 1, steps: 0, delta: 1e-5 }],
  'privacy.sigmaFor': () => [{ epsilon: 1, q: 0.01, steps: 0, delta: 1e-5 }],
  'Graph.constant': () => [new Float32Array(2), [2], 'f32'],
  'Graph.output': () => ['y', tensor(2)],
  'Graph.assign': () => [{ name: 'a', type: { dtype: 'f32', shape: [2] } }, tensor(2)],
  'Trainer.fit': () => [xy(), { steps: 1 }],
  'Trainer.fitSync': () => [xy(), { steps: 1 }],
  'Trainer.evaluate': () => [xy()],
  'Trainer.evaluateSync': () => [xy()],
  'Trainer.gradients': () => [xy()],
  'Trainer.gradientsSync': () => [xy()],
  'Trainer.precision': () => [xy()],
  'Trainer.inspect': () => [xy()],
  'Trainer.probe': () => [xy(), { batchSize: 1 }],
  'Trainer.probeSync': () => [xy(), { batchSize: 1 }],
  'Trainer.predict': () => [x()],
  'Trainer.predictSync': () => [x()],
  'Trainer.run': () => [forwardOfX, x()],
  'Trainer.runSync': () => [forwardOfX, x()],
  'Trainer.report': () => [file()],
  'Trainer.save': () => [file()],
  'Trainer.savePruned': () => [file()],
  'Trainer.exportOnnx': () => [file(), { inputs: x() }],
  'Trainer.load': () => [file()],
  'Trainer.step': () => [xy()],
  'Trainer.stepSync': () => [xy()],
  'Trainer.restore': () => [trainer().snapshotSync()],
  'Trainer.restoreSync': () => [trainer().snapshotSync()],
  'Trainer.writeParameters': () => [{ bias: [1, 2] }],
  'Trainer.writeParametersSync': () => [{ bias: [1, 2] }],
  batches: () => [[xy()], { rows: 'y' }],
  columns: () => [[{ a: [1, 2], y: [0, 1] }], { x: ['a'], y: 'y' }],
  readColumns: () => [[{ a: [1, 2], y: [0, 1] }], { x: ['a'], y: 'y' }],
  sequenceBatches: () => [[{ x: [1, 2], y: 0 }], { buckets: [4] }],
  sequences: () => [{ x: [[1, 2], [3]], y: [0, 1] }, { buckets: [4] }],
  'space.uniform': () => [0, 1],
  'space.log': () => [1, 10],
  'space.integer': () => [1, 4],
  'space.choice': () => [['a', 'b']],
  // No trial: however long a search is, it ends at once.
  tune: () => {
    const make = (): never => {
      throw new gradclip.NonFiniteError('walked');
    };
    return [{ make, space: { lr: gradclip.space.log(1, 10) }, steps: 1 }];
  },
  summary: () => [new nn.Linear(6, 2), { x: [4, 6] }],
  'models.GPT.decode': () => {
    const graph = new Graph();
    const tokens = graph.input('x', { dtype: 'i32', shape: [1, 2] }, 'feed');
    return [tokens, new Cache(graph, { batch: 1, time: 2, length: 64 }, [])];
  },
  'models.CharRNN.step': () => [tensor(1, 1), null],
  'models.charRnnLoss': () => [{}, new models.CharRNN(3)],
  'models.GPT.fromHuggingFace': () => [join(import.meta.dirname, '../golden/models/gpt2')],
  'models.gptLoss': () => [{}, new models.GPT(3)],
  'models.ncfLoss': () => [{}, new models.NCF({ users: 2, items: 2 })],
  'nn.TransformerDecoder': () => [() => new nn.TransformerDecoderLayer(8, 2), 1],
  'nn.TransformerEncoder': () => [() => new nn.TransformerEncoderLayer(8, 2), 1],
  'nn.checkpointed': () => [(h: unknown) => h, tensor(2)],
  'nn.Upsample': () => [{ size: 3 }],
  'ops.concat': () => [[tensor(4, 6)]],
  'ops.einsum': () => ['ij,kj->ik', [tensor(4, 6), tensor(4, 6)]],
  'ops.stack': () => [[tensor(4, 6)]],
  'clip.groups': () => [[{ policy: clip.none() }]],
  'clip.parts.perGradient': () => [context(), [1]],
  'clip.parts.nonFiniteRule': () => ['mine', {}],
  'clip.parts.unitStatistic': () => [[tensor(4, 6)], { kind: 'sum', axis: 'rows' }],
  'clip.parts.shaped': () => [clip.parts.measure(context(), clip.parts.checkPolicy('mine', {}, [])), []],
  grad: () => {
    const x = tensor(4, 6);
    return [ops.sum(x), [x]];
  },
  // Nothing is written: the format keeps this name for itself.
  'io.writeSafetensors': () => [join(tmpdir(), 'walk.safetensors'), { __metadata__: data(new Float32Array(1)) }],
  'preprocess.fromJSON': () => [{ type: 'pipeline', steps: [] }],
  'tokenizer.fromJSON': () => [{ type: 'byte' }],
  'optim.schedule.sequential': () => [[1, 2], { milestones: [3] }],
};

/** Whose classes are made of what their signatures say, for the sake of their methods. */
const MADE = /^(nn|models|metrics|privacy)\./;

export function argumentsOf(path: string): readonly unknown[] {
  const made = BY_HAND[path];
  if (made) return made();
  const { positional, options } = signatures.get(path)!;
  const args = Object.entries(positional).flatMap(([key, field]) =>
    'rest' in field ? [] : [sampleOf(field, `${path}: ${key}`)],
  );
  const required = Object.entries(options ?? {}).filter(([, field]) => field.required);
  if (required.length === 0) return args;
  return [...args, Object.fromEntries(required.map(([key, field]) => [key, sampleOf(field, `${path}: ${key}`)]))];
}

/** One of the class of a method; undefined where there is none to be had. */
export function instanceOf(path: string): object | undefined {
  const owner = path.slice(0, path.lastIndexOf('.'));
  if (owner === 'Trainer') return trainer();
  if (owner === 'Graph') return new Graph('train');
  if (owner === 'nn.Module') return new nn.Linear(6, 2);
  if (!MADE.test(owner) || !signatures.has(owner)) return undefined;
  const type = owner.split('.').reduce((at, key) => at[key] as never, gradclip as Readonly<Record<string, unknown>>);
  return new (type as unknown as new (...args: readonly unknown[]) => object)(...argumentsOf(owner));
}

function sampleOf(field: AnyField, what: string): unknown {
  if (!field.required) return undefined;
  if (field.schema) return sampleOfSchema(field.schema);
  const made = BY_WORDS[field.expected] ?? (field.expected.startsWith('a function') ? () => () => 1 : undefined);
  if (!made) throw new Error(`${what}: nothing says what ${field.expected} is: give it in samples.ts`);
  return made();
}

function sampleOfSchema(schema: Schema): unknown {
  const s = schema as Record<string, never>;
  if ('const' in s) return s.const;
  if ('enum' in s) return s.enum[0];
  if ('anyOf' in s) return sampleOfSchema(s.anyOf[0]);
  if (s.type === 'boolean') return true;
  if (s.type === 'string') return 'a text';
  if (s.type === 'number' || s.type === 'integer') return numberOf(schema);
  if ('prefixItems' in s) return (s.prefixItems as Schema[]).map(sampleOfSchema);
  if (s.type === 'array') return Array.from({ length: Math.max(1, s.minItems ?? 0) }, () => sampleOfSchema(s.items!));
  const properties = (s.properties ?? {}) as Record<string, Schema>;
  return Object.fromEntries(((s.required ?? []) as string[]).map((key) => [key, sampleOfSchema(properties[key]!)]));
}

function numberOf(schema: Schema): number {
  const { type, minimum, exclusiveMinimum, exclusiveMaximum } = schema as Record<string, number> & { type: string };
  const least = minimum ?? (exclusiveMinimum === undefined ? 1 : exclusiveMinimum + (type === 'integer' ? 1 : 0.25));
  return exclusiveMaximum !== undefined && least >= exclusiveMaximum ? exclusiveMaximum / 2 : least;
}
