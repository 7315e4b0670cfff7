// spec.ts: a program as it is drawn: plain data, so that it can be sent to another process, made smaller, and printed.
import type { Precision } from '../../lib/ir/op.ts';

/** The shape of one row, without the batch. */
export type Row = readonly number[];

/** Plain data: options of a constructor or function. */
export type Options = Readonly<Record<string, unknown>>;

export interface LayerSpec {
  /** A class of `nn`, or one of the containers of layers/containers.ts. */
  readonly name: string;
  readonly options: Options;
  /** Of containers: what is in them. */
  readonly layers?: readonly LayerSpec[];
}

export interface LossSpec {
  readonly name: string;
  readonly options: Options;
  /** Features of what the loss is given, which the last layer makes. */
  readonly width: number;
}

/** A function of `clip` or `optim.schedule`, its arguments, and the policies that it is made of. */
export interface PolicySpec {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly parts?: readonly PolicySpec[];
}

export interface OptimizerSpec {
  readonly name: string;
  readonly options: Options;
  /** A schedule in place of the learning rate. */
  readonly schedule?: { readonly name: string; readonly args: readonly unknown[] };
}

/** What batches are made of. */
export interface InputSpec {
  /** `rows` of arrays, `windows` over a text, which may be consecutive. */
  readonly source: 'rows' | 'windows' | 'consecutive';
  readonly dtype: 'f32' | 'i32' | 'u8';
  readonly row: Row;
  /** Of indices: how many there are. */
  readonly below: number;
  /** Factor of the values, now and then large enough for infinities. */
  readonly scale: number;
}

export interface ProgramSpec {
  readonly seed: number;
  readonly input: InputSpec;
  readonly layers: readonly LayerSpec[];
  readonly loss: LossSpec;
  readonly policy: PolicySpec;
  readonly optimizer: OptimizerSpec;
  /** Of the model's products. */
  readonly precision: Precision;
  /** As which activations are kept for the backward pass: bf16 with products in bf16 alone. */
  readonly activations: Precision;
  /** Further options of the trainer, by name: see around.ts. */
  readonly around: Options;
  readonly rows: number;
  readonly batchSize: number;
  readonly accumulate: number;
  readonly dropLast: boolean;
  readonly steps: number;
}

/** A way to run a program; all of them must give the same bits. */
export interface Variant {
  readonly threads: number;
  /** Instruction set; null: the best there is. */
  readonly isa: string | null;
  /** What nobody has written is filled with what nobody can overlook. */
  readonly poison: boolean;
  /** `fitSync` and `evaluateSync` and so on. */
  readonly sync: boolean;
  /** Steps in one native call; null: all. */
  readonly chunk: number | null;
  /** Saved after so many steps, and resumed by a trainer of another seed. */
  readonly resume: readonly number[];
  /** Batches are put together in JavaScript. */
  readonly stream: boolean;
  /**
   * Every step is a fit of its own, and between two of them something happens that must leave no trace. `pieces`: a prediction; `shared`: another
   * trainer trains the same network, which is then put back by a snapshot; `changed`: other options come, and go. Null: nothing of the kind.
   */
  readonly between: 'pieces' | 'shared' | 'changed' | null;
  /** Batches are given to `step`, one after the other. */
  readonly given: boolean;
  /** Modules that the backward pass computes again. */
  readonly checkpointed: string | null;
  /** What comes after the last save is the one step of a shorter last batch, given as a stream to a trainer that knows no other size. */
  readonly alone: boolean;
}
