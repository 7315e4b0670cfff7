// gradients.ts: loss and gradients of a data set, as policies would see them, without a step.

import { OptionError } from '../../errors.ts';
import type { Graph } from '../../ir/graph.ts';
import { ARRAYS, type Data, sizeOf } from '../../ir/op.ts';
import type { RunResult } from '../../native/addon.ts';
import type { Buffer, Module, Parameter } from '../../nn/module/module.ts';
import { levelsOf, mostOf } from '../../ops/step/tree.ts';
import { copyOf, rowsBetween, rowTypes, traceRows } from '../feed/batch.ts';
import { packBatches } from '../feed/feeder.ts';
import { isRows, kindOf, type NdArray, type Source, type Tensors } from '../feed/source.ts';
import { type Loop, perform } from '../flow/effect.ts';
import { Accumulators } from '../step/accumulation.ts';
import { GRADIENTS, type LossSpec, traceGradients } from '../step/step.ts';
import { located, rowsFrom } from './located.ts';
import { tellPrints } from './prints.ts';
import type { Programs } from './programs.ts';
import { type Compiled, Copied, EVALUATE, runOf, Session, type SessionOptions } from './session.ts';
import type { Store } from './store.ts';

/** Options of `Trainer.gradients` and `Trainer.gradientsSync`. */
export interface GradientsOptions {
  /** Rows of a micro-batch, over all of which the mean is taken. Default: the trainer's. */
  readonly batchSize?: number;
  /**
   * `train`: as the next step of training would have them, with its dropout and augmentation, and batch norms by the statistics of each micro-batch.
   * `eval`: as `evaluate` computes the loss, without what is random, and with running statistics. Default `train`.
   */
  readonly mode?: 'train' | 'eval';
  /** Whether those of option `regularize` are in the gradients, as policies see them; false: of the loss alone. Default true. */
  readonly penalties?: boolean;
}

/** What `trainer.gradients` gives. */
export interface Gradients {
  /** Loss over all rows, without penalties. */
  readonly loss: number;
  /** What penalties add to it; 0 where there are none, or they were left out. */
  readonly penalty: number;
  /** 2-norm of all gradients together, in f64. */
  readonly norm: number;
  /** 2-norm of each, in f64, by all names of the parameters. */
  readonly norms: ReadonlyMap<string, number>;
  /** The gradients themselves, by all names of the parameters that are trained: tied ones have the same arrays. */
  readonly gradients: ReadonlyMap<string, NdArray<Float32Array>>;
}

/** Whose gradients are taken. */
export interface Differentiated extends Omit<LossSpec<Module>, 'accumulators'> {
  readonly buffers: readonly Buffer[];
  /** All names that the model has for its parameters. */
  readonly names: ReadonlyMap<Parameter | Buffer, readonly string[]>;
  /** Whether steps have several micro-batches: then those of one are summed as theirs are. */
  readonly accumulates: boolean;
  /** Whether batch norms go by all rows of a step. */
  readonly syncs: boolean;
  prepare(batch: Tensors): Tensors;
}

/** What is asked for. */
export interface AskedGradients {
  readonly batchSize: number;
  readonly mode: 'train' | 'eval';
  readonly penalties: boolean;
  /** What the loss is multiplied by before its gradients are taken, which have that factor then. Default 1. */
  readonly scale?: number;
}

/** A program's batch. */
interface Kind extends Pick<Required<AskedGradients>, 'mode' | 'penalties' | 'scale'> {
  readonly rows: number;
  /** Whether they are summed over micro-batches. */
  readonly sums: boolean;
  readonly name: string;
  trace(graph: Graph, rows: number): Tensors;
}

/** Whose randomness a step has. */
export interface Moment {
  readonly seed: bigint;
  readonly attempt: number;
}

/** A data set as it was given. */
export interface DataSet {
  readonly source: Source;
  /** What its programs bind, freed when gradients were taken; null: its rows are fed. */
  readonly copied: Copied | null;
}

/** @param waits whoever gave the data may change them before they are read */
export function dataSet(source: Source, waits: boolean): DataSet {
  if (!isRows(source)) return { source, copied: new Copied(source.data) };
  return { source: waits ? { ...source, data: copyOf(source.data) } : source, copied: null };
}

/** Where batches come from. */
interface Origin {
  /** Tells it from others that have other programs. */
  readonly name: string;
  /** What its programs are bound to. */
  readonly data: Copied;
  trace(graph: Graph, rows: number): Tensors;
  /** Feed rows of so many batches of `rows` rows, from row `start` on. */
  fill(compiled: Compiled<null>, start: number, rows: number, count: number): Uint8Array;
  batch(start: number, rows: number): readonly ReturnType<typeof rowsFrom>[];
}

// Feed bytes of one run.
const MOST_BYTES = 16 << 20;
const MOST_SESSIONS = 4;

export class GradientPrograms {
  readonly #store: Store;
  readonly #of: Differentiated;
  readonly #programs: Programs;
  readonly #options: SessionOptions;
  /**
   * By kinds of data, the least recently used first. They are few, since those of sums have memory for what goes from one micro-batch to the next: that of
   * sums of so many levels.
   */
  readonly #sessions = new Map<string, { readonly session: Session<null, Kind>; readonly levels: number }>();
  /** What programs are bound to whose rows are fed. */
  readonly #nothing = new Copied(new Map());

  constructor(store: Store, of: Differentiated, programs: Programs, options: SessionOptions) {
    this.#store = store;
    this.#of = of;
    this.#programs = programs;
    this.#options = options;
  }

  /**
   * Of all rows of a data set.
   * @param moment of the step that would be next
   * @param alone another call may be in the middle of its sums: this one has programs and memory of its own
   */
  *take({ source, copied }: DataSet, asked: AskedGradients, moment: Moment, alone: boolean): Loop<Gradients> {
    const rows = Math.min(asked.batchSize, source.length);
    const micros = Math.ceil(source.length / rows);
    const sums = micros > 1 || this.#of.accumulates;
    if (this.#of.syncs && asked.mode === 'train' && micros > 1) {
      const text = `gradients: option batchSize: with syncBatchNorm batch norms go by all ${source.length} rows: give them as one batch, got ${rows}`;
      throw new OptionError(text, { option: 'batchSize', value: rows });
    }
    const origin = copied ? bound(source, copied) : this.#rows(source);
    const session = alone ? this.#made(micros) : this.#session(sums ? `${asked.mode} ${origin.name}` : '', micros);
    try {
      const whole = Math.floor(source.length / rows);
      const parts = [
        { rows, first: 0, end: whole },
        { rows: source.length - whole * rows, first: whole, end: micros },
      ].filter(({ first, end }) => first < end);
      const kinds = parts.map(({ rows }): Kind => {
        const { mode, penalties, scale = 1 } = asked;
        const name = `${rows} ${mode} ${penalties} ${scale} ${sums} ${origin.name}`;
        return { rows, mode, penalties, scale, sums, name, trace: (graph, count) => origin.trace(graph, count) };
      });
      const { programs, release } = session.hold(kinds, origin.data);
      try {
        let result!: RunResult;
        for (const [i, part] of parts.entries()) {
          const compiled = programs[i]!;
          const most = Math.max(1, Math.floor(MOST_BYTES / Math.max(1, compiled.program.feed.bytes)));
          for (let first = part.first; first < part.end; first += most) {
            const end = Math.min(part.end, first + most);
            const feed = origin.fill(compiled, first * rows, part.rows, end - first);
            const request = { ...EVALUATE, ...moment, steps: 1, micros, part: { first, end }, feed };
            try {
              result = yield* perform(runOf(compiled, request));
            } catch (error) {
              const batches = Array.from({ length: end - first }, (_, m) => origin.batch((first + m) * rows, part.rows));
              throw located(error, () => batches.flat());
            }
          }
        }
        const last = programs.at(-1)!;
        tellPrints(last, result.report, 1, () => moment.attempt + micros - 1);
        return this.#read(last, result.report);
      } finally {
        release();
      }
    } finally {
      if (copied) session.letGo(copied);
      copied?.dispose();
      if (alone) session.dispose();
    }
  }

  /** What was compiled is dropped. */
  forget(): void {
    for (const { session } of this.#sessions.values()) session.forget();
  }

  dispose(): void {
    for (const { session } of this.#sessions.values()) session.dispose();
  }

  #read({ program }: Compiled<null>, report: ArrayBuffer): Gradients {
    const columns = new Map(program.report.columns.map((column) => [column.name, column]));
    const at = (name: string): Data => {
      const { offset, type } = columns.get(name)!;
      return new ARRAYS[type.dtype](report, offset, sizeOf(type.shape));
    };
    const norms = at(GRADIENTS.norms);
    const { trained, names } = this.#of;
    const named = <T>(of: (p: Parameter, i: number) => T): Map<string, T> =>
      new Map(
        trained.flatMap((p, i) => {
          const value = of(p, i);
          return names.get(p)!.map((name) => [name, value] as const);
        }),
      );
    return {
      loss: at('loss')[0]!,
      penalty: columns.has('penalty') ? at('penalty')[0]! : 0,
      norm: at(GRADIENTS.norm)[0]!,
      norms: named((_, i) => norms[i]!),
      gradients: named(({ shape }, i) => ({ data: at(GRADIENTS.of(i)) as Float32Array, shape })),
    };
  }

  /** Rows that are fed. */
  #rows({ data }: Source): Origin {
    const types = rowTypes(data);
    return {
      name: JSON.stringify([...types]),
      data: this.#nothing,
      trace: (graph, rows) => traceRows(graph, types, rows),
      fill({ program }, start, rows, count) {
        const batches = Array.from({ length: count }, (_, j) => rowsBetween(data, start + j * rows, rows));
        return packBatches(batches, program.feed.columns, program.feed.bytes);
      },
      batch: (start, rows) => [rowsFrom(data, start, rows)],
    };
  }

  /** @param micros the most micro-batches of a step */
  #session(key: string, micros: number): Session<null, Kind> {
    const levels = levelsOf(micros);
    let found = this.#sessions.get(key);
    if (!found || found.levels < levels) {
      found?.session.dispose();
      found = { session: this.#made(micros), levels };
    }
    this.#sessions.delete(key);
    this.#sessions.set(key, found);
    const [eldest] = this.#sessions;
    if (this.#sessions.size > MOST_SESSIONS && eldest) {
      eldest[1].session.dispose();
      this.#sessions.delete(eldest[0]);
    }
    return found.session;
  }

  #made(micros: number): Session<null, Kind> {
    const { buffers, prepare, ...spec } = this.#of;
    const accumulators = new Accumulators(mostOf(levelsOf(micros)), buffers);
    const trace = ({ rows, mode, penalties, scale, sums, trace }: Kind): { graph: Graph; extra: null } => {
      const of = { ...spec, accumulators: sums ? accumulators : null, penalties: penalties ? spec.penalties : [] };
      return { graph: traceGradients(of, mode, rows, (graph) => prepare(trace(graph, rows)), scale), extra: null };
    };
    return new Session(this.#store, trace, this.#programs, this.#options);
  }
}

/** A source whose data are bound. */
function bound(source: Source, copied: Copied): Origin {
  return {
    name: kindOf(source),
    data: copied,
    trace: (graph, rows) => source.trace(graph, rows),
    fill({ program }, start, rows, count) {
      const { bytes } = program.feed;
      const feed = new Uint8Array(bytes * count);
      for (let j = 0; j < count && bytes > 0; j++) {
        source.fillInOrder(new Int32Array(feed.buffer, j * bytes, rows), start + j * rows);
      }
      return feed;
    },
    batch: (start, rows) => (source.byRow ? [rowsFrom(source.data, start, rows)] : []),
  };
}
