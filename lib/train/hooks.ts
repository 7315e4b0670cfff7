// hooks.ts: see what modules give while a model is traced.
import { Tensor } from '../ir/graph.ts';
import { Module, matcher } from '../nn/module.ts';

/** All modules of a model with their paths, the model itself first, as ''. */
export function namedModules(model: Module): Map<string, Module> {
  const found = new Map<string, Module>();
  const seen = new Set<unknown>();
  const walk = (path: string, value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    const plain = Array.isArray(value) || [Object.prototype, null].includes(Object.getPrototypeOf(value) as null);
    if (!(value instanceof Module) && !plain) return;
    seen.add(value);
    if (value instanceof Module) found.set(path, value);
    const parts = value instanceof Module ? value.parts() : Object.entries(value);
    for (const [name, part] of parts) walk(path ? `${path}.${name}` : name, part);
  };
  walk('', model);
  return found;
}

/** The modules whose paths match; null: the model itself. */
export function matchModules(where: string, model: Module, match: string | RegExp | null): Map<string, Module> {
  if (match === null) return new Map([['', model]]);
  const test = matcher(where, match);
  return new Map([...namedModules(model)].filter(([path]) => path !== '' && test(path)));
}

/** Call `seen` with every tensor that `forward` of a module gives, until the returned function is called. */
export function watchForward(module: Module, seen: (output: Tensor) => void): () => void {
  const own = Object.getOwnPropertyDescriptor(module, 'forward');
  const original = module.forward as (...ins: unknown[]) => unknown;
  const forward = (...ins: unknown[]): unknown => {
    const out = original.apply(module, ins);
    const values = out instanceof Tensor ? [out] : typeof out === 'object' && out !== null ? Object.values(out) : [];
    for (const v of values) if (v instanceof Tensor) seen(v);
    return out;
  };
  Object.defineProperty(module, 'forward', { value: forward, configurable: true, writable: true, enumerable: false });
  return () => {
    if (own) Object.defineProperty(module, 'forward', own);
    else Reflect.deleteProperty(module, 'forward');
  };
}
