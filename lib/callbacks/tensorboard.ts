// tensorboard.ts: `callbacks.tensorBoard`: curves and distributions of a run in files that TensorBoard reads.
import { atOnce, inTurns, type Parts } from '../io/file/pace.ts';
import { choice, either, options, signature, text, whole } from '../options/index.ts';
import { unreadable } from '../train/flow/kept.ts';
import type { Callback, CallbackRun, StepReports } from '../train/watch/callback.ts';
import { EventFile } from './event-file.ts';
import type { EventValue } from './events.ts';
import { Histogram } from './histogram.ts';
import { type Following, type IfFails, ifFails, sink } from './sink.ts';
import { columnsOf, StepWindow } from './window.ts';

/** Options of `callbacks.tensorBoard`. */
export interface TensorBoardOptions {
  /** Updates from one point of the curves to the next, which is the mean over the steps since the last. Default 50. */
  readonly every?: number;
  /**
   * When distributions are written, of the weights of each trained parameter and of the norms of its gradients since the last time: at the ends of
   * `epochs`, after so many updates, or never, `none`. They go through all weights, in JavaScript. Default 'epochs'.
   */
  readonly histograms?: 'epochs' | 'none' | number;
  /** Under which its state is kept: of two in one run, each needs its own. Default 'tensorBoard'. */
  readonly name?: string;
  /** What becomes of the run where the files take no more, as on a full disk: `warn` or `stop`. Default 'warn'. */
  readonly ifFails?: IfFails;
}

const histograms = either(choice('epochs', 'none'), whole({ min: 1 }));

const readTensorBoard = signature(
  'callbacks.tensorBoard',
  { folder: text },
  options<TensorBoardOptions>()({
    every: whole({ min: 1 }).default(50),
    histograms: histograms.default('epochs'),
    name: text.default('tensorBoard'),
    ifFails,
  }),
);

/** Elements between two places where the event loop may have a turn; up to so many are gone through at once. */
const PART = 1 << 18;

/** What of a run is not in a file yet. */
interface Pending {
  readonly window: StepWindow;
  /** Norms of the gradient of each trained parameter, by its name. */
  readonly norms: Map<string, Histogram>;
  /** Updates when distributions were last written. */
  distributed: number;
  /** Updates when a validation, an epoch or distributions were last written; -1: none were. */
  ended: number;
  /** The last point of the curves of steps. */
  point: { readonly at: number; readonly values: Readonly<Record<string, number>> } | null;
}

/**
 * Show runs in TensorBoard: a callback that writes files of events to a folder, which `tensorboard --logdir` reads while the run goes on. Curves over
 * the number of updates: `train/loss`, `train/grad_norm` before the clip, `train/grad_norm_clipped` after it, `train/grad_norm_max`, `train/threshold`,
 * `train/clipped_share`, `train/skipped_share`, `train/learning_rate`, `train/steps_per_second`, `train/epoch`, `train/epoch_loss`, and `validation/`
 * with loss and metrics. Distributions: `weights/` and `gradient_norms/` with the name of each trained parameter.
 *
 * ```ts
 * await trainer.fit(data, { epochs: 10, callbacks: [callbacks.tensorBoard('runs/first')] });
 * ```
 *
 * A run that goes on from a checkpoint makes another file, and what there is from beyond the checkpoint does not count any more; a run from its very
 * start, with the same folder, leaves out all that was there. Nothing is written before a run begins. Where the files take no more, see `ifFails`.
 * @param folder of the run, which is made where it is not there
 * @throws OptionError; by a run, before its first step, DataError where nothing can be written there, and BusyError while it follows another one
 * @see torch.utils.tensorboard.SummaryWriter
 */
export function tensorBoard(folder: string, options: TensorBoardOptions = {}): Callback {
  const { every, histograms, name, ifFails } = readTensorBoard(arguments) as Required<TensorBoardOptions>;
  /** Of the run that is followed; and what the next one takes up. */
  let current: Pending | null = null;
  let taken: Pending | null = null;
  /** The file as it was left, to which the next run is added. */
  let left: { readonly place: string; readonly size: number } | null = null;

  const follow = (run: CallbackRun): Following => {
    const { attempt, step } = run.counters;
    const fresh = { window: new StepWindow(), norms: new Map<string, Histogram>(), distributed: step, ended: -1, point: null };
    const now: Pending = taken ?? fresh;
    // What a run tells at the step of a checkpoint, and was not in it, the run that goes on tells once more.
    const again = attempt > 0 && taken !== null && now.ended !== step;
    taken = null;
    current = now;
    const file = (left && EventFile.again(left, run.sync)) ?? EventFile.make(folder, run.sync);
    left = null;
    file.start(attempt === 0 ? 0 : again ? step : step + 1);
    if (again && now.point?.at === step) file.add(step, scalars('train', now.point.values));

    const point = (at: number, rates: readonly number[]): void => {
      const values = { ...now.window.means, ...named('learning_rate', rates) };
      now.point = { at, values };
      file.add(at, scalars('train', values));
      now.window.clear();
    };
    const distribute = (): unknown => {
      const at = run.counters.step;
      now.distributed = at;
      now.ended = at;
      const norms = [...now.norms].filter(([, h]) => h.count + h.nonFinite > 0);
      now.norms.clear();
      file.add(
        at,
        norms.flatMap(([parameter, h]) => distribution(`gradient_norms/${parameter}`, h)),
      );
      const parameters = trainedOf(run);
      const all = parameters.reduce((n, [, values]) => n + values.length, 0);
      const parts = weights(parameters, at, file);
      return run.sync || all <= PART ? atOnce(parts) : inTurns(parts);
    };

    return {
      steps(steps) {
        const columns = columnsOf(steps);
        const before = steps.numbers('step');
        for (let i = 0; i < steps.length; i++) {
          now.window.add(columns, i);
          const updates = before[i]! + 1;
          if (columns.skipped[i] === 0 && updates % every === 0) point(updates, run.ratesAt(before[i]!));
        }
        if (histograms !== 'none') addNorms(now.norms, steps, run.trained);
        const due = typeof histograms === 'number' && run.counters.step - now.distributed >= histograms;
        const waits = due ? distribute() : undefined;
        return waits ?? (run.sync ? undefined : file.settled);
      },
      validation(metrics) {
        now.ended = run.counters.step;
        file.add(run.counters.step, scalars('validation', metrics));
      },
      epoch({ epoch, loss }) {
        now.ended = run.counters.step;
        file.add(run.counters.step, scalars('train', { epoch, epoch_loss: loss }));
        return histograms === 'epochs' ? distribute() : undefined;
      },
      checkpoint: () => (run.sync ? undefined : file.flush()),
      end() {
        const { step } = run.counters;
        if (now.window.steps > 0) point(step, run.ratesAt(Math.max(0, step - 1)));
        const close = (): unknown => {
          current = null;
          const leave = (): void => {
            left = { place: file.place, size: file.size };
          };
          if (!run.sync) return file.close().then(leave);
          file.closeSync();
          leave();
          return undefined;
        };
        const waits = histograms !== 'none' && step > now.distributed ? distribute() : undefined;
        return waits instanceof Promise ? waits.then(close) : close();
      },
    };
  };

  const keeping = {
    name,
    state: () => ({
      window: current?.window.toJSON() ?? null,
      norms: Object.fromEntries([...(current?.norms ?? [])].map(([key, histogram]) => [key, histogram.toNumbers()])),
      distributed: current?.distributed ?? null,
      ended: current?.ended ?? null,
      point: current?.point ?? null,
    }),
    restore(state: unknown): void {
      taken = pendingOf(name, state);
    },
  };
  return sink({ where: 'callbacks.tensorBoard', ifFails, alone: true, needsLayerNorms: histograms !== 'none' }, follow, keeping);
}

/** @throws CheckpointError for what `state` does not give */
function pendingOf(name: string, state: unknown): Pending | null {
  const { window, norms, distributed, ended, point } = (state ?? {}) as Readonly<Record<string, unknown>>;
  if (window === null) return null;
  const taken = StepWindow.from(window);
  const numbers = typeof distributed === 'number' && typeof ended === 'number';
  if (!taken || typeof norms !== 'object' || norms === null || !numbers || !isPoint(point)) throw unreadable(name);
  try {
    const all = Object.entries(norms).map(([key, numbers]) => [key, Histogram.ofNumbers(numbers)] as const);
    return { window: taken, norms: new Map(all), distributed, ended, point };
  } catch {
    throw unreadable(name);
  }
}

function isPoint(point: unknown): point is Pending['point'] {
  if (point === null) return true;
  const { at, values } = (point ?? {}) as { readonly at?: unknown; readonly values?: unknown };
  return typeof at === 'number' && Object.values(values ?? { none: null }).every((value) => typeof value === 'number');
}

const scalars = (group: string, values: Readonly<Record<string, number>>): EventValue[] =>
  Object.entries(values).map(([name, number]) => ({ tag: `${group}/${name}`, number }));

/** One by the name alone, several with their numbers. */
function named(name: string, values: readonly number[]): Record<string, number> {
  if (values.length === 1) return { [name]: values[0]! };
  return Object.fromEntries(values.map((value, i) => [`${name}_${i}`, value]));
}

/** A distribution, and how many numbers it lacks since they are not finite. */
function distribution(tag: string, histogram: Histogram): EventValue[] {
  const values: EventValue[] = histogram.count > 0 ? [{ tag, histogram }] : [];
  return histogram.nonFinite > 0 ? [...values, { tag: `${tag}/non_finite`, number: histogram.nonFinite }] : values;
}

function addNorms(norms: Map<string, Histogram>, steps: StepReports, names: readonly string[]): void {
  const skipped = steps.numbers('skipped');
  for (let i = 0; i < steps.length; i++) {
    // A step that was skipped has none that an update was made of.
    if (skipped[i] === 1) continue;
    const all = steps.layerNorms(i);
    for (const [p, name] of names.entries()) {
      let histogram = norms.get(name);
      if (!histogram) {
        histogram = new Histogram();
        norms.set(name, histogram);
      }
      histogram.add(all[p]!);
    }
  }
}

/** Trained parameters and their values, where they lie. */
function trainedOf({ model, trained }: CallbackRun): readonly (readonly [string, Float32Array])[] {
  const all = new Map(model.namedParameters({ removeDuplicate: false }));
  return trained.flatMap((name) => {
    const parameter = all.get(name);
    return parameter ? [[name, parameter.data] as const] : [];
  });
}

function* weights(parameters: readonly (readonly [string, Float32Array])[], step: number, file: EventFile): Parts<void> {
  for (const [name, values] of parameters) {
    const histogram = new Histogram();
    for (let from = 0; from < values.length; from += PART) {
      histogram.addAll(values, from, Math.min(values.length, from + PART));
      yield;
    }
    file.add(step, distribution(`weights/${name}`, histogram));
  }
}
