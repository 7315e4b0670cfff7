// current.ts: a trainer's setup, and how it follows what is changed of the model: parameters and buffers that it has got, lost or has under
// another name, values that are gone, and what is to be trained.
import { OptionError } from '../../errors.ts';
import type { Module } from '../../nn/module/module.ts';
import type { Optimizer } from '../../optim/optimizer.ts';
import type { PerStep } from '../../options/index.ts';
import { BATCH_SIZE } from '../feed/shape.ts';
import { Access } from '../flow/access.ts';
import { settle } from '../flow/effect.ts';
import { checkAlone, checkTrains as checkTogether, microsOf, shardsOf } from '../group/sharing.ts';
import type { Changes, TrainerOptions, Weights } from '../options.ts';
import type { Since } from './names.ts';
import { Selection } from './selection.ts';
import { Setup } from './setup.ts';
import type { Standing } from './standing.ts';

export class Current {
  /** Who the trainer is, to the model. */
  readonly trainer: symbol = Symbol('trainer');
  readonly access: Access;
  #options: TrainerOptions<Module, string>;
  #selection: Selection;
  readonly #standing: Standing;
  #setup: Setup;

  /** The model's parameters get their values, if they have none. @throws OptionError */
  constructor(options: TrainerOptions<Module, string>, standing: Standing) {
    this.#options = options;
    this.#selection = new Selection(options.parameters);
    this.#standing = standing;
    options.model.initialize(standing.seed);
    this.#setup = checkTrains('Trainer', new Setup(options), options);
    this.access = new Access(() => this.#setup.store.memories);
    // Averages have begun as the weights.
    if (this.#setup.averages.size > 0) this.access.checkFree('Trainer');
  }

  /** As they are now. */
  get options(): TrainerOptions<Module, string> {
    return this.#options;
  }

  get setup(): Setup {
    return this.#setup;
  }

  /** Rows of batches, where nobody says another number; and batches of a step. */
  get batchSize(): number {
    return this.options.batchSize ?? BATCH_SIZE;
  }
  get accumulate(): number {
    return microsOf(this.options);
  }

  /** The same, of what processes of a group do not do together. @throws OptionError if there is one */
  accumulateAlone(where: string): number {
    checkAlone(where, this.options);
    return this.accumulate;
  }

  /** Rows of a micro-batch, where a batch of so many is cut. */
  rowsOfMicro(batchSize: number): number {
    return batchSize / shardsOf(this.options);
  }

  /** @throws OptionError for averages where there are none */
  weightsOf(where: string, weights: Weights = 'model'): Weights {
    if (weights === 'ema' && !this.options.ema && this.#setup.averages.size === 0)
      throw new OptionError(`${where}: weights: 'ema' needs the trainer's option ema, or an optimizer that keeps an average`);
    return weights;
  }

  /**
   * The setup for the model as it is now: the one there is, where that suits it or a fit is on; else one that has taken over from it, to be adopted
   * or left. No run may be on.
   * @param since the first step of what is trained; default: what was not trained before begins now
   * @param begun a fit is on that has not done anything yet
   */
  next(since: (setup: Setup) => Since = (setup) => setup.sinceNow(this.#standing.counters.step), begun: boolean = false): Setup {
    if (this.access.fitting && !begun) return this.#setup;
    const steps = since(this.#setup);
    if (this.#setup.sameModel && this.#setup.sameTrained(steps)) return this.#setup;
    // Its parameters may have been given other names since, by another module that has them too.
    this.options.model.initialize(this.#standing.seed);
    return new Setup(this.options, steps, this.#setup);
  }

  /** Go on with a setup that `next` gave. */
  adopt(setup: Setup): void {
    if (setup === this.#setup) return;
    this.#setup.dispose();
    this.#setup = setup;
    this.#standing.log.clear();
  }

  /** Drop a setup that `next` gave, unless it is the one there is. */
  leave(setup: Setup): void {
    if (setup !== this.#setup) setup.dispose();
  }

  /** In a turn: what the setup that the next fit would have makes, which is dropped if that is another. */
  ofNext<R>(make: (setup: Setup) => R): R {
    const setup = this.next();
    return settle(
      () => make(setup),
      () => this.leave(setup),
    );
  }

  /**
   * Go on by other options.
   * @throws OptionError, and nothing has changed then; BusyError while a call is not done
   */
  change(where: string, { lr, freeze, unfreeze, ...given }: Changes): void {
    this.access.checkIdle(where);
    this.access.checkAlone(where);
    this.follow(where);
    const { model } = this.#options;
    const base = given.parameters === undefined ? this.#selection : new Selection(given.parameters);
    const selection = base.with(where, model, freeze, unfreeze);
    const changed = { ...this.#options, ...defined(given) };
    checkTogether(where, changed);
    const { optimizer, groups = [] } = changed;
    const rated = lr !== undefined && {
      optimizer: atRate(optimizer, lr),
      groups: groups.map((rule) => ({ ...rule, optimizer: atRate(rule.optimizer, lr) })),
    };
    const { parameters: _, ...others } = { ...changed, ...rated };
    const parameters = selection.of(where, model);
    const options = { ...others, ...(parameters !== undefined && { parameters }) };
    if (selection.isEmpty(where, model))
      throw new OptionError(`${where}: option freeze: no parameter is left to train`, { option: 'freeze' });
    const since = this.#setup.sinceBy(options, this.#standing.counters.step);
    if (!this.#setup.adjust(options, since)) {
      model.initialize(this.#standing.seed);
      const setup = new Setup(options, since, this.#setup);
      try {
        checkTrains(where, setup, options);
      } catch (error) {
        setup.dispose();
        throw error;
      }
      this.adopt(setup);
    }
    this.#options = options;
    this.#selection = selection;
  }

  /**
   * Before a call that trains nothing: take in what the model has got or has in another place.
   * @throws BusyError while a call is not done that works with what it had
   */
  follow(what: string): void {
    if (this.access.fitting || this.access.disposed || this.#setup.difference !== 'fields') return;
    this.access.checkIdle(what);
    if (this.#setup.sameModel) this.#setup.takeFields();
    else this.adopt(this.next());
  }

  /**
   * Before a fit or a step: take in all that was changed.
   * @throws BusyError while a call is not done that works with what the model had; OptionError if nothing is trained, or an option finds nothing that
   * it is for
   */
  takeIn(where: string): void {
    if (this.#setup.difference === 'none') {
      checkTrains(where, this.#setup, this.options);
      return;
    }
    // What it lacks, and its own names: as in `next`, though nothing else was changed.
    this.options.model.initialize(this.#standing.seed);
    const setup = this.next();
    try {
      checkTrains(where, setup, this.options);
      if (setup !== this.#setup || setup.difference === 'fields') this.access.checkIdle(where);
      if (setup !== this.#setup) this.adopt(setup);
      else if (setup.difference !== 'none') setup.takeFields(true);
    } finally {
      this.leave(setup);
    }
  }
}

/** An optimizer that has another learning rate. */
const atRate = (optimizer: Optimizer, lr: PerStep): Optimizer => ({
  ...optimizer,
  lr: typeof lr === 'number' ? () => lr : lr,
});

function checkTrains(where: string, setup: Setup, { parameters }: TrainerOptions<Module, string>): Setup {
  if (setup.trained.length > 0) return setup;
  const none = setup.parameters.length === 0;
  const why = none
    ? 'parameter: layers are found in public fields, arrays and plain objects of a Module (not in #private fields, a Map or local variables)'
    : `parameter that requires a gradient${parameters === undefined ? '' : ', among those that option parameters matches'}`;
  throw new OptionError(`${where}: the model has no ${why}`);
}

/** What was given. */
function defined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
