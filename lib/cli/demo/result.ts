// result.ts: what the demo finds out: three trainings that differ in their clip policy alone, and their figures.

/** One of the three trainings; arrays have an element a step. */
export interface Contender {
  readonly name: string;
  /** For people. */
  readonly label: string;
  /** The policy as it is written in code. */
  readonly policy: string;
  readonly loss: readonly number[];
  /** Norm of the gradient before clipping. */
  readonly norm: readonly number[];
  /** And after it: 0 in a skipped step. */
  readonly normAfter: readonly number[];
  readonly clipped: readonly boolean[];
  readonly skipped: readonly boolean[];
  readonly ms: number;
  /** Text that the trained model writes. */
  readonly sample: string;
}

export interface DemoResult {
  readonly contenders: readonly Contender[];
  readonly steps: number;
  readonly seed: number;
  readonly threads: number;
  readonly isa: string;
  readonly version: string;
  readonly parameters: number;
  /** What the text is, its length in characters, how many of them trained, and how many distinct ones there are. */
  readonly text: { readonly name: string; readonly length: number; readonly trained: number; readonly distinct: number };
  /** What the samples go on from, and how freely. */
  readonly prompt: string;
  readonly temperature: number;
  /** The command that gives the same again. */
  readonly command: string;
}

export interface Figures {
  /** Mean over the last 50 steps. */
  readonly finalLoss: number;
  readonly medianNorm: number;
  readonly largestNorm: number;
  readonly clippedPercent: number;
  readonly skipped: number;
  readonly seconds: number;
}

const LAST = 50;

export function figures({ loss, norm, clipped, skipped, ms }: Contender): Figures {
  const last = loss.slice(-LAST);
  const norms = norm.filter((n) => !Number.isNaN(n)).sort((a, b) => a - b);
  return {
    finalLoss: last.reduce((sum, value) => sum + value, 0) / last.length,
    medianNorm: norms[norms.length >> 1] ?? Number.NaN,
    largestNorm: norms.at(-1) ?? Number.NaN,
    clippedPercent: (100 * clipped.filter(Boolean).length) / Math.max(1, clipped.length),
    skipped: skipped.filter(Boolean).length,
    seconds: ms / 1000,
  };
}
