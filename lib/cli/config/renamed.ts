// renamed.ts: what configurations of 0.1.0 called otherwise. They go on working; what reads them knows the names of today only.
interface Renamed {
  readonly type?: string;
  /** Old name of an option to the name of today. */
  readonly options?: Readonly<Record<string, string>>;
}

/** By the type of 0.1.0. */
const RENAMED: Readonly<Record<string, Renamed>> = {
  adagrad: { options: { initialAccumulator: 'initialAccumulatorValue' } },
  adaClip: { options: { theta: 'decay' } },
  adaGC: { type: 'adaGc', options: { beta: 'decay' } },
  adaGN: { type: 'adaGn', options: { gammas: 'decays' } },
  spam: { options: { theta: 'threshold' } },
  spikeSkip: { options: { k: 'threshold', active: 'warmup' } },
  standardise: { type: 'standardize' },
  topK: { options: { threshold: 'fraction' } },
  weightClip: { options: { w: 'max' } },
  zclip: { options: { alpha: 'decay', maxNorm: 'max' } },
};

/** The same under the names of today. */
export function renamed<T extends { readonly type: string }>(config: T): T {
  if (!Object.hasOwn(RENAMED, config.type)) return config;
  const { type = config.type, options = {} } = RENAMED[config.type]!;
  const entries = Object.entries(config).map(([key, value]) => [Object.hasOwn(options, key) ? options[key] : key, value]);
  return { ...Object.fromEntries(entries), type } as T;
}
