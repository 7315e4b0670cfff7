// index.ts: the clip policies. Adding one: a file, and a line here.
export { chain } from './chain.ts';
export type { ClipColumns, ClipContext, ClipPolicy, Clipped } from './clip.ts';
export type { NonFinite, NonFiniteOptions } from './finite.ts';
export { type NoneOptions, none } from './none.ts';
export { type GlobalNormOptions, globalNorm, type NormOptions, perTensorNorm } from './norm.ts';
export { type ValueOptions, value } from './value.ts';
