// checkpointed.ts: option `checkpointed` of a trainer: modules of which a step keeps nothing for its backward pass, where they are computed again.
import { OptionError } from '../../errors.ts';
import type { Graph } from '../../ir/graph.ts';
import { checkpoint } from '../../ir/recompute.ts';
import type { Module, Pattern } from '../../nn/module/module.ts';
import { wrapForward } from '../../nn/module/trace.ts';
import { suggestion } from '../../options/index.ts';
import { matchModules } from './hooks.ts';

export class Checkpointed {
  /** What each pattern matches. */
  readonly #matched: ReadonlyMap<Pattern, readonly Module[]>;

  /** @throws OptionError if one matches no module */
  constructor(model: Module, patterns: readonly Pattern[]) {
    this.#matched = new Map(patterns.map((pattern) => [pattern, matched(model, pattern)]));
  }

  /** Trace a model by `build`. @throws OptionError for a pattern of which no module's forward is called */
  during<T>(graph: Graph, build: () => T): T {
    const called = new Set<Module>();
    const modules = new Set([...this.#matched.values()].flat());
    const ends = Array.from(modules, (m) =>
      wrapForward(m, (call) => {
        called.add(m);
        return checkpoint(graph, call);
      }),
    );
    try {
      const result = build();
      for (const [pattern, own] of this.#matched) {
        if (own.some((m) => called.has(m))) continue;
        throw new OptionError(`Trainer: option checkpointed: the loss calls no forward of what matches ${pattern}`, {
          option: 'checkpointed',
          pattern,
        });
      }
      return result;
    } finally {
      for (const end of ends.reverse()) end();
    }
  }
}

function matched(model: Module, pattern: Pattern): readonly Module[] {
  const where = 'Trainer: option checkpointed';
  const found = [...matchModules(where, model, pattern).values()];
  if (found.length > 0) return found;
  const names = Array.from(model.namedModules(), ([path]) => path).filter((path) => path !== '');
  const text = `${where}: no module matches ${pattern}${suggestion(String(pattern), names)}`;
  throw new OptionError(text, { option: 'checkpointed', pattern, names });
}
