// outputs.ts: what a function that computes something of a batch may give, as types; and what keys the draws of dropout.
import type { Tensor } from '../ir/graph.ts';
import type { Data, DataOf, DType } from '../ir/op.ts';
import { philox4x32, philoxKey } from '../ir/philox.ts';
import type { NdArray } from './feed/source.ts';

/** The dtype of one tensor, or those of several by name. */
export type OutputTypes = DType | Readonly<Record<string, DType>>;

/** A tensor, or an object of tensors by name. */
export type OutputTensors<T extends OutputTypes = OutputTypes> =
  | (Tensor & { readonly dtype: T })
  | ({ readonly [K in keyof T]: Tensor & { readonly dtype: T[K] } } & object);

/** What holds tensors of these types, where a call does not say it: an array of one, of several arrays by name. Of what nobody knows an array. */
export type HeldOf<T extends OutputTypes> = [T] extends [DType]
  ? DataOf<T>
  : [OutputTypes] extends [T]
    ? Data
    : { readonly [K in keyof T]: NdArray<DataOf<T[K] & DType>> };

/** What comes back in a `D`: an array of one tensor, or arrays by name. */
export type OutputArrays<D> = [D] extends [infer A extends Data] ? NdArray<A> : [D] extends [object] ? NoInfer<D> : never;

/** Keeps the draws of these calls apart from others: "call". */
const CALL = 0x63616c6c;

/** Seeds of calls: what a call names, else another one for each. */
export class Seeds {
  readonly #seed: bigint;
  #calls = 0;

  constructor(seed: bigint) {
    this.#seed = seed;
  }

  /** @param seed of the call, if it names one */
  of(dropout: boolean, seed: number | bigint | undefined): bigint {
    if (!dropout) return 0n;
    if (seed !== undefined) return BigInt(seed);
    const words = new Uint32Array(4);
    philox4x32(words, this.#calls++, 0, CALL, 0, ...philoxKey(this.#seed));
    return (BigInt(words[1]!) << 32n) | BigInt(words[0]!);
  }
}
