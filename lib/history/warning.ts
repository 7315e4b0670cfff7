// warning.ts: what a warning of `advise` is, and how its words and figures are made.
import { visible } from '../errors/visible.ts';

/** What a warning of `advise` is about, for programs. Steps are those looked at. */
export type WarningCode =
  /** The loss rose, became NaN, or never fell by more than its noise. */
  | 'notLearning'
  /** Updates are below half an ulp of most of the weights, which stay as they are. */
  | 'standsStill'
  /** Gradients are more than 10 times as long as all weights together. */
  | 'exploding'
  /** Gradients are 0: of all parameters in some steps, or of some parameters in most steps. */
  | 'zeroGradients'
  /** Gradients get smaller from the last layers to the first ones, by a factor of more than 1,000 in all. */
  | 'vanishing'
  /** The policy's threshold is made of earlier steps: in the first ones there was no bound. */
  | 'noPast'
  /** More than half of the steps were clipped: the clip acts as a learning rate. */
  | 'clipsMost'
  /** No step was clipped. */
  | 'neverClips'
  /** Norms were more than 10 times the threshold. */
  | 'farAbove'
  /** `eps` is more than a tenth of what the optimizer divides by. */
  | 'epsFloor'
  /** The 99th percentile of the norms is more than 5 times their median, or their tail has no finite variance. */
  | 'heavyTail'
  /** The median of the norms fell by a factor of more than 1.5 from the first third of the steps to the last. */
  | 'falling'
  /** The median of the norms rose by a factor of more than 1.5 from the first third of the steps to the last. */
  | 'rising'
  /** One parameter has more than nine tenths of the square of the norm in the median step. */
  | 'oneLayer'
  /** Steps were skipped. */
  | 'skips'
  /** Fewer than 5 steps lie above the threshold that the wanted rate gives. */
  | 'fewSteps'
  /** Of a probe: the batch's gradient is mostly noise. */
  | 'noisyGradients'
  /** Of a probe: the mean of the clipped gradients has another direction than the mean gradient. */
  | 'clipBias'
  /** Of a probe: the clip turns gradients away from their direction. */
  | 'lostDirections'
  /** Of a probe: units are 0 for all rows of all batches. */
  | 'deadUnits';

/** An option, and the value to give it. */
export interface Cure {
  /**
   * Of the optimizer (`lr`, `eps`), the clip policy (`threshold` of a global norm; `absolute` of an adaptive one; `normalize`: `to` of `clip.normalize` by tensor)
   * or the fit.
   */
  readonly option: 'lr' | 'eps' | 'threshold' | 'absolute' | 'normalize' | 'batchSize' | 'accumulate';
  /** What it should be, to begin with. */
  readonly value: number;
}

/** Something about a run, or how it was clipped, that may not be what was meant. */
export interface Warning {
  /** What it is about, for programs. */
  readonly code: WarningCode;
  /** `warning`: something is wrong, and the training is worse for it. `remark`: worth knowing when a threshold is chosen. */
  readonly level: 'warning' | 'remark';
  /** What it is and what helps, for people, with the figures. */
  readonly text: string;
  /** The figures and names of the text, by name. */
  readonly figures: Readonly<Record<string, number | string>>;
  /** What to change, for programs; null where no number mends it, or another warning's cure does. */
  readonly cure: Cure | null;
}

/** A warning; control characters of its names are escaped. */
export function warn(
  code: WarningCode,
  level: Warning['level'],
  figures: Warning['figures'],
  text: string,
  cure: Cure | null = null,
): Warning {
  return { code, level, text: visible(text), figures, cure };
}

/** A number in a sentence: three digits. */
export function show(x: number): string {
  const text = x.toPrecision(3);
  return Math.abs(x) >= 1e5 || (x !== 0 && Math.abs(x) < 1e-3) ? x.toExponential(1) : String(Number(text));
}

/** A part of 1 in percent. */
export function percent(part: number): string {
  return `${Number((100 * part).toPrecision(3))} %`;
}

/** How many steps. */
export function steps(n: number): string {
  return n === 1 ? '1 step' : `${n.toLocaleString('en-US')} steps`;
}

/** A value that somebody would write: one or two digits. */
export function round(x: number): number {
  return Number(x.toPrecision(2));
}
