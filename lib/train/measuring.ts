// measuring.ts: what a trainer measures at its present weights, and changes nothing by: loss and metrics, gradients, probes, rounding, values within the model.
import type { Share } from '../data/arrays.ts';
import type { Probe } from '../history/probe.ts';
import type { Stream } from './feed/batch.ts';
import type { BatchStream } from './feed/batches.ts';
import type { Feeder } from './feed/feeder.ts';
import { asSource, asTables, feederOf } from './feed/inputs.ts';
import type { Sequences } from './feed/sequences.ts';
import { gathered } from './feed/shape.ts';
import type { Arrays, Source } from './feed/source.ts';
import { fingerprintOf, type Tables } from './feed/tables.ts';
import { drive, driveSync, type Loop, settle } from './flow/effect.ts';
import type { Metrics } from './flow/progress.ts';
import type { Asked, AskedOfGradients, AskedProbe } from './given.ts';
import type { BatchOptions } from './options.ts';
import { type AskedPrecision, givenRows, measurePrecision } from './precision/precision.ts';
import type { PrecisionReport } from './precision/report.ts';
import { type DataSet, dataSet, type Gradients } from './programs/gradients.ts';
import { type Inspection, inspectRows } from './programs/inspect.ts';
import { Copied } from './programs/session.ts';
import type { Sharing } from './programs/shared.ts';
import { Probes } from './run/probe.ts';
import type { Current } from './state/current.ts';
import type { Setup } from './state/setup.ts';
import type { Standing } from './state/standing.ts';

type Rows = Arrays | Share | Source;
type Chosen = Required<BatchOptions>;

/** Each method is called like that of the trainer, which has read what it was given. */
export class Measuring {
  readonly #current: Current;
  readonly #standing: Standing;

  constructor(current: Current, standing: Standing) {
    this.#current = current;
    this.#standing = standing;
  }

  async evaluate(data: Rows | Sequences | BatchStream, asked: Asked): Promise<Metrics<string>> {
    const chosen = this.#chosen('evaluate', asked);
    const tables = asTables('evaluate', data);
    const copied = new Copied(tables.data);
    const { access } = this.#current;
    // Of a fit that is on, others need not be where this one is.
    const sharing = access.fitting ? null : this.#sharing(tables, chosen);
    return access.use('evaluate', () => this.#evaluated(tables, copied, chosen, drive, { sharing }));
  }

  evaluateSync(data: Rows | Sequences | BatchStream, asked: Asked): Metrics<string> {
    const { access } = this.#current;
    const chosen = this.#chosen('evaluateSync', asked);
    const tables = asTables('evaluateSync', data);
    access.checkBetween('evaluateSync');
    const sharing = access.fitting ? null : this.#sharing(tables, chosen);
    return this.#evaluated(tables, new Copied(tables.data), chosen, driveSync, { alone: !access.idle, sharing });
  }

  async inspect(batch: Arrays | Share, match: Parameters<Setup['inspection']>[1]): Promise<Inspection> {
    const source = asSource('inspect', batch);
    const copied = new Copied(source.data);
    const inspection = (setup: Setup): Promise<Inspection> => {
      const use = setup.inspection(copied, match);
      const inspect = (): Promise<Inspection> => {
        const { programs } = use.hold([gathered(source, source.length)]);
        return drive(inspectRows(programs[0]!, source, this.#standing.seed, this.#standing.counters.attempt));
      };
      return settle(inspect, () => use.end());
    };
    return this.#current.access.use('inspect', () => this.#current.ofNext(inspection));
  }

  async gradients(data: Rows, asked: AskedOfGradients): Promise<Gradients> {
    const set = dataSet(asSource('gradients', data), true);
    return this.#current.access.use('gradients', () =>
      this.#current.ofNext((setup) => drive(this.#differentiated(setup, set, asked, false))),
    );
  }

  gradientsSync(data: Rows, asked: AskedOfGradients): Gradients {
    const { access } = this.#current;
    const source = asSource('gradientsSync', data);
    access.checkFree('gradientsSync');
    const set = dataSet(source, false);
    // In the middle of a call that is awaited the model is what that call found.
    if (!access.idle) return driveSync(this.#differentiated(this.#current.setup, set, asked, true));
    return this.#current.ofNext((setup) => driveSync(this.#differentiated(setup, set, asked, false)));
  }

  async precision(data: Rows, asked: AskedPrecision): Promise<PrecisionReport> {
    const { batchSize, access } = this.#current;
    const given = givenRows(asSource('precision', data), (asked.rows ?? batchSize) * asked.batches);
    const moment = this.#moment;
    return access.use('precision', () =>
      this.#current.ofNext((setup) => drive(measurePrecision(setup.rounding, given, asked, batchSize, moment))),
    );
  }

  async probe(data: Rows | Sequences | Stream | BatchStream, asked: AskedProbe): Promise<Probe> {
    const feeder = this.#probeFeeder('probe', data, asked);
    const copied = new Copied(feeder.data);
    return this.#current.access.use('probe', () =>
      this.#current.ofNext((setup) => this.#probed(setup, feeder, copied, asked, drive)),
    );
  }

  probeSync(data: Rows | Sequences | Stream | BatchStream, asked: AskedProbe): Probe {
    const { access } = this.#current;
    access.checkStill('probeSync');
    access.checkIdle('probeSync');
    const feeder = this.#probeFeeder('probeSync', data, asked);
    const copied = new Copied(feeder.data);
    return this.#current.ofNext((setup) => this.#probed(setup, feeder, copied, asked, driveSync));
  }

  /** What keys randomness. */
  get #moment(): { readonly seed: bigint; readonly attempt: number } {
    return { seed: this.#standing.seed, attempt: this.#standing.counters.attempt };
  }

  #chosen(where: string, { batchSize = this.#current.batchSize, weights }: Asked): Chosen {
    return { batchSize, weights: this.#current.weightsOf(where, weights) };
  }

  /** With whom a data set is measured, each process some of its batches; null: alone. */
  #sharing(tables: Tables, { batchSize, weights }: Chosen): Sharing | null {
    const { group } = this.#current.options;
    const of = `${weights} after ${this.#standing.counters.step} updates`;
    const facts = { place: 'evaluate', weights: of, data: fingerprintOf(tables), 'rows of batches': `${batchSize}` };
    return group ? { group, where: 'evaluate', facts } : null;
  }

  #evaluated<R>(
    tables: Tables,
    data: Copied,
    chosen: Chosen,
    driver: (loop: Loop<Metrics<string>>) => R,
    { alone = false, sharing }: { readonly alone?: boolean; readonly sharing: Sharing | null },
  ): R {
    const evaluation = this.#current.setup.evaluation(tables, data, chosen, alone);
    return settle(
      // Without a halt it runs to its end.
      () => driver(evaluation.measure(null, null, null, sharing) as Loop<Metrics<string>>),
      () => evaluation.dispose(),
    );
  }

  #differentiated(setup: Setup, data: DataSet, asked: AskedOfGradients, alone: boolean): Loop<Gradients> {
    const { batchSize = this.#current.batchSize } = asked;
    return setup.gradients.take(data, { ...asked, batchSize }, this.#moment, alone);
  }

  /** The batches of the next whole epoch. */
  #probeFeeder(where: string, data: Rows | Sequences | Stream | BatchStream, { batchSize }: AskedProbe): Feeder {
    const { epoch, batch } = this.#standing.counters;
    return feederOf(where, data as Arrays, undefined, {
      batchSize: batchSize ?? this.#current.batchSize,
      accumulate: this.#current.accumulateAlone(where),
      dropLast: false,
      seed: this.#standing.seed,
      place: { epoch: epoch + Number(batch > 0), batch: 0 },
    });
  }

  #probed<R>(setup: Setup, feeder: Feeder, data: Copied, { batches }: AskedProbe, driver: (loop: Loop<Probe>) => R): R {
    const { counters, seed } = this.#standing;
    const from = { ...counters, epoch: counters.epoch + Number(counters.batch > 0), batch: 0 };
    const use = setup.probing(data);
    return settle(
      () => driver(new Probes(setup, use, feeder, { seed, step: counters.step }).take(batches, from)),
      () => use.end(),
    );
  }
}
