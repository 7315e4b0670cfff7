// compared.ts: gradients beside those in f64, batch after batch: what they are off by.
import type { Computed, ParameterPrecision, RoundingErrors } from './measured.ts';

// Where f64 is right to 2^-53 and f32 to 2^-24 of the terms of a sum, a sum that is off by this in f32 has a digit or two in f64.
const NOTHING_LEFT = 1e6;

interface Sums {
  errors: number;
  squares: number;
  own: number;
  product: number;
  largest: number;
  largestError: number;
  lost: number;
  notZero: number;
  overflown: number;
}
const none = (): Sums => ({
  ...{ errors: 0, squares: 0, own: 0, product: 0, largest: 0, largestError: 0, lost: 0, notZero: 0, overflown: 0 },
});

/** Compares the gradients of batch after batch. */
export class Compared {
  readonly #trained: readonly { readonly name: string; readonly size: number }[];
  readonly #sums: readonly Sums[];
  #loss: Pick<RoundingErrors, 'loss' | 'exactLoss' | 'lossError'> | null = null;

  constructor(trained: readonly { readonly name: string; readonly size: number }[]) {
    this.#trained = trained;
    this.#sums = trained.map(none);
  }

  add(found: Computed, exact: Computed): void {
    const off = Math.abs(found.loss - exact.loss);
    const lossError = off === 0 ? 0 : off / Math.abs(exact.loss);
    if (!this.#loss || !(lossError <= this.#loss.lossError)) {
      this.#loss = { loss: found.loss, exactLoss: exact.loss, lossError };
    }
    for (const [i, s] of this.#sums.entries()) {
      const [f, g] = [found.gradients[i]!, exact.gradients[i]!];
      for (let j = 0; j < g.length; j++) {
        const [a, b] = [f[j]!, g[j]!];
        const e = Math.abs(a - b);
        s.errors += e * e;
        s.squares += b * b;
        s.own += a * a;
        s.product += a * b;
        if (e > s.largestError) s.largestError = e;
        if (Math.abs(b) > s.largest) s.largest = Math.abs(b);
        if (b !== 0) {
          s.notZero++;
          if (a === 0) s.lost++;
        }
        if (!Number.isFinite(a) && Number.isFinite(b)) s.overflown++;
      }
    }
  }

  result(): RoundingErrors {
    const all = none();
    for (const s of this.#sums) for (const key of ['errors', 'squares', 'own', 'product'] as const) all[key] += s[key];
    return {
      ...this.#loss!,
      error: errorOf(all),
      cosine: cosineOf(all),
      parameters: this.#trained.map(({ name, size }, i): ParameterPrecision => {
        const s = this.#sums[i]!;
        const error = errorOf(s);
        return {
          name,
          elements: size,
          norm: Math.sqrt(s.squares),
          error,
          largestError: over(s.largestError, s.largest),
          cosine: cosineOf(s),
          lost: s.notZero === 0 ? 0 : s.lost / s.notZero,
          overflown: s.overflown,
          cancels: error > NOTHING_LEFT && s.overflown === 0,
        };
      }),
    };
  }
}

/** 0 where there is nothing to divide. */
export const over = (a: number, b: number): number => (a === 0 ? 0 : a / b);
const errorOf = ({ errors, squares }: Sums): number => over(Math.sqrt(errors), Math.sqrt(squares));
const cosineOf = ({ product, own, squares }: Sums): number =>
  Math.max(-1, Math.min(1, product / Math.sqrt(own) / Math.sqrt(squares)));
