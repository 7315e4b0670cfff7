// setup.ts: a training that is stopped and resumed, as a record of what it has that the plain one has not.
import type { FitOptions } from '../../lib/train/options.ts';
import type { Network } from '../torture/network.ts';
import type { ProgramSpec } from '../torture/spec.ts';
import type { ProgramOptions } from '../torture/train.ts';

export interface Setup {
  /** What the program has otherwise than PLAIN. */
  readonly program?: Partial<ProgramSpec>;
  /** Options of the trainer that no program has. */
  readonly options?: Partial<ProgramOptions>;
  /** Options of each fit. `validation` stands for other rows of the same kind. */
  readonly fit?: Omit<FitOptions<'size'>, 'validation' | 'record'> & { readonly validation?: true };
  /** Write a record. */
  readonly record?: { readonly perLayer: boolean };
  /** How batches come, where they are not drawn by number from memory. */
  readonly batches?:
    | 'a function that is told where'
    | 'an async function that is told where'
    | 'a function that is told nothing'
    | 'a list'
    | 'columns'
    | 'columns, in windows';
  readonly sync?: true;
  /** What is otherwise after the stop. */
  readonly after?: Partial<ProgramOptions>;
  /** The run is two fits: what the second one has otherwise, and what is done to the model before it. */
  readonly changes?: { readonly after: number; readonly fit?: Setup['fit']; readonly model?: (model: Network) => unknown };
}

/** Six steps an epoch, the last of three rows. */
export const PLAIN: ProgramSpec = {
  seed: 20261129,
  input: { source: 'rows', dtype: 'f32', row: [6], below: 5, scale: 1 },
  layers: [
    { name: 'Linear', options: { out: 9 } },
    { name: 'Tanh', options: {} },
  ],
  loss: { name: 'crossEntropy', width: 3, options: {} },
  policy: { name: 'globalNorm', args: [0.5] },
  optimizer: { name: 'adamw', options: { lr: 0.01 } },
  precision: 'f32',
  activations: 'f32',
  around: {},
  rows: 23,
  batchSize: 4,
  accumulate: 1,
  dropLast: false,
  steps: 0,
};

export const around = (options: ProgramSpec['around'], rest: Partial<ProgramSpec> = {}): Setup => ({
  program: { around: options, ...rest },
});
export const guards = (...calls: readonly { name: string; args: readonly unknown[] }[]): ProgramSpec['around'] => ({
  guards: calls,
});
export const validated = { validation: true } as const;
