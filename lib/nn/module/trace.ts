// trace.ts: a model while it is traced: its parameters and buffers stand for states of the graph, and errors say in which layer they arose.
import { GradclipError, GraphError } from '../../errors.ts';
import { type Graph, type State, Tensor } from '../../ir/graph.ts';
import { custom, type Field, fn, instance, options as optionsOf, signature } from '../../options/index.ts';
import { graph as graphField } from '../fields.ts';
import type { Buffer, Join } from './buffer.ts';
import { explained } from './calls.ts';
import type { Module } from './module.ts';
import type { Parameter } from './parameter.ts';

export interface BindOptions {
  /** The states that parameters stand for, where they are not their own: averages. */
  readonly stands?: ReadonlyMap<Parameter, State> | undefined;
  /** In a graph that accumulates micro-batches: what each leaves in buffers for the next. */
  readonly pending?: ReadonlyMap<Buffer, State> | undefined;
  /** In a graph whose micro-batches are those of several processes: what all of them make of what each assigns to a buffer. */
  readonly join?: ((buffer: Buffer, value: Tensor) => Tensor) | undefined;
}

/** As module.ts tells them, which imports this file. */
const isModule = (x: unknown): x is Module => typeof (x as Partial<Module> | null | undefined)?.namedModules === 'function';
const moduleField: Field<Module> = custom('a Module', (value, place) => {
  if (!isModule(value)) throw place.wrong('a Module', value);
  return value;
});
const readBindParameters = signature(
  'nn.bindParameters',
  { graph: graphField, module: moduleField },
  optionsOf<BindOptions>()({
    stands: instance<ReadonlyMap<Parameter, State>>('a Map', Map).optional(),
    pending: instance<ReadonlyMap<Buffer, State>>('a Map', Map).optional(),
    join: fn<Join>().optional(),
  }),
);

/**
 * Make the parameters and buffers of `module` stand for states of `graph` while it is traced.
 * @returns a function that ends it, and assigns to buffers what they were given; call it in `finally`
 */
export function bindParameters(graph: Graph, module: Module, options: BindOptions = {}): () => void {
  const { stands, pending, join } = readBindParameters(arguments);
  const ends = [
    ...Array.from(module.namedModules(), ([path, m]) => wrapForward(m, (call) => inLayer(graph, path, m, call))),
    ...Array.from(module.namedParameters(), ([name, p]) => p.bind(name, graph, stands?.get(p))),
    ...Array.from(module.namedBuffers(), ([name, b]) => b.bind(name, graph, pending?.get(b) ?? null, join ?? null)),
  ];
  return () => {
    for (const end of ends.reverse()) end();
  };
}

/** Let every call of a module's `forward` go through `around`, until the returned function is called. */
export function wrapForward(module: Module, around: (call: () => unknown, ins: readonly unknown[]) => unknown): () => void {
  if (!Object.isExtensible(module)) return () => {};
  if (typeof module.forward !== 'function') return () => {};
  const own = Object.getOwnPropertyDescriptor(module, 'forward');
  const original = module.forward as (...ins: unknown[]) => unknown;
  const value = (...ins: unknown[]): unknown => around(() => original.apply(module, ins), ins);
  Object.defineProperty(module, 'forward', { value, configurable: true, writable: true, enumerable: false });
  return () => {
    if (own) Object.defineProperty(module, 'forward', own);
    else Reflect.deleteProperty(module, 'forward');
  };
}

/** The tensors in what a module is given or gives: itself, or those in an object or a list. */
export function tensorsIn(given: unknown): Tensor[] {
  if (given instanceof Tensor) return [given];
  return typeof given === 'object' && given !== null ? Object.values(given).filter((x) => x instanceof Tensor) : [];
}

function inLayer(graph: Graph, path: string, layer: Module, call: () => unknown): unknown {
  const outer = graph.layer;
  graph.layer = path;
  try {
    const given = call();
    if (path !== '' && given instanceof Tensor) given.origin ??= `${layer.constructor.name.toLowerCase()} ${path}`;
    if (given !== undefined && typeof (given as { then?: unknown } | null)?.then !== 'function') return given;
    const what = given === undefined ? 'nothing; is a return missing?' : 'a promise; a model is traced, not run: it cannot wait';
    throw new GraphError(`forward gave ${what}`);
  } catch (cause) {
    const error = explained(cause, layer, isModule);
    if (error instanceof GradclipError) error.inLayer(path);
    throw error;
  } finally {
    graph.layer = outer;
  }
}
