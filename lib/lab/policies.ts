// policies.ts: the policies of the laboratory, each with five levels: where a level is a threshold it is made of the workload's own norms.

import type { ClipPolicy } from '../clip/index.ts';
import * as clip from '../clip/index.ts';

/** How large the gradients of a workload are. */
export interface LabScale {
  /** Median of the norms of all gradients, in a run that is clipped to what they are at first. */
  readonly norm: number;
  /** Trained elements, and tensors. */
  readonly elements: number;
  readonly tensors: number;
}

/** One way to set a policy. */
export interface LabLevel {
  /** What tells it from the others: `1`, `x0.3` of the median, `q=10`. */
  readonly name: string;
  /** The one that is published or usual: what who does not tune takes. */
  readonly usual?: true;
  make(scale: LabScale): ClipPolicy;
}

/** A policy and its levels. */
export interface LabPolicy {
  readonly name: string;
  /** One line for people. */
  readonly about: string;
  readonly levels: readonly LabLevel[];
  /** Levels are thresholds that steps are given: one compiled program serves all. */
  readonly oneProgram: boolean;
  /** It looks at the validation set while it trains. */
  readonly validates?: true;
  /** What its configuration says, where a file has it: another one is another policy. */
  readonly made?: string;
}

/** Multiples of the scale whose best one a score compares with, by validation: a global norm of each. Closest where the best ones mostly are. */
export const LADDER: readonly number[] = [0.01, 0.0316, 0.1, 0.178, 0.316, 0.562, 1, 1.78, 3.16, 10];

const multiple = (of: number): string => `x${of}`;

/** Levels that are a number as published, and multiples of what the workload's gradients have. */
function thresholds(
  usual: number,
  of: readonly number[],
  size: (scale: LabScale) => number,
  make: (threshold: number) => ClipPolicy,
): LabLevel[] {
  return [
    { name: String(usual), usual: true, make: () => make(usual) },
    ...of.map((times): LabLevel => ({ name: multiple(times), make: (scale) => make(times * size(scale)) })),
  ];
}

/** Levels that are numbers of the policy's own. The first is the usual one. */
function numbers(name: string, values: readonly number[], make: (value: number) => ClipPolicy): LabLevel[] {
  return values.map((value, i) => ({
    name: `${name}=${value}`,
    ...(i === 0 && { usual: true as const }),
    make: () => make(value),
  }));
}

const norm = ({ norm }: LabScale): number => norm;
/** The root of the mean of squares, of what a tensor's norm is, and an element. */
const perTensor = ({ norm, tensors }: LabScale): number => norm / Math.sqrt(tensors);
const perElement = ({ norm, elements }: LabScale): number => norm / Math.sqrt(elements);

/** Of the reference. */
export const REFERENCE: LabPolicy = {
  name: 'globalNorm',
  about: 'the ten thresholds that scores compare with',
  oneProgram: true,
  levels: LADDER.map((times) => ({ name: multiple(times), make: (scale) => clip.globalNorm(times * scale.norm) })),
};

/** Measured only. */
export const NONE: LabPolicy = {
  name: 'none',
  about: 'no clip',
  oneProgram: true,
  levels: [{ name: 'none', usual: true, make: () => clip.none() }],
};

/** A threshold that finds itself, by the validation set. */
const AUTO: LabPolicy = {
  name: 'auto',
  about: 'a global norm whose threshold finds itself',
  oneProgram: true,
  validates: true,
  levels: [{ name: 'auto', usual: true, make: () => clip.auto() }],
};

const FIVE: readonly LabPolicy[] = [
  {
    name: 'globalNorm',
    about: 'all gradients by their one norm (Pascanu et al. 2013)',
    oneProgram: true,
    levels: thresholds(1, [0.1, 0.316, 1, 3.16], norm, (c) => clip.globalNorm(c)),
  },
  {
    name: 'perTensorNorm',
    about: 'each gradient by its own norm (Keras: clipnorm)',
    oneProgram: true,
    levels: thresholds(1, [0.1, 0.3, 1, 3], perTensor, (c) => clip.perTensorNorm(c)),
  },
  {
    name: 'value',
    about: 'each element (Keras: clipvalue)',
    oneProgram: true,
    levels: thresholds(0.5, [0.3, 1, 3, 10], perElement, (c) => clip.value(c)),
  },
  {
    name: 'agc',
    about: 'each row by the norm of its weights (Brock et al. 2021)',
    oneProgram: true,
    levels: numbers('c', [0.01, 0.003, 0.03, 0.1, 0.3], (c) => clip.agc(c)),
  },
  {
    name: 'normalize',
    about: 'all gradients to one norm, small ones too',
    oneProgram: true,
    levels: thresholds(1, [0.1, 0.3, 1, 3], norm, (to) => clip.normalize({ to })),
  },
  {
    name: 'autoClip',
    about: 'a percentile of the norms so far (Seetharaman et al. 2020)',
    oneProgram: false,
    levels: numbers('q', [10, 1, 25, 50, 90], (q) => clip.autoClip(q)),
  },
  {
    name: 'percentile',
    about: 'a percentile of each gradient’s own norms (bitsandbytes)',
    oneProgram: false,
    levels: numbers('q', [5, 10, 25, 50, 90], (q) => clip.percentile(q)),
  },
  {
    name: 'zclip',
    about: 'norms far above their running mean (Kumar et al. 2025)',
    oneProgram: false,
    levels: [
      { name: 'z=2.5 max=1', usual: true, make: () => clip.zclip() },
      ...[1.5, 2.5, 4].map((z) => ({ name: `z=${z}`, make: () => clip.zclip({ zThreshold: z, max: Infinity }) })),
      { name: 'z=2.5 max=x1', make: (scale) => clip.zclip({ max: scale.norm }) },
    ],
  },
  {
    name: 'adaGc',
    about: 'each gradient near the running mean of its norm (Wang et al. 2025)',
    oneProgram: false,
    levels: [
      { name: 'r=1.04', usual: true, make: () => clip.adaGc() },
      ...[1.2, 2].map((relative) => ({ name: `r=${relative}`, make: () => clip.adaGc({ relative }) })),
      ...[1.04, 2].map((relative) => ({
        name: `r=${relative} absolute=x1`,
        make: (scale: LabScale) => clip.adaGc({ relative, absolute: scale.norm }),
      })),
    ],
  },
  {
    name: 'quantile',
    about: 'a threshold that follows a quantile of the norms (Andrew et al. 2019)',
    oneProgram: false,
    levels: [
      ...numbers('gamma', [0.5, 0.1, 0.25, 0.9], (gamma) => clip.quantile({ gamma })),
      { name: 'gamma=0.5 initial=x1', make: (scale) => clip.quantile({ initial: scale.norm }) },
    ],
  },
  {
    name: 'runningMean',
    about: 'multiples of the mean of the norms so far (Bengio et al. 2012)',
    oneProgram: false,
    levels: numbers('times', [1, 0.1, 0.3, 3, 10], (times) => clip.runningMean(times)),
  },
  {
    name: 'spikeSkip',
    about: 'steps whose norm is a spike are left out (OLMo-core)',
    oneProgram: false,
    levels: [
      { name: 'sd=6', usual: true, make: () => clip.spikeSkip() },
      ...[2, 3].map((threshold) => ({ name: `sd=${threshold}`, make: () => clip.spikeSkip({ threshold }) })),
      ...[2, 6].map((threshold) => ({
        name: `sd=${threshold} absolute=x1`,
        make: (scale: LabScale) => clip.spikeSkip({ threshold, absolute: scale.norm }),
      })),
    ],
  },
];

const MORE: readonly LabPolicy[] = [
  {
    name: 'autoByBatches',
    about: 'auto without a validation set: by the loss of batches to come',
    oneProgram: true,
    levels: [{ name: 'auto', usual: true, make: () => clip.auto() }],
  },
  {
    name: 'softNorm',
    about: 'all gradients times c / (c + n): smooth',
    oneProgram: true,
    levels: thresholds(1, [0.1, 0.3, 1, 3], norm, (c) => clip.softNorm(c)),
  },
  {
    name: 'blockRms',
    about: 'each gradient by the root of its mean square (optax)',
    oneProgram: true,
    levels: thresholds(1, [0.3, 1, 3, 10], perElement, (c) => clip.blockRms(c)),
  },
  {
    name: 'tanh',
    about: 'each element through c tanh(g / c)',
    oneProgram: true,
    levels: thresholds(1, [0.3, 1, 3, 10], perElement, (c) => clip.tanh(c)),
  },
  {
    name: 'adaClip',
    about: 'elements above the running mean of the largest (Huang et al. 2025)',
    oneProgram: false,
    levels: [
      { name: 'decay=0.999', usual: true, make: () => clip.adaClip() },
      ...[0.9, 0.99].map((decay) => ({ name: `decay=${decay}`, make: () => clip.adaClip({ decay }) })),
      ...[0.99, 0.999].map((decay) => ({
        name: `decay=${decay} as published`,
        make: () => clip.adaClip({ decay, warmup: 0, cap: Infinity }),
      })),
    ],
  },
  {
    name: 'adaGn',
    about: 'gradients by a running norm (Huang et al. 2025)',
    oneProgram: false,
    levels: [
      { name: 'tensor', usual: true, make: () => clip.adaGn() },
      { name: 'global', make: () => clip.adaGn({ scope: 'global' }) },
      ...([0.9, 0.99] as const).map((a) => ({ name: `decays=${a},0.999`, make: () => clip.adaGn({ decays: [a, 0.999] }) })),
      { name: 'global decays=0.9,0.999', make: () => clip.adaGn({ scope: 'global', decays: [0.9, 0.999] }) },
    ],
  },
];

/** Those that a run without further ado tries. */
export const USUAL: readonly LabPolicy[] = [NONE, AUTO, ...FIVE];

/** All by name, in the order of tables. */
export const POLICIES: ReadonlyMap<string, LabPolicy> = new Map([...USUAL, ...MORE].map((policy) => [policy.name, policy]));
