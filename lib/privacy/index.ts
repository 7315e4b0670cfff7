// index.ts: privacy: what clipped samples and noise give away of a row, as epsilon at a delta.
export {
  Accountant,
  type AccountantJSON,
  type AccountantName,
  type AccountantOptions,
  type BoundsOptions,
  bounds,
  type EpsilonBounds,
  type EpsilonOptions,
  epsilon,
  fromJSON,
  type PrivacySteps,
  type SigmaOptions,
  type SpentOptions,
  sigmaFor,
  type WithinOptions,
} from './accountant.ts';
