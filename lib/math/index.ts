// index.ts of math: functions of f64 whose bits are the same in every engine.
export { squareOf } from './double.ts';
export { erf, erfc } from './erf.ts';
export { exp, expm1, log, log1p, log10, pow, tanh } from './exponential.ts';
export { largestOf } from './largest.ts';
export { cos, sin } from './trigonometric.ts';
