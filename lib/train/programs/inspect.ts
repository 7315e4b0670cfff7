// inspect.ts: one batch forward and backward, and what each module gets and gives, and its gradients.
import { backward } from '../../autodiff/grad.ts';
import { printAs } from '../../errors/inspect.ts';
import { OptionError } from '../../errors.ts';
import type { Graph, Tensor } from '../../ir/graph.ts';
import { type Precision, sizeOf, typeName } from '../../ir/op.ts';
import { type Module, matcher, Parameter, type Pattern } from '../../nn/module/module.ts';
import { tensorsIn, wrapForward } from '../../nn/module/trace.ts';
import { describe, describedBy, type TensorStatistics } from '../../ops/reduce/describe.ts';
import { suggestion } from '../../options/index.ts';
import { table } from '../../text/format.ts';
import type { Source, Tensors } from '../feed/source.ts';
import { type Loop, perform } from '../flow/effect.ts';
import { graphOf, type Objective, traceLoss } from '../step/step.ts';
import { tellPrints } from './prints.ts';
import { type Compiled, EVALUATE, runOf } from './session.ts';

/** A tensor and, where the loss depends on it by a path that has gradients, the gradient. */
export interface InspectedTensor extends TensorStatistics {
  /** Statistics of its gradient; null where no path that has gradients leads from the loss to it. */
  readonly gradient: TensorStatistics | null;
}

/** One call of a module's `forward`. */
export interface InspectedModule {
  /** Path in the model, such as `blocks.0.conv1`; '' for the model itself. */
  readonly path: string;
  /** Name of its class. */
  readonly layer: string;
  /** The tensors that `forward` was called with. */
  readonly inputs: readonly InspectedTensor[];
  /** The tensors that `forward` gave. */
  readonly outputs: readonly InspectedTensor[];
  /** Its own, not those of modules in it, by their names in it. */
  readonly parameters: Readonly<Record<string, InspectedTensor>>;
}

/** Where the first element is that is NaN or infinite. */
export interface NonFinitePlace {
  /** Path of the module; empty for the model itself. */
  readonly module: string;
  /** Which part of the module it is in. */
  readonly what: 'input' | 'parameter' | 'output' | 'gradient of input' | 'gradient of parameter' | 'gradient of output';
  /** Which of them: a place in the list, or the name of a parameter. */
  readonly which: number | string;
  /** Indices in the tensor. */
  readonly index: readonly number[];
}

/** Options of `Trainer.inspect`. */
export interface InspectOptions {
  /** Modules to look at, by name: `blocks.*`, `fc1`. Default: all, and the model itself. */
  readonly match?: Pattern;
}

/** What `trainer.inspect` gives. `String(...)` and `console.log` show a table. */
export class Inspection {
  /** Loss of the batch. */
  readonly loss: number;
  /** Calls of modules, in the order in which they were made. */
  readonly modules: readonly InspectedModule[];
  /**
   * The first place that is not finite, in the order in which things are computed: forward, then backward. Null: all is finite.
   */
  readonly firstNonFinite: NonFinitePlace | null;

  constructor(loss: number, modules: readonly InspectedModule[], firstNonFinite: NonFinitePlace | null) {
    this.loss = loss;
    this.modules = modules;
    this.firstNonFinite = firstNonFinite;
  }

  /** The table as text: for each call what it gets, its parameters and what it gives, and the loss below. */
  toString(): string {
    const row = (what: string, t: InspectedTensor): string[] => [
      `  ${what}`,
      typeName(t),
      ...[t.min, t.max, t.mean, t.rms, t.gradient?.rms ?? Number.NaN].map((x) =>
        Number.isNaN(x) ? '-' : String(Number(x.toPrecision(4))),
      ),
      badText(t),
      t.gradient ? badText(t.gradient) : '',
    ];
    const several = (what: string, ts: readonly InspectedTensor[]): string[][] =>
      ts.map((t, i) => row(ts.length > 1 ? `${what} ${i}` : what, t));
    const lines = this.modules.flatMap(({ path, layer, inputs, outputs, parameters }) => [
      [path === '' ? layer : `${path}: ${layer}`],
      ...several('input', inputs),
      ...Object.entries(parameters).map(([name, t]) => row(name, t)),
      ...several('output', outputs),
    ]);
    const head = ['', 'type', 'min', 'max', 'mean', 'rms', 'rms of gradient', 'not finite', 'in gradient'];
    const align = head.map((_, i) => (i > 1 && i < 7 ? 'right' : 'left'));
    return [...table([head, ...lines], align), '', `loss ${this.loss}; ${placeText(this.firstNonFinite)}`].join('\n');
  }
}

printAs(Inspection, function () {
  return this.toString();
});

const badText = ({ nan, infinite }: TensorStatistics): string =>
  [nan > 0 && `${nan} NaN`, infinite > 0 && `${infinite} infinite`].filter((part) => part !== false).join(', ');

function placeText(place: NonFinitePlace | null): string {
  if (!place) return 'all is finite';
  const { module, what, which, index } = place;
  return `first not finite: ${what} ${which} of ${module || 'the model'} at [${index}]`;
}

/** A tensor, and the columns of the report with its statistics and those of its gradient. */
interface Watched {
  readonly tensor: Tensor;
  readonly column: string;
  gradient: { readonly tensor: Tensor; readonly column: string } | null;
}
interface WatchedCall {
  readonly path: string;
  readonly layer: string;
  readonly inputs: readonly Watched[];
  readonly parameters: ReadonlyMap<string, Watched>;
  outputs: readonly Watched[];
}
/** What a call of a module has, in the order of time. */
type Moment = readonly [call: WatchedCall, entering: boolean];

/** What the report of an inspecting program holds. */
export interface Watching {
  readonly calls: readonly WatchedCall[];
  readonly moments: readonly Moment[];
}

/** The graph of forward and backward on one batch, that updates nothing. @throws OptionError if no module matches */
export function traceInspection<M extends Module>(
  model: M,
  loss: Objective<M>,
  trained: readonly Parameter[],
  { match, precision }: { readonly match: Pattern | undefined; readonly precision: Precision },
  trace: (graph: Graph) => Tensors,
): { graph: Graph; extra: Watching } {
  const graph = graphOf('train', precision);
  const calls: WatchedCall[] = [];
  const moments: Moment[] = [];
  let columns = 0;
  const column = (t: Tensor): string => {
    const name = `inspect ${columns++}`;
    graph.output(name, describe(t));
    return name;
  };
  const watch = (tensor: Tensor): Watched => {
    const watched: Watched = { tensor, column: column(tensor), gradient: null };
    graph.watchGradient(tensor, (dy) => {
      watched.gradient ??= { tensor: dy, column: column(dy) };
    });
    return watched;
  };
  const around = (path: string, module: Module, call: () => unknown, ins: readonly unknown[]): unknown => {
    const own = [...module.parts()].filter((part): part is [string, Parameter] => part[1] instanceof Parameter);
    const made: WatchedCall = {
      path,
      layer: module.constructor.name,
      inputs: ins.flatMap(tensorsIn).map(watch),
      parameters: new Map(own.map(([name, p]) => [name, watch(p.toTensor())])),
      outputs: [],
    };
    calls.push(made);
    moments.push([made, true]);
    const given = call();
    made.outputs = tensorsIn(given).map(watch);
    moments.push([made, false]);
    return given;
  };
  const ends = Array.from(matched(model, match), ([path, m]) => wrapForward(m, (call, ins) => around(path, m, call, ins)));
  let total: Tensor;
  try {
    total = traceLoss(graph, model, loss, trace);
  } finally {
    for (const end of ends.reverse()) end();
  }
  backward(
    total,
    trained.map((p) => graph.state(p.state)),
  );
  graph.output('loss', total);
  // What layers would keep for the next step (running statistics) is not kept.
  graph.assigns.length = 0;
  return { graph, extra: { calls, moments } };
}

function matched(model: Module, match: Pattern | undefined): [string, Module][] {
  const all = [...model.namedModules()];
  if (match === undefined) return all;
  const test = matcher('Trainer.inspect', match);
  const found = all.filter(([path]) => path !== '' && test(path));
  if (found.length > 0) return found;
  const names = all.map(([path]) => path).filter((path) => path !== '');
  const text = `Trainer.inspect: option match: no module matches ${match}${suggestion(String(match), names)}`;
  throw new OptionError(text, { option: 'match', match, names });
}

/**
 * Run the program of one batch, of all rows of a source.
 * @param seed and attempt, as of the step that would be next
 */
export function* inspectRows(compiled: Compiled<Watching>, source: Source, seed: bigint, attempt: number): Loop<Inspection> {
  const { program, extra } = compiled;
  const feed = new Uint8Array(program.feed.bytes);
  source.fillInOrder(new Int32Array(feed.buffer, 0, source.length), 0);
  const { report } = yield* perform(runOf(compiled, { ...EVALUATE, steps: 1, feed, seed, attempt }));
  tellPrints(compiled, report, 1, () => attempt);
  const offsets = new Map(program.report.columns.map((c) => [c.name, c]));
  const numbers = (name: string): Float64Array => {
    const { offset, type } = offsets.get(name)!;
    return new Float64Array(report, offset, sizeOf(type.shape));
  };
  const found = ({ tensor, column, gradient }: Watched): InspectedTensor => ({
    ...describedBy(numbers(column), tensor.type),
    gradient: gradient && describedBy(numbers(gradient.column), gradient.tensor.type),
  });
  const modules = new Map(
    extra.calls.map((call) => {
      const { path, layer, inputs, outputs, parameters } = call;
      const own = Object.fromEntries([...parameters].map(([name, watched]) => [name, found(watched)]));
      return [call, { path, layer, inputs: inputs.map(found), outputs: outputs.map(found), parameters: own }];
    }),
  );
  const moments = extra.moments.map(([call, entering]) => [modules.get(call)!, entering] as const);
  return new Inspection(numbers('loss')[0]!, [...modules.values()], firstOf(moments));
}

function firstOf(moments: readonly (readonly [InspectedModule, boolean])[]): NonFinitePlace | null {
  const lists = ([module, entering]: readonly [InspectedModule, boolean]): [
    NonFinitePlace['what'],
    [string | number, InspectedTensor][],
  ][] =>
    entering
      ? [
          ['input', [...module.inputs.entries()]],
          ['parameter', Object.entries(module.parameters)],
        ]
      : [['output', [...module.outputs.entries()]]];
  for (const backwards of [false, true]) {
    for (const moment of backwards ? moments.toReversed() : moments) {
      const all = lists(moment);
      for (const [what, tensors] of backwards ? all.reverse() : all) {
        for (const [which, t] of tensors) {
          const index = (backwards ? t.gradient : t)?.firstNonFinite;
          const name = backwards ? (`gradient of ${what}` as NonFinitePlace['what']) : what;
          if (index) return { module: moment[0].path, what: name, which, index };
        }
      }
    }
  }
  return null;
}
