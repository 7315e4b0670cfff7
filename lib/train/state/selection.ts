// selection.ts: which parameters a trainer is for, by patterns, and what was frozen and unfrozen since.
import { OptionError } from '../../errors.ts';
import type { Module, Parameter } from '../../nn/module/module.ts';
import type { TrainerOptions } from '../options.ts';
import { matching } from '../step/groups.ts';

type Patterns = TrainerOptions<Module>['parameters'] | undefined;

export class Selection {
  readonly #base: Patterns;
  readonly #frozen: ReadonlySet<Parameter>;
  readonly #freed: ReadonlySet<Parameter>;

  /** @param base option `parameters`; undefined: all */
  constructor(base: Patterns, frozen: ReadonlySet<Parameter> = new Set(), freed: ReadonlySet<Parameter> = new Set()) {
    this.#base = base;
    this.#frozen = frozen;
    this.#freed = freed;
  }

  /** Option `parameters` that says the same. */
  of(where: string, model: Module): Patterns {
    if (this.#frozen.size + this.#freed.size === 0) return this.#base;
    const base = this.#base === undefined ? null : new Set(matching(`${where}: option parameters`, model, this.#base));
    return (_, p) => this.#freed.has(p) || (!this.#frozen.has(p) && (base?.has(p) ?? true));
  }

  /** Whether all parameters are frozen. */
  isEmpty(where: string, model: Module): boolean {
    const base = this.#base === undefined ? model.parameters() : matching(`${where}: option parameters`, model, this.#base);
    return this.#freed.size === 0 && base.every((p) => this.#frozen.has(p));
  }

  /** @throws OptionError for a pattern that matches none, and for what is unfrozen and requires no gradient */
  with(where: string, model: Module, freeze: Patterns, unfreeze: Patterns): Selection {
    const [frozen, freed] = [new Set(this.#frozen), new Set(this.#freed)];
    for (const p of freeze === undefined ? [] : matching(`${where}: option freeze`, model, freeze)) {
      frozen.add(p);
      freed.delete(p);
    }
    for (const p of unfreeze === undefined ? [] : matching(`${where}: option unfreeze`, model, unfreeze)) {
      if (!p.requiresGrad) {
        const text = `${where}: option unfreeze: ${p.name} has requiresGrad false, for all trainers: set it to true`;
        throw new OptionError(text, { option: 'unfreeze', name: p.name });
      }
      frozen.delete(p);
      freed.add(p);
    }
    return new Selection(this.#base, frozen, freed);
  }
}
