// draw.ts: what the generators of cases draw from: sizes around the edges of tiles, few rows, and anything else.
import fc from 'fast-check';
import { type Sample, sizeOf } from '../../lib/ir/op.ts';

/** A case for one op, as a sample of its record. */
export interface Case extends Pick<Sample<unknown>, 'ins' | 'attrs' | 'fill' | 'tolerance'> {
  /** Bits are compared, but not with `ref`: a step of a chain has jumps, or its values leave what f32 holds. */
  readonly bitsOnly?: boolean;
}
export type Generator = (d: Draw) => Case;
export type FillOf = NonNullable<NonNullable<Sample<unknown>['fill']>[number]>;

// Rows of tiles (4, 6, 14), lanes (4, 8, 16, 32), blocks and chunks.
const EDGES = [4, 6, 8, 14, 16, 28, 32, 48, 56, 64, 128, 256, 512, 1024];

/** Draws of one case; fast-check shrinks each of them. */
export class Draw {
  readonly #next: fc.GeneratorValue;
  constructor(next: fc.GeneratorValue) {
    this.#next = next;
  }
  /** From `min` to `max`, both included. */
  int(min: number, max: number): number {
    return this.#next(fc.integer, { min, max });
  }
  /** True once in `of`. */
  rarely(of: number): boolean {
    return this.int(1, of) === of;
  }
  flag(): boolean {
    return this.#next(fc.boolean);
  }
  pick<const T>(...of: readonly T[]): T {
    return of[this.int(0, of.length - 1)]!;
  }
  real(min: number, max: number): number {
    return this.#next(fc.double, { min, max, noNaN: true });
  }
  /** So many things, `min` to `max`. */
  list<T>(min: number, max: number, make: (i: number) => T): T[] {
    return Array.from({ length: this.int(min, max) }, (_, i) => make(i));
  }
  /** From 1 to `max`: near an edge, small, or any. */
  size(max = 200): number {
    const by = this.int(0, 2);
    const size = by === 0 ? this.pick(...EDGES) + this.int(-1, 1) : by === 1 ? this.int(1, 17) : this.int(1, Math.max(1, max));
    return Math.max(1, Math.min(size, max));
  }
  /** The terms of a sum: 1 to 300, near a panel's edge, seldom many. */
  terms(max = 1100): number {
    const n = this.rarely(4) ? this.pick(256, 512, max) + this.int(-1, 1) : this.int(1, 300);
    return Math.max(1, Math.min(n, max));
  }
  /** So many sizes, whose product is at most `elements`; one of them is seldom 0. */
  sizes(count: number, elements = 20_000, empty = true): number[] {
    let left = elements;
    const sizes = Array.from({ length: count }, (_, i) => {
      const size = this.size(Math.max(1, i === count - 1 ? left : Math.min(left, 1100)));
      left = Math.max(1, Math.floor(left / size));
      return size;
    });
    if (empty && count > 0 && this.rarely(25)) sizes[this.int(0, count - 1)] = 0;
    // The largest is not always the first.
    return this.shuffled(sizes);
  }
  shuffled<T>(list: readonly T[]): T[] {
    const rest = [...list];
    return list.map(() => rest.splice(this.int(0, rest.length - 1), 1)[0]!);
  }
  /** Shapes of a list of tensors: parameters of a model. */
  shapes(max = 6, elements = 4000): number[][] {
    return this.list(1, max, () => this.sizes(this.int(0, 3), elements));
  }
}

export const elementsOf = (shapes: readonly (readonly number[])[]): number => shapes.reduce((n, s) => n + sizeOf(s), 0);
/** The tolerance of a sum of so many products. */
export const ofTerms = (terms: number): number => 2e-6 * Math.sqrt(Math.max(1, terms)) * 2;
