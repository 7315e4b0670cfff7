// hooks.ts: see what modules give while a model is traced.
import type { Tensor } from '../../ir/graph.ts';
import { type Module, matcher } from '../../nn/module/module.ts';
import { tensorsIn, wrapForward } from '../../nn/module/trace.ts';

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
    for (const t of tensorsIn(out)) seen(t);
    return out;
  });
}
