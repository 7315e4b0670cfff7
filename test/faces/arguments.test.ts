// arguments.test.ts: what ops, layers, losses, models and metrics are given is checked: nothing is dropped or taken for something else in silence.
import { describe, expect, test } from 'vitest';
import { GradclipError } from '../../lib/errors.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import * as metrics from '../../lib/metrics/index.ts';
import * as models from '../../lib/models/index.ts';
import * as nn from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import * as ops from '../../lib/ops/index.ts';

const graph = new Graph('train');
const input = (name: string, ...shape: number[]): Tensor => graph.input(name, { dtype: 'f32', shape }, 'feed');
const h = input('h', 4, 6);
const x = input('x', 4, 3, 5);
const image = input('image', 2, 3, 8, 8);
const kernel = input('kernel', 4, 3, 3, 3);
const indices = graph.input('indices', { dtype: 'i32', shape: [4] }, 'feed');

/** A function that is called as JavaScript calls it, without the compiler's help. */
const raw = (f: unknown): ((...args: unknown[]) => unknown) => f as never;
/** The one line that a wrong call ends in. */
function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(GradclipError);
    const { message } = error as GradclipError;
    expect(message.split('\n').length).toBe(1);
    return message;
  }
  throw new Error('expected an error');
}

describe('options of ops that do not exist', () => {
  test.each<[string, () => unknown, string]>([
    ['mean', () => raw(ops.mean)(x, { axis: 1 }), 'ops.mean: unknown option axis; did you mean axes?'],
    ['sum', () => raw(ops.sum)(x, { axis: 1 }), 'ops.sum: unknown option axis; did you mean axes?'],
    ['max', () => raw(ops.max)(x, { axis: 1 }), 'ops.max: unknown option axis; did you mean axes?'],
    ['min', () => raw(ops.min)(x, { keepdims: true }), 'ops.min: unknown option keepdims; did you mean keepDims?'],
    ['argmax', () => raw(ops.argmax)(x, { axes: 1 }), 'ops.argmax: unknown option axes; did you mean axis?'],
    ['logSumExp', () => raw(ops.logSumExp)(x, { axis: 1 }), 'ops.logSumExp: unknown option axis; did you mean axes?'],
    ['softmax', () => raw(ops.softmax)(x, { dim: 0 }), 'ops.softmax: unknown option dim; known options: axis'],
    ['softmax by number', () => raw(ops.softmax)(h, 0), 'ops.softmax: expected an object of options, got 0'],
    ['logSoftmax', () => raw(ops.logSoftmax)(x, { dim: 0 }), 'ops.logSoftmax: unknown option dim; known options: axis'],
    ['transpose', () => raw(ops.transpose)(x, [0, 2, 1]), 'ops.transpose: expected an object of options, got an array of 3'],
    ['slice', () => raw(ops.slice)(x, { start: 1, stop: 2 }), 'ops.slice: unknown option stop; did you mean step?'],
    ['pad', () => raw(ops.pad)(x, { value: 1 }), 'ops.pad: unknown option value; known options: axis, before, after, step'],
    ['oneHot', () => raw(ops.oneHot)(indices, { class: 3 }), 'ops.oneHot: unknown option class; did you mean classes?'],
    ['scatterAdd', () => raw(ops.scatterAdd)(h, indices, { row: 3 }), 'ops.scatterAdd: unknown option row; did you mean rows?'],
    ['batchNorm', () => raw(ops.batchNorm)(h, null, null, { esp: 1 }), 'ops.batchNorm: unknown option esp; did you mean eps?'],
    [
      'conv2d',
      () => raw(ops.conv2d)(image, kernel, null, { strides: 2 }),
      'ops.conv2d: unknown option strides; did you mean stride?',
    ],
    [
      'conv2d without bias',
      () => raw(ops.conv2d)(image, kernel, { stride: 2 }),
      'ops.conv2d: argument bias: expected a Tensor, or null',
    ],
  ])('%s', (_, call, message) => {
    expect(refusal(call)).toContain(message);
  });
});

describe('arguments of ops that they do not take', () => {
  test.each<[string, () => unknown, string]>([
    ['relu', () => raw(ops.relu)(x, 6), 'ops.relu: expected 1 argument, got 2, the first surplus one 6'],
    ['mul', () => raw(ops.mul)(h, 2, 3), 'ops.mul: expected at most 2 arguments, got 3, the first surplus one 3'],
    [
      'mapped',
      () => [h, h].map(raw(ops.relu)),
      'ops.relu: takes 1 argument, and map passes index and list too: write x => ops.relu(x)',
    ],
    ['mapped with options', () => [h, h].map(raw(ops.softmax)), 'write x => ops.softmax(x)'],
    ['reshape', () => raw(ops.reshape)(h, 24, 1), 'ops.reshape: expected at most 2 arguments, got 3'],
    ['reshape by number', () => raw(ops.reshape)(h, 24), 'ops.reshape: argument shape: expected a list, got 24'],
    [
      'reshape by text',
      () => raw(ops.reshape)(h, ['24']),
      'ops.reshape: argument shape[0]: expected a whole number >= -1, got "24"',
    ],
    ['broadcastTo', () => raw(ops.broadcastTo)(h, [2, -1, 6]), 'ops.broadcastTo: argument shape[1]: expected'],
    ['expandDims', () => raw(ops.expandDims)(h), 'ops.expandDims: argument axis: expected a whole number, got nothing'],
    ['squeeze', () => raw(ops.squeeze)(h, { axis: 1 }), 'ops.squeeze: argument axis: expected a whole number, got an object'],
    ['concat of two', () => raw(ops.concat)(h, h), 'ops.concat: argument xs: expected a list of at least 1, got a Tensor'],
    ['concat of none', () => raw(ops.concat)([]), 'ops.concat: argument xs: expected a list of at least 1, got an array of 0'],
    ['concat of numbers', () => raw(ops.concat)([h, 2]), 'ops.concat: argument xs[1]: expected a Tensor, got 2'],
    ['stack', () => raw(ops.stack)([h, h], { axis: 1 }), 'ops.stack: argument axis: expected a whole number, got an object'],
    [
      'dropout',
      () => raw(ops.dropout)(h, { rate: 0.5 }),
      'ops.dropout: argument p: expected a finite number >= 0 and < 1, got an object',
    ],
    ['noise', () => raw(ops.noise)(h), 'ops.noise: argument std: expected a finite number >= 0, got nothing'],
    ['maxPool2d', () => raw(ops.maxPool2d)(image), 'ops.maxPool2d: argument kernelSize: expected'],
    [
      'adaptiveAvgPool2d',
      () => raw(ops.adaptiveAvgPool2d)(image, { outputSize: 2 }),
      'ops.adaptiveAvgPool2d: argument outputSize: expected',
    ],
  ])('%s', (_, call, message) => {
    expect(refusal(call)).toContain(message);
  });
  test.each(['2', null, true, [1], 2n, undefined, {}, new Float32Array(1)])('mul(h, %o)', (value) => {
    expect(refusal(() => raw(ops.mul)(h, value))).toContain('ops.mul: argument b: expected a Tensor or a number, got ');
    expect(refusal(() => raw(ops.where)(value, h, h))).toContain(
      'ops.where: argument condition: expected a Tensor or a number, got ',
    );
  });
});

describe('layers', () => {
  test.each<[string, () => unknown, string]>([
    [
      'ReLU',
      () => new (nn.ReLU as never as new (o: unknown) => unknown)({ inplace: true }),
      'nn.ReLU: expected no arguments, got 1',
    ],
    [
      'Linear.forward',
      () => new nn.Linear(6, 2).forward([1, 2] as never),
      'nn.Linear.forward: argument x: expected a Tensor, got an array of 2',
    ],
    [
      'ReLU.forward',
      () => (new nn.ReLU().forward as (...a: unknown[]) => unknown)(h, 6),
      'nn.ReLU.forward: expected 1 argument, got 2',
    ],
    [
      'Parameter',
      () => new (nn.Parameter as never as new (s: unknown) => unknown)([4, 3]),
      'nn.Parameter: argument init: expected',
    ],
  ])('%s', (_, call, message) => {
    expect(refusal(call)).toContain(message);
  });
  test('a parameter of zeros is asked for', () => {
    const zeros = new nn.Parameter([2], nn.init.zeros());
    zeros.initialize('zeros', 0n);
    expect([...zeros.data]).toEqual([0, 0]);
  });
});

describe('losses, models and metrics', () => {
  const made = (type: unknown, ...args: unknown[]) => new (type as new (...args: unknown[]) => unknown)(...args);
  test.each<[string, () => unknown, string]>([
    ['a loss with another option', () => raw(loss.mse)(h, h, { reduce: 'sum' }), 'loss.mse: unknown option reduce'],
    ['a loss of numbers', () => raw(loss.l1)(h, 2), 'loss.l1: argument target: expected a Tensor, got 2'],
    [
      'weights beyond f32',
      () => raw(loss.crossEntropy)(h, indices, { weight: [1, 1e300] }),
      'loss.crossEntropy: option weight: expected finite numbers or a tensor, got an array of 2',
    ],
    [
      'a network of one size',
      () => made(models.MLP, [784]),
      'models.MLP: argument sizes: expected a list of 2 to 1000, got an array of 1',
    ],
    [
      'more layers than can be',
      () => made(models.GPT, 9, { layers: 2 ** 40 }),
      'models.GPT: option layers: expected a whole number >= 1',
    ],
    [
      'heads that do not divide',
      () => made(models.GPT, 9, { heads: 3 }),
      'models.GPT: option heads: expected a divisor of the width 128',
    ],
    ['a metric with a surplus argument', () => raw(metrics.mae)(h, h, {}), 'metrics.mae: expected at most 2 arguments, got 3'],
    [
      'objects for arrays',
      () => (new metrics.MAE().update as (...a: unknown[]) => unknown).call(new metrics.MAE(), {}, {}),
      'metrics.MAE.update: argument predictions: expected numbers in an array, or { data, shape }, got an object',
    ],
    [
      'merged with nothing',
      () => new metrics.F1().merge(null as never),
      'metrics.F1.merge: argument other: expected a metric, got null',
    ],
  ])('%s', (_, call, message) => {
    expect(refusal(call)).toContain(message);
  });
});
