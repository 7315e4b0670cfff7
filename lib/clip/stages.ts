// stages.ts: the stages that a policy of your own returns: `clip.parts.stage`.
export {
  limit,
  round,
  type Stage,
  type StageKind,
  scale,
  scaleUnits,
  shiftRows,
  shrinkAbove,
  sign,
  soft,
  tanh,
  type Units,
  unitsOf,
  zeroBelow,
  zeroNonFinite,
} from '../ops/gradient/stage.ts';
