// hooks.ts: see what modules give while a model is traced.
import { Tensor } from '../ir/graph.ts';
import { type Module, matcher } from '../nn/module.ts';
import { wrapForward } from '../nn/trace.ts';

/** The modules whose paths match; null: the model itself. */
export function matchModules(where: string, model: Module, match: string | RegExp | null): Map<string, Module> {
  if (match === null) return new Map([['', model]]);
  const test = matcher(where, match);
  return new Map([...model.namedModules()].filter(([path]) => path !== '' && test(path)));
}

/** Call `seen` with every tensor that `forward` of a module gives, until the returned function is called. */
export function watchForward(module: Module, seen: (output: Tensor) => void): () => void {
  return wrapForward(module, (call) => {
    const out = call();
    const values = out instanceof Tensor ? [out] : typeof out === 'object' && out !== null ? Object.values(out) : [];
    for (const v of values) if (v instanceof Tensor) seen(v);
    return out;
  });
}
