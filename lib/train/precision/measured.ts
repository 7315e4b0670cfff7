// measured.ts: what `trainer.precision` measures: errors of gradients, norms by the order of their sum, ranges of numbers, and what is found wrong.
import type { FormatShares } from './range.ts';

/** What rounding does to the gradient of a parameter. */
export interface ParameterPrecision {
  /** Its name in the model. */
  readonly name: string;
  /** How many elements it has. */
  readonly elements: number;
  /** 2-norm of its gradient, in f64 throughout. */
  readonly norm: number;
  /** 2-norm of what its gradient is off by, over `norm`: NaN where either is not finite, infinite where `norm` is 0 and it is off. */
  readonly error: number;
  /** What the element is off by that is off most, over the largest element. */
  readonly largestError: number;
  /** Cosine of the gradient and that in f64: 1 where they point the same way; NaN where one of them is 0. */
  readonly cosine: number;
  /** Share of the elements that became 0, of those that are not 0 in f64. */
  readonly lost: number;
  /** How many elements are not finite that are in f64. */
  readonly overflown: number;
  /** Whether f64 has no digit of it either, or hardly one: the terms of the gradient cancel to 0, but for rounding. */
  readonly cancels: boolean;
}

/** A loss and gradients, as kernels compute them, beside what they are in f64 throughout. */
export interface RoundingErrors {
  /** The loss, of the batch that is off most. */
  readonly loss: number;
  /** The same in f64 throughout. */
  readonly exactLoss: number;
  /** What it is off by, over what it is. */
  readonly lossError: number;
  /** What all gradients together are off by, over their norm. */
  readonly error: number;
  /** Their cosine with those in f64. */
  readonly cosine: number;
  /** What it does to the gradient of each parameter that is trained. */
  readonly parameters: readonly ParameterPrecision[];
}

/** A norm, and what it is off by, over what it is. */
export interface NormBy {
  /** The norm. */
  readonly norm: number;
  /** What it is off by, over the norm whose squares are added in f64. */
  readonly error: number;
}

/** The 2-norm of all gradients together, by how squares are added: of the batch where that matters most. */
export interface NormsByOrder {
  /** Of gradients that are computed in f64 throughout. */
  readonly exact: number;
  /** Of f32 gradients, whose squares are added in f64: what clipping goes by here. */
  readonly f64: number;
  /** Squares and sums in f32, each half alone and then the two. */
  readonly pairwise: NormBy;
  /** Squares and sums in f32, one after the other. */
  readonly forward: NormBy;
}

/** How large numbers are, in f64, and what formats of fewer bits do to them, as shares of those that are not 0. */
export interface ValueRange {
  /** How many there are. */
  readonly elements: number;
  /** How many of them are 0. */
  readonly zeros: number;
  /** How many are NaN or infinite: shares do not count them. */
  readonly notFinite: number;
  /** Size of the largest. */
  readonly largest: number;
  /** Size of the smallest that is not 0; 0 if there is none. */
  readonly smallest: number;
  /** What f32 does to them. */
  readonly f32: FormatShares;
  /** What bf16 does to them. */
  readonly bf16: FormatShares;
  /** What f16 would do to them, which nothing here computes with. */
  readonly f16: FormatShares;
}

/** What a scale of the loss does to numbers of the backward pass that are too small. */
export interface ScaledLoss {
  /** The format that holds them. */
  readonly format: 'f32' | 'f16';
  /**
   * The loss times 2^power leaves the most of them all digits, and makes none infinite: the smallest such, up to 2^100. 0: a scale changes nothing.
   */
  readonly power: number;
  /** What the format does to them without a scale. */
  readonly without: FormatShares;
  /** What it does to them with this one. */
  readonly withIt: FormatShares;
}

/** Something that precision does to a training. */
export interface PrecisionFinding {
  /** `warning`: what is computed is wrong. `remark`: what is worth knowing. */
  readonly level: 'warning' | 'remark';
  /** Which rule found it. */
  readonly code:
    | 'notFinite'
    | 'overflow'
    | 'underflow'
    | 'inaccurateGradient'
    | 'inaccurateLoss'
    | 'inaccurateBf16'
    | 'coarseData'
    | 'cancels'
    | 'normOrder';
  /** The parameters that it is about; none where it is about all. */
  readonly parameters: readonly string[];
  /** What it is, and what to do. */
  readonly text: string;
  /** An option of the trainer that mends it, with its value; null where there is none. */
  readonly cure: { readonly option: 'lossScale' | 'precision'; readonly value: number | string } | null;
}

/** What was measured. */
export interface Measured {
  readonly rows: number;
  readonly batches: number;
  readonly mode: 'train' | 'eval';
  readonly f32: RoundingErrors;
  readonly bf16: RoundingErrors | null;
  readonly norms: NormsByOrder;
  readonly values: Readonly<Record<'weights' | 'activations' | 'gradients', ValueRange>>;
  readonly scaled: readonly ScaledLoss[];
  readonly withScale: RoundingErrors | null;
  readonly places: Readonly<Record<'above f32' | 'small in f32' | 'not finite', string | null>>;
  readonly lossScale: number;
  readonly coarse: readonly Coarse[];
  readonly flops: number;
  readonly ms: number;
}

/** A column of the data that f32 holds few digits of. */
export interface Coarse {
  readonly array: string;
  readonly column: number;
  readonly min: number;
  readonly max: number;
  /** From one number of f32 to the next, there. */
  readonly step: number;
}

/** A loss and gradients. */
export interface Computed {
  readonly loss: number;
  /** In the order of the parameters. */
  readonly gradients: readonly Float64Array[];
}
