// computing.ts: what functions make of rows with a trainer's weights, between two steps of a fit that may be on.
import type { Share } from '../data/arrays.ts';
import type { Module } from '../nn/module/module.ts';
import type { BatchStream } from './feed/batches.ts';
import { inputsOf } from './feed/inputs.ts';
import type { Sequences } from './feed/sequences.ts';
import type { ArrayInput, Arrays } from './feed/source.ts';
import { drive, driveSync } from './flow/effect.ts';
import type { Weights } from './options.ts';
import { Seeds } from './outputs.ts';
import type { Outputs, Predictions, Running } from './programs/predict.ts';
import type { Current } from './state/current.ts';
import type { Output } from './step/step.ts';

/** What is asked for. */
interface Asked {
  /** None: what the trainer's `predict` gives. */
  readonly output?: Output<Module>;
  /** None: of `output` all rows at once, and tensors of any shape. */
  readonly batchSize: number | undefined;
  readonly weights: Weights;
  readonly dropout: boolean;
  readonly seed: number | bigint | undefined;
}

type Rows = ArrayInput | Arrays | Share | Sequences | BatchStream;

export class Computing {
  readonly #current: Current;
  readonly #seeds: Seeds;

  /** @param seed keys what is drawn where a call names no seed */
  constructor(current: Current, seed: bigint) {
    this.#current = current;
    this.#seeds = new Seeds(seed);
  }

  /** The caller may change the arrays as soon as it has a promise. */
  async later(where: string, inputs: Rows, asked: Asked): Promise<Outputs> {
    const how = this.#how(where, asked);
    const batch = inputsOf(where, inputs, true);
    return this.#current.access.use(where, () => drive(this.#predictions(asked).run(batch, how)));
  }

  now(where: string, inputs: Rows, asked: Asked): Outputs {
    const how = this.#how(where, asked);
    const batch = inputsOf(where, inputs, false);
    this.#current.access.checkBetween(where);
    return driveSync(this.#predictions(asked).run(batch, how));
  }

  #how(where: string, { output, batchSize, weights, dropout, seed }: Asked): Running {
    this.#current.follow(where);
    this.#current.weightsOf(where, weights);
    return { batchSize: batchSize ?? (output ? null : this.#current.batchSize), seed: this.#seeds.of(dropout, seed) };
  }

  /** In a turn: of the setup that there is then. */
  #predictions({ output, weights, dropout }: Asked): Predictions {
    const where = output ? 'run' : 'predict';
    return this.#current.setup.predicting.of({ where, output: output ?? null, weights, dropout });
  }
}
