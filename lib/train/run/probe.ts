// probe.ts: the gradients of some batches at the present weights, clipped and not, and what the next update would do: nothing of the run changes.

import type { Column } from '../../compile/program.ts';
import { DataError, IndexError } from '../../errors.ts';
import { median } from '../../history/numbers.ts';
import { noiseOf, type Probe, type Products } from '../../history/probe.ts';
import { probeWarnings } from '../../history/probe-warnings.ts';
import { sizeOf } from '../../ir/op.ts';
import { STATUS } from '../../native/program.ts';
import { inEpochs } from '../../optim/schedules/length.ts';
import { batchesOf, type Chunk, type Feeder } from '../feed/feeder.ts';
import { type Loop, perform } from '../flow/effect.ts';
import type { Counters } from '../flow/progress.ts';
import { located } from '../programs/located.ts';
import type { Use } from '../programs/sessions.ts';
import type { Setup } from '../state/setup.ts';
import { PROBED, type Probing } from '../step/probing.ts';
import { Parts } from './parts.ts';

/** Options of `Trainer.probe` and `Trainer.probeSync`. */
export interface ProbeOptions {
  /** How many batches, at most those of one epoch; at least 3 are needed. Default 32. */
  readonly batches?: number;
  /** Rows of a micro-batch, of which a step has as many as option `accumulate` of the trainer says. Default: the trainer's. */
  readonly batchSize?: number;
}

/** Fewer batches have no interval. */
const LEAST = 3;
/** Bytes of gradients that are kept from the first pass to the second; what is beyond is computed twice. Tests set it. */
export const LIMITS: { kept: number } = { kept: 512 << 20 };
/** An element is at a bound where it keeps less of itself, by this part, than the element of its tensor that keeps most. */
const BOUND = 1e-3;

/** Gradients of a batch, as they are and as the policy makes them: null where it changes nothing, or leaves out the step. */
interface Gradients {
  readonly plain: readonly Float32Array[];
  readonly clipped: readonly Float32Array[] | null;
}

/** A batch of which all is finite, and what was seen of it. */
interface Seen {
  readonly chunk: Chunk;
  readonly counters: Counters;
  readonly skipped: boolean;
  readonly norm: number;
  readonly threshold: number;
  readonly loss: number;
  readonly changed: boolean;
  readonly own: Pick<Products, 'gg' | 'cc' | 'gc'>;
  gradients: Gradients | null;
}

/** Sums over the batches, of a parameter. */
interface OfParameter {
  readonly name: string;
  readonly weights: Float32Array;
  /** Of gradients, clipped and not. */
  readonly sum: Float64Array;
  readonly sumClipped: Float64Array;
  squares: number;
  zeros: number;
  zeroBatches: number;
  /** Elements that the optimizer was given something for, and those of them that it left. */
  moved: number;
  left: number;
}

export class Probes {
  readonly #setup: Setup;
  readonly #use: Use<Probing>;
  readonly #feeder: Feeder;
  readonly #seed: bigint;
  readonly #step: number;
  readonly #parameters: readonly OfParameter[];
  readonly #units: Float32Array[] = [];
  #paths: readonly string[] = [];
  #elements = { given: 0, bound: 0 };

  constructor(setup: Setup, use: Use<Probing>, feeder: Feeder, { seed, step }: { readonly seed: bigint; readonly step: number }) {
    this.#setup = setup;
    this.#use = use;
    this.#feeder = feeder;
    this.#seed = seed;
    this.#step = step;
    const params = setup.groups.flatMap((g) => g.params);
    const values = setup.store.read(params.map((p) => p.state));
    this.#parameters = params.map((p, i): OfParameter => {
      const n = sizeOf(p.shape);
      return {
        name: setup.trained[i]!,
        weights: values.get(p.state) as Float32Array,
        sum: new Float64Array(n),
        sumClipped: new Float64Array(n),
        ...{ squares: 0, zeros: 0, zeroBatches: 0, moved: 0, left: 0 },
      };
    });
  }

  /** @param counters where the batches begin */
  *take(batches: number, from: Counters): Loop<Probe> {
    const seen: Seen[] = [];
    let [counters, nonFinite, rows, bytes] = [from, 0, 0, 0];
    try {
      while (seen.length + nonFinite < batches) {
        const chunk = yield* perform(this.#feeder.next(1, counters));
        if (typeof chunk === 'string') break;
        const size = chunk.parts.reduce((n, { micros, shape }) => n + micros * shape.rows, 0);
        rows ||= size;
        // The last ones of an epoch may be shorter: their noise would be that of other batches.
        if (size === rows) {
          const { found, gradients } = yield* this.#run(chunk, counters);
          if (found) {
            bytes += 4 * this.#size * (gradients!.clipped ? 2 : 1);
            seen.push({ ...found, gradients: bytes <= LIMITS.kept ? gradients : null });
          } else nonFinite++;
        }
        counters = { ...counters, attempt: counters.attempt + chunk.micros, batch: counters.batch + chunk.micros };
      }
      if (seen.length < LEAST) {
        const bad = nonFinite > 0 ? `; ${nonFinite} more have a gradient that is not finite` : '';
        throw new DataError(
          `probe: expected at least ${LEAST} batches of ${rows} rows in an epoch, got ${seen.length}${bad}: a smaller batchSize gives more`,
          { batches: seen.length, nonFinite, rows },
        );
      }
      const products: Products[] = [];
      for (const batch of seen) products.push(yield* this.#withMeans(batch, seen.length));
      return this.#probe(seen, products, { rows, nonFinite });
    } finally {
      yield* perform(this.#feeder.close);
    }
  }

  get #size(): number {
    return this.#parameters.reduce((n, p) => n + p.weights.length, 0);
  }

  /** A batch, added to the sums. */
  *#run(
    chunk: Chunk,
    counters: Counters,
  ): Loop<{ readonly found: Omit<Seen, 'gradients'> | null; readonly gradients: Gradients | null }> {
    const { report, column, ok, extra } = yield* this.#computed(chunk, counters);
    const plain = this.#parameters.map((_, i) => column(PROBED.gradient(i)));
    const gg = plain.reduce((sum, g) => sum + dot(g, g), 0);
    if (!ok || !Number.isFinite(gg)) return { found: null, gradients: null };
    const skipped = (report('skipped') ?? 0) !== 0;
    const written = extra.unclipped ? plain : this.#parameters.map((_, i) => column(PROBED.clipped(i)));
    const clipped = skipped ? null : written;
    let [cc, gc, changed] = [0, 0, skipped];
    for (const [i, p] of this.#parameters.entries()) {
      const g = plain[i]!;
      addGradient(p, g);
      if (!clipped) continue;
      const c = clipped[i]!;
      addUpdate(p, c, column(PROBED.next(i)));
      cc += dot(c, c);
      gc += dot(g, c);
      if (c !== g) {
        changed ||= c.some((v, k) => v !== g[k]);
        const { given, bound } = boundOf(g, c);
        this.#elements = { given: this.#elements.given + given, bound: this.#elements.bound + bound };
      }
    }
    this.#paths = extra.units;
    for (const k of extra.units.keys()) {
      const largest = column(PROBED.units(k));
      const known = this.#units[k];
      if (!known) this.#units[k] = largest.slice();
      else for (const [u, v] of largest.entries()) if (!(v <= known[u]!)) known[u] = v;
    }
    const found = {
      ...{ chunk, counters, skipped, changed, loss: report('loss')!, norm: Math.sqrt(gg) },
      ...{ threshold: report('threshold') ?? Number.POSITIVE_INFINITY, own: { gg, cc, gc } },
    };
    return { found, gradients: this.#gradients(plain, skipped, extra.unclipped ? null : written) };
  }

  /** Copies, since what a run reports goes with all of it. */
  #gradients(plain: readonly Float32Array[], skipped: boolean, clipped: readonly Float32Array[] | null): Gradients {
    return { plain: plain.map((g) => g.slice()), clipped: skipped || !clipped ? null : clipped.map((c) => c.slice()) };
  }

  /** What the program of a batch reports. */
  *#computed(
    chunk: Chunk,
    counters: Counters,
  ): Loop<{ column(name: string): Float32Array; report(name: string): number | null; ok: boolean; extra: Probing }> {
    const { programs, release } = this.#use.hold(chunk.parts.map(({ shape }) => shape));
    try {
      const terms = { setup: this.#setup.unheard, epochSteps: this.#feeder.epochSteps };
      const parts = new Parts(programs, chunk, { seed: this.#seed, counters }, terms);
      let result: Awaited<ReturnType<ReturnType<Parts['next']>['later']>>;
      try {
        do result = yield* perform(parts.next());
        while (parts.goOn(result));
      } catch (error) {
        throw error instanceof IndexError ? located(error, (step) => batchesOf(chunk, step)) : error;
      }
      const last = programs.at(-1)!;
      const columns = new Map(last.program.report.columns.map((c): [string, Column] => [c.name, c]));
      return {
        ok: result.status === STATUS.ok,
        extra: last.extra,
        column(name) {
          const { offset, type } = columns.get(name)!;
          return new Float32Array(result.report, offset, sizeOf(type.shape));
        },
        report: (name) => {
          const found = columns.get(name);
          return found ? new Float64Array(result.report, found.offset, 1)[0]! : null;
        },
      };
    } finally {
      release();
    }
  }

  /** Its products with the means over all batches; computed again where its gradients were not kept. */
  *#withMeans(batch: Seen, n: number): Loop<Products> {
    let { gradients } = batch;
    if (!gradients) {
      const { column, extra } = yield* this.#computed(batch.chunk, batch.counters);
      const read = (of: (i: number) => string): Float32Array[] => this.#parameters.map((_, i) => column(of(i)));
      gradients = { plain: read(PROBED.gradient), clipped: batch.skipped || extra.unclipped ? null : read(PROBED.clipped) };
    }
    const { plain, clipped } = gradients;
    batch.gradients = null;
    const product = (of: readonly Float32Array[], mean: 'sum' | 'sumClipped'): number =>
      this.#parameters.reduce((s, p, i) => s + dot(of[i]!, p[mean]), 0) / n;
    const [gG, gC] = [product(plain, 'sum'), product(plain, 'sumClipped')];
    if (batch.skipped) return { ...batch.own, gG, gC, cG: 0, cC: 0 };
    if (!clipped) return { ...batch.own, gG, gC, cG: gG, cC: gC };
    return { ...batch.own, gG, gC, cG: product(clipped, 'sum'), cC: product(clipped, 'sumClipped') };
  }

  #probe(
    seen: readonly Seen[],
    products: readonly Products[],
    { rows, nonFinite }: { readonly rows: number; readonly nonFinite: number },
  ): Probe {
    const n = seen.length;
    const { cosine, plainCosine, length, ...noise } = noiseOf(products, rows);
    const applied = seen.filter((s) => !s.skipped);
    const turned = applied.filter(({ own }) => own.gg > 0 && own.cc > 0);
    const turn = turned.reduce((sum, { own: { gg, cc, gc } }) => sum + 1 - Math.min(1, gc / Math.sqrt(gg * cc)), 0);
    const [moved, left] = [sumOf(this.#parameters, 'moved'), sumOf(this.#parameters, 'left')];
    const { given, bound } = this.#elements;
    const probe: Omit<Probe, 'warnings'> = {
      ...{ step: this.#step, batches: n, nonFinite, skipped: n - applied.length, rows },
      loss: seen.reduce((sum, s) => sum + s.loss, 0) / n,
      norms: seen.map((s) => s.norm),
      ...noise,
      clip: {
        policy: this.#setup.policy.name,
        ...{ cosine, plainCosine, length },
        rate: seen.filter((s) => s.changed).length / n,
        turn: turned.length === 0 ? 0 : turn / turned.length,
        atBound: given === 0 ? 0 : bound / given,
        threshold: median(seen.map((s) => s.threshold)),
      },
      rates: inEpochs(this.#feeder.epochSteps, () => this.#setup.ratesAt(this.#step)),
      unchanged: moved === 0 ? null : left / moved,
      parameters: this.#parameters.map((p) => {
        const elements = p.weights.length;
        return {
          ...{ name: p.name, elements, zeroBatches: p.zeroBatches },
          rms: elements === 0 ? 0 : Math.sqrt(p.squares / (n * elements)),
          zeros: elements === 0 ? 0 : p.zeros / (n * elements),
          unchanged: p.moved === 0 ? null : p.left / p.moved,
        };
      }),
      units: this.#units.map((largest, k) => {
        return { path: this.#paths[k]!, units: largest.length, dead: largest.reduce((d, v) => d + Number(v === 0), 0) };
      }),
    };
    return { ...probe, warnings: probeWarnings(probe) };
  }
}

const sumOf = (of: readonly OfParameter[], key: 'moved' | 'left'): number => of.reduce((n, p) => n + p[key], 0);

function dot(a: Float32Array, b: Float32Array | Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function addGradient(p: OfParameter, g: Float32Array): void {
  const { sum } = p;
  let [squares, zeros] = [0, 0];
  for (let i = 0; i < g.length; i++) {
    const v = g[i]!;
    sum[i]! += v;
    squares += v * v;
    if (v === 0) zeros++;
  }
  p.squares += squares;
  p.zeros += zeros;
  if (zeros === g.length) p.zeroBatches++;
}

/** A weight of 0 is pruned, or moves by any update. */
function addUpdate(p: OfParameter, c: Float32Array, next: Float32Array): void {
  const { sumClipped, weights } = p;
  for (let i = 0; i < c.length; i++) {
    const v = c[i]!;
    sumClipped[i]! += v;
    if (v === 0 || weights[i] === 0) continue;
    p.moved++;
    if (next[i] === weights[i]) p.left++;
  }
}

/** Elements that are not 0, and those of them that are cut more than the one that is cut least: a factor for all cuts none more. */
function boundOf(g: Float32Array, c: Float32Array): { readonly given: number; readonly bound: number } {
  let [most, given, bound] = [0, 0, 0];
  for (let i = 0; i < g.length; i++) if (g[i] !== 0) most = Math.max(most, Math.abs(c[i]! / g[i]!));
  const least = most * (1 - BOUND);
  for (let i = 0; i < g.length; i++) {
    if (g[i] === 0) continue;
    given++;
    if (Math.abs(c[i]!) < least * Math.abs(g[i]!)) bound++;
  }
  return { given, bound };
}
