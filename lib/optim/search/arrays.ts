// arrays.ts: the work of a search in plain loops, on arrays of the caller's own.
import type { Evaluated, Numbers, Place, Space, Task } from './space.ts';
import { INFINITELY_BAD } from './space.ts';

type Vector = Float32Array | Float64Array;
type Evaluate<V extends Vector> = () => { readonly loss: number; readonly grads: readonly V[] };

/** Vectors that are there once something is written to them, by name. */
export type Vectors<V extends Vector> = Map<string, V>;

/** Sums are in f64, what is kept is of the arrays' own precision. Nothing is waited for. */
export class ArraySpace<V extends Vector> implements Space<never> {
  readonly #params: readonly V[];
  readonly #size: number;
  readonly #vectors: Vectors<V>;
  readonly #room: (size: number) => V;
  readonly #evaluate: Evaluate<V>;

  /** @param evaluate loss and gradients where the parameters are now */
  constructor(params: readonly V[], vectors: Vectors<V>, room: (size: number) => V, evaluate: Evaluate<V>) {
    this.#params = params;
    this.#size = params.reduce((n, p) => n + p.length, 0);
    this.#vectors = vectors;
    this.#room = room;
    this.#evaluate = evaluate;
  }

  // biome-ignore lint/correctness/useYield: nothing is waited for
  *evaluate(): Generator<never, Evaluated, unknown> {
    const { loss, grads } = this.#evaluate();
    const g = this.#gradient('g');
    let at = 0;
    for (const x of grads) {
      g.set(x, at);
      at += x.length;
    }
    const largest = maxAbs(g);
    if (!Number.isFinite(loss) || !Number.isFinite(largest)) return INFINITELY_BAD;
    return { loss, largest, slope: dot(g, this.#of('d')) };
  }

  // biome-ignore lint/correctness/useYield: nothing is waited for
  *do(task: Task, numbers: Numbers = {}, pairs: readonly number[] = []): Generator<never, Numbers, unknown> {
    return this.#done(task, numbers, pairs);
  }

  #done(task: Task, numbers: Numbers, pairs: readonly number[]): Numbers {
    const [d, g, prev, start] = [this.#of('d'), this.#gradient('g'), this.#gradient('prev'), this.#of('start')];
    const steps = pairs.map((place) => this.#of(`old_stps.${place}`));
    const changes = pairs.map((place) => this.#of(`old_dirs.${place}`));
    switch (task.kind) {
      case 'pair': {
        const [[s], [y]] = [steps, changes] as [[V], [V]];
        for (let i = 0; i < s.length; i++) {
          s[i] = numbers.t! * d[i]!;
          y[i] = g[i]! - prev[i]!;
          d[i] = -g[i]!;
        }
        return { ys: dot(y, s), yy: dot(y, y) };
      }
      case 'downhill':
        for (let i = 0; i < d.length; i++) d[i] = -g[i]!;
        return {};
      case 'down': {
        const found: Record<string, number> = {};
        for (const [k, s] of steps.entries()) {
          const alpha = dot(s, d) * numbers[`rho.${k}`]!;
          found[`alpha.${k}`] = alpha;
          add(d, -alpha, changes[k]!);
        }
        return found;
      }
      case 'up':
        for (let i = 0; i < d.length; i++) d[i]! *= numbers.scale!;
        for (const [k, s] of steps.entries()) {
          const beta = dot(changes[k]!, d) * numbers[`rho.${k}`]!;
          add(d, numbers[`alpha.${k}`]! - beta, s);
        }
        return {};
      case 'begin': {
        prev.set(g);
        this.#each((p, at) => start.set(p, at));
        let sum = 0;
        for (let i = 0; i < g.length; i++) sum += Math.abs(g[i]!);
        return { slope: dot(g, d), largest: maxAbs(d), sum };
      }
      case 'move': {
        const t = numbers.t!;
        this.#each((p, at) => {
          for (let i = 0; i < p.length; i++) p[i] = start[at + i]! + t * d[at + i]!;
        });
        return {};
      }
      case 'back':
        this.#each((p, at) => p.set(start.subarray(at, at + p.length)));
        return {};
      case 'copy':
        this.#gradient(task.to).set(this.#gradient(task.from));
        return {};
    }
  }

  #gradient(at: Place): V {
    return this.#of(at === 'prev' ? 'prev_flat_grad' : `flat_grad.${at}`);
  }

  #of(name: string): V {
    let vector = this.#vectors.get(name);
    if (!vector) {
      vector = this.#room(this.#size);
      this.#vectors.set(name, vector);
    }
    return vector;
  }

  #each(visit: (p: V, at: number) => void): void {
    let at = 0;
    for (const p of this.#params) {
      visit(p, at);
      at += p.length;
    }
  }
}

function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function add(x: Vector, by: number, y: Vector): void {
  for (let i = 0; i < x.length; i++) x[i]! += by * y[i]!;
}

/** NaN where there is one. */
function maxAbs(x: Vector): number {
  let most = 0;
  for (let i = 0; i < x.length; i++) {
    const v = Math.abs(x[i]!);
    if (!(v <= most)) most = v;
    if (Number.isNaN(most)) return most;
  }
  return most;
}
