// watched.ts: set-ups of trainings in which somebody follows the run, or gives the batches: validation, plateau, early stop, guards, streams.
import { around, guards, type Setup, validated } from './setup.ts';

const worse = { factor: 0.5, patience: 0, threshold: 0.3 };
/** Its validation is better and worse in turns. */
const sgd: Setup = { program: { optimizer: { name: 'sgd', options: { lr: 2, momentum: 0.5 } } } };

export const WATCHED: Readonly<Record<string, Setup>> = {
  'ema, validated': { ...around({ ema: { decay: 0.9 }, plateau: worse }), fit: { ...validated, validateWeights: 'ema' } },
  plateau: { ...around({ plateau: worse }), fit: validated },
  'plateau, patience and cooldown': {
    ...around({ plateau: { ...worse, patience: 1, cooldown: 1 } }),
    fit: { ...validated, validateEvery: 2 },
  },
  'plateau, validated every 4 steps': { ...around({ plateau: worse }), fit: { ...validated, validateEvery: 4 } },
  'plateau, validated every 5 steps, accumulation': {
    ...around({ plateau: worse }, { accumulate: 2, rows: 41 }),
    fit: { ...validated, validateEvery: 5 },
  },
  'a guard that rolls back': {
    ...around(guards({ name: 'loss', args: [{ max: 1.17, action: 'rollback' }] })),
    options: { rollback: { every: 3, limit: 100 } },
  },
  'a guard that rolls back, beside one that warns': {
    ...around(
      guards(
        { name: 'loss', args: [{ max: 1.15, action: 'rollback' }] },
        { name: 'exploding', args: [{ max: 0.5, action: 'warn' }] },
      ),
      { accumulate: 2, rows: 41 },
    ),
    options: { rollback: { every: 4, limit: 100 } },
  },
  'a guard that rolls back too often': {
    ...around(guards({ name: 'loss', args: [{ max: 1.14, action: 'rollback' }] })),
    options: { rollback: { every: 2, limit: 4 } },
  },
  'a stream told where': { batches: 'a function that is told where' },
  'an async stream told where': { batches: 'an async function that is told where' },
  'an async stream, accumulation with a tail': {
    batches: 'an async function that is told where',
    program: { accumulate: 4, rows: 41 },
  },
  'a stream told where, validated': { batches: 'a function that is told where', fit: { ...validated, validateEvery: 4 } },
  'a stream told where, two epochs': { batches: 'a function that is told where', fit: { epochs: 2 } },
  'a stream told nothing': { batches: 'a function that is told nothing' },
  'a list of batches, accumulation': { batches: 'a list', program: { accumulate: 2 } },
  columns: { batches: 'columns' },
  'columns in windows, accumulation, validated': {
    batches: 'columns, in windows',
    program: { accumulate: 2 },
    fit: { ...validated, validateEvery: 4 },
  },
  'synchronous, columns in windows': { sync: true, batches: 'columns, in windows', program: { dropLast: true } },
  'columns, batches of another size in the fit': { batches: 'columns', fit: { batchSize: 6 } },
  'synchronous, a list of batches': { sync: true, batches: 'a list', record: { perLayer: false } },
  'synchronous, validated, plateau': { ...around({ plateau: worse }), fit: validated, sync: true },
  'early stop': { ...sgd, fit: { ...validated, earlyStop: { patience: 1 } } },
  'early stop, validated every 2 steps': { ...sgd, fit: { ...validated, validateEvery: 2, earlyStop: { patience: 3 } } },
  'early stop of a metric, with a least change': {
    ...sgd,
    fit: { ...validated, validateEvery: 3, earlyStop: { patience: 2, metric: 'size', mode: 'min', minDelta: 0.01 } },
  },
  'early stop that comes too late': { fit: { ...validated, earlyStop: { patience: 9 } } },
  'early stop of averages': {
    ...around({ ema: { decay: 0.9 } }),
    fit: { ...validated, validateEvery: 2, validateWeights: 'ema', earlyStop: { patience: 2 } },
  },
  'early stop and plateau': {
    ...around({ plateau: worse }),
    fit: { ...validated, validateEvery: 3, earlyStop: { patience: 3 } },
  },
  'early stop, roll-backs': {
    ...around(guards({ name: 'loss', args: [{ max: 1.17, action: 'rollback' }] })),
    options: { rollback: { every: 3, limit: 100 } },
    fit: { ...validated, validateEvery: 2, earlyStop: { patience: 4 } },
  },
  'early stop, record, a stream': {
    batches: 'a function that is told where',
    record: { perLayer: false },
    fit: { ...validated, validateEvery: 3, earlyStop: { patience: 3 } },
  },
  'early stop, synchronous': { ...sgd, sync: true, fit: { ...validated, earlyStop: { patience: 1 } } },
};
