// computing.ts: what functions make of rows with a trainer's weights, between two steps of a fit that may be on.
import type { Share } from '../data/arrays.ts';
import type { TableRow } from '../data/table/cells.ts';
import type { RowPrediction } from '../data/table/schema.ts';
import type { Module } from '../nn/module/module.ts';
import type { BatchStream } from './feed/batches.ts';
import { inputsOf } from './feed/inputs.ts';
import { recordsOf } from './feed/records.ts';
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

type Rows = ArrayInput | Arrays | Share | Sequences | BatchStream | readonly TableRow[];

/** Of rows with names, predictions by name. */
type Given = Outputs | readonly RowPrediction[];

export class Computing {
  readonly #current: Current;
  readonly #seeds: Seeds;

  /** @param seed keys what is drawn where a call names no seed */
  constructor(current: Current, seed: bigint) {
    this.#current = current;
    this.#seeds = new Seeds(seed);
  }

  /** The caller may change the arrays as soon as it has a promise. */
  async later(where: string, inputs: Rows, asked: Asked): Promise<Given> {
    const how = this.#how(where, asked);
    const records = this.#records(where, inputs, asked);
    const batch = inputsOf(where, (records?.x ?? inputs) as ArrayInput, records === null);
    const outputs = await this.#current.access.use(where, () => drive(this.#predictions(asked).run(batch, how)));
    return records ? records.named(outputs) : outputs;
  }

  now(where: string, inputs: Rows, asked: Asked): Given {
    const how = this.#how(where, asked);
    const records = this.#records(where, inputs, asked);
    const batch = inputsOf(where, (records?.x ?? inputs) as ArrayInput, false);
    this.#current.access.checkBetween(where);
    const outputs: Outputs = driveSync(this.#predictions(asked).run(batch, how));
    return records ? records.named(outputs) : outputs;
  }

  /** Of what option `predict` gives, not of a function that reads arrays by their names. */
  #records(where: string, inputs: Rows, { output }: Asked): ReturnType<typeof recordsOf> {
    return output ? null : recordsOf(where, inputs, this.#current.setup.transforms);
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
