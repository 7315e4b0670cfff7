// wrong-input.test.ts: what users get wrong, and the one error that each gives: its class, its code, and the value in its message.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import * as gradclip from '../../lib/index.ts';
import { fails, type Kind, transferred } from './fails.ts';
import { classifier, points } from './models.ts';

const { clip, io, loss, nn, optim, windows } = gradclip;
const folder = mkdtempSync(join(tmpdir(), 'gradclip-'));
const data = points(100);
const at = (name: string): string => join(folder, name);
const write = (name: string, content: string | Uint8Array): string => {
  writeFileSync(at(name), content);
  return at(name);
};

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
afterEach(() => expect(unhandled).toEqual([]));

class Words extends gradclip.nn.Module {
  readonly table: gradclip.nn.Embedding = new nn.Embedding(10, 4);
  readonly out: gradclip.nn.Linear = new nn.Linear(4, 10);
  forward(x: gradclip.Tensor): gradclip.Tensor {
    return this.out.forward(this.table.forward(x));
  }
}
const words = (): gradclip.Trainer<Words> =>
  new gradclip.Trainer({
    model: new Words(),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    batchSize: 4,
  });

const idx = (...numbers: number[]): Uint8Array => Uint8Array.from([0, 0, 8, 1, 0, 0, 0, 5, ...numbers]);

const { OptionError, ShapeError, DTypeError, IndexError, DetachedError, DataError } = gradclip;
const option = [OptionError, 'ERR_OPTION'] as const;
const shape = [ShapeError, 'ERR_SHAPE'] as const;
const file = [DataError, 'ERR_DATA'] as const;
const detached = [DetachedError, 'ERR_DETACHED'] as const;

describe('one error each', () => {
  it.each<[string, () => unknown, Kind, string, string | RegExp]>([
    // Shapes and dtypes.
    [
      'rows of another width',
      () => classifier().fit({ ...points(20, 7) }),
      ...shape,
      /linear: expected x \[\.\.\., 6\].*got \[8,7\]/,
    ],
    [
      'numbers of rows that differ',
      () => classifier().fit({ x: data.x, y: new Int32Array(3) }),
      ...shape,
      'y: expected 100 rows as x has, got 3',
    ],
    [
      'a shape for other data',
      () => classifier().predict({ data: new Float32Array(5), shape: [2, 3] }),
      ...shape,
      'x: expected 6 elements for [2,3], got 5',
    ],
    [
      'a loss that is no scalar',
      () => classifier({ loss: ({ x }, m) => m.forward(x) }).fit(data),
      ...shape,
      'loss: expected a scalar of f32 or f64, got f32[8,2]',
    ],
    [
      'labels that are no whole numbers',
      () => classifier().fit({ x: data.x, y: new Float32Array(100).fill(0.5) }),
      IndexError,
      'ERR_INDEX',
      /expected whole numbers as labels or indices, got 0.5 at position \d/,
    ],
    [
      'labels that f32 does not tell apart',
      () => classifier().fit({ x: data.x, y: new Float32Array(100).fill(2 ** 24) }),
      IndexError,
      'ERR_INDEX',
      /expected whole numbers below 16777216, since f32 does not have all others as labels or indices, got 16777216/,
    ],
    [
      'rows of several lengths',
      () => classifier().fit({ x: [[1, 2], [3]], y: [0, 1] }),
      ...shape,
      'x: expected 2 values at row 1, as in the first row, got 1',
    ],
    [
      'words as data',
      () => classifier().fit({ x: ['1', '2'] as never, y: [0, 1] }),
      DTypeError,
      'ERR_DTYPE',
      'x: expected numbers, got "1" at row 0',
    ],
    [
      'data that is nothing',
      () => classifier().fit(null as never),
      ...option,
      'fit: expected named arrays, such as { x, y }, or a source, such as windows, got null',
    ],
    [
      'no rows to predict',
      () => classifier().predict({ data: new Float32Array(0), shape: [0, 6] }),
      ...shape,
      'at least one row, got 0',
    ],
    // Options.
    [
      'an optimizer option',
      () => optim.sgd({ momentun: 0.9 } as object),
      ...option,
      'optim.sgd: unknown option momentun; did you mean momentum?',
    ],
    [
      'a policy option',
      () => clip.globalNorm(1, { onNonFinit: 'skip' } as object),
      ...option,
      /clip.globalNorm: unknown option onNonFinit; did you mean \w+/,
    ],
    [
      'a trainer option',
      () => classifier({ batchsize: 4 } as object),
      ...option,
      'Trainer: unknown option batchsize; did you mean batchSize?',
    ],
    [
      'a fit option',
      () => classifier().fit(data, { epoch: 1 } as object),
      ...option,
      'fit: unknown option epoch; did you mean epochs?',
    ],
    [
      'a save option',
      () => classifier().save(at('x'), { weightOnly: true } as object),
      ...option,
      'save: unknown option weightOnly; did you mean weightsOnly?',
    ],
    [
      'a load option',
      () => classifier().load(at('x'), { strickt: true } as object),
      ...option,
      'load: unknown option strickt; did you mean strict?',
    ],
    [
      'an evaluate option',
      () => classifier().evaluate(data, { batchSiz: 1 } as object),
      ...option,
      'evaluate: unknown option batchSiz; did you mean batchSize?',
    ],
    [
      'a batch size of 0',
      () => classifier().evaluate(data, { batchSize: 0 }),
      ...option,
      'evaluate: option batchSize: expected a whole number >= 1, got 0',
    ],
    ['no model', () => new gradclip.Trainer({} as never), ...option, 'Trainer: option model: expected a Module, got nothing'],
    [
      'an optimizer that is none',
      () => classifier({ optimizer: 'adam' as never }),
      ...option,
      'Trainer: option optimizer: expected an optimizer such as optim.adamw(), got "adam"',
    ],
    [
      'a policy that is none',
      () => classifier({ clip: 1 as never }),
      ...option,
      'Trainer: option clip: expected a policy such as clip.globalNorm(), got 1',
    ],
    [
      'half a step',
      () => classifier().fit(data, { steps: 1.5 }),
      ...option,
      'fit: option steps: expected a whole number >= 1, got 1.5',
    ],
    [
      'an unknown metric to watch',
      () => classifier().fit(data, { validation: data, earlyStop: { patience: 1, metric: 'los' as 'loss' } }),
      ...option,
      /did you mean loss/,
    ],
    [
      'a group that matches nothing',
      () => classifier({ groups: [{ match: '*.bais', optimizer: optim.sgd() }] }),
      ...option,
      'no parameter matches *.bais',
    ],
    ['a file name that is none', () => classifier().save(3 as never), ...option, /Trainer.save: argument to: expected .*got 3/],
    // Thresholds and rates.
    [
      'a negative norm',
      () => clip.globalNorm(-1),
      ...option,
      'clip.globalNorm: argument threshold: expected a number >= 0, got -1',
    ],
    ['a negative bound', () => clip.value(-0.5), ...option, /clip.value: .*got -0.5/],
    ['a negative norm per tensor', () => clip.perTensorNorm(-2), ...option, /clip.perTensorNorm: .*got -2/],
    ['a threshold that is no number', () => clip.globalNorm(Number.NaN), ...option, /clip.globalNorm: .*got NaN/],
    [
      'a threshold that becomes negative',
      () => classifier({ clip: clip.globalNorm((s) => 3 - s) }).fit(data),
      ...option,
      'clip.globalNorm: argument threshold at step 4: expected a number >= 0, got -1',
    ],
    [
      'a negative rate',
      () => optim.adamw({ lr: -1e-3 }),
      ...option,
      'optim.adamw: option lr: expected a finite number >= 0, got -0.001',
    ],
    // Indices.
    [
      'a label too large',
      () => classifier().fit({ x: data.x, y: data.y.map((v, i) => (i === 50 ? 7 : v)) }),
      IndexError,
      'ERR_INDEX',
      /softmaxCrossEntropy: expected an index from 0 to 1 at position \d, got 7/,
    ],
    [
      'a negative label',
      () => classifier().fitSync({ x: data.x, y: data.y.map(() => -1) }),
      IndexError,
      'ERR_INDEX',
      /softmaxCrossEntropy: .* got -1/,
    ],
    [
      'a label too large in evaluate',
      () => classifier().evaluate({ x: data.x, y: data.y.map(() => 2) }),
      IndexError,
      'ERR_INDEX',
      /got 2/,
    ],
    [
      'an id too large',
      () => words().fit({ x: Int32Array.of(1, 10, 2, 3), y: Int32Array.of(1, 2, 3, 4) }),
      IndexError,
      'ERR_INDEX',
      /gather: expected an index from 0 to 9 at position \d, got 10/,
    ],
    [
      'an id too large in predict',
      () => words().predict(Int32Array.of(3, 4, -5)),
      IndexError,
      'ERR_INDEX',
      'gather: expected an index from 0 to 9 at position 2, got -5',
    ],
    // Memory that is gone.
    [
      'data transferred before fit',
      () => classifier().fit({ x: { data: transferred(points(10).x.data), shape: [10, 6] }, y: points(10).y }),
      ...detached,
      'x: the array has no memory: it was transferred',
    ],
    [
      'labels transferred',
      () => classifier().fit({ x: points(10).x, y: transferred(points(10).y) }),
      ...detached,
      'y: the array has no memory',
    ],
    [
      'inputs transferred before predict',
      () => classifier().predict({ data: transferred(points(10).x.data), shape: [10, 6] }),
      ...detached,
      'x: the array has no memory',
    ],
    // Files.
    ['no IDX file', () => io.readIdx(at('none.idx')), ...file, /none.idx: no such file/],
    ['no checkpoint', () => classifier().load(at('none.safetensors')), ...file, /none.safetensors: no such file/],
    ['a folder in place of a file', () => classifier().load(folder), ...file, /expected a regular file/],
    [
      'a truncated IDX file',
      () => io.readIdx(write('short.idx', idx(1, 2, 3))),
      ...file,
      /short.idx: offset 4: expected 13 bytes for \[5\].*at most 11/,
    ],
    [
      'an IDX file of another kind',
      () => io.readIdx(write('kind.idx', 'PK34')),
      ...file,
      /kind.idx: offset 0: expected an IDX file .*got byte 80/,
    ],
    [
      'a ragged CSV file',
      () => io.readCsv(write('ragged.csv', '1,2,3\n4,5\n')),
      ...file,
      /ragged.csv:2: column 3: expected 3 cells, got 2/,
    ],
    [
      'a word in a CSV file',
      () => io.readCsv(write('word.csv', '1,2\n3,four\n')),
      ...file,
      /word.csv:2: column 2: expected a number, got "four"/,
    ],
    [
      'a text that is not UTF-8',
      () => io.readText(write('bad.txt', Uint8Array.of(65, 66, 255))),
      ...file,
      /bad.txt: offset 2: expected UTF-8, got byte 255/,
    ],
    [
      'a corrupt checkpoint',
      () => classifier().load(write('corrupt.safetensors', 'ten bytes and more')),
      ...file,
      /corrupt.safetensors: offset 0/,
    ],
    [
      'a text of one window',
      () => windows(new Uint8Array(8), { length: 8 }),
      ...file,
      'windows: expected more than 8 tokens, got 8',
    ],
    [
      'no folder to save to',
      () => classifier().save(at('no/where.safetensors')),
      ...file,
      /where.safetensors: cannot be written: there is no folder/,
    ],
    ['a folder in the way', () => classifier().save(folder), ...file, /expected a regular file, got a folder/],
  ])('%s', async (_name, call, kind, code, text) => {
    await fails(call, kind, code, text);
  });
});
